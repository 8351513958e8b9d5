//! `stopleak gateway`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::revoke::Revoke;
use super::table::{self, cell, items};

/// Let gateways in, see what is in force there, and shut them out
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak gateway add edge
  stopleak gateway list
  stopleak gateway revoke edge")]
pub(super) struct Gateway {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a gateway's credential, which is shown this once
    Add(Add),
    /// List gateways: how many workers have the newest index, which one is in force, since when, and refused pushes
    List(Remote),
    /// Take a gateway's credential back; its streams end at once
    Revoke(Revoke),
}

#[derive(Args)]
struct Add {
    /// What people will call it
    name: String,
    #[command(flatten)]
    remote: Remote,
}

impl Gateway {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::Add(add) => add.run(),
            Command::List(remote) => list(&remote),
            Command::Revoke(revoke) => revoke.run("gateways", "gateway"),
        }
    }
}

impl Add {
    fn run(self) -> Result<(), Fault> {
        let added = self.remote.client()?.post("/gateways", &json!({"name": self.name}))?;
        if self.remote.json {
            return table::json(&added);
        }
        for (name, member) in [("gateway", "name"), ("credential", "credential"), ("public key", "public_key"), ("feed", "feed")]
        {
            table::print(&format!("{name:10} {}", cell(&added, member)))?;
        }
        table::print("\nThe credential is shown this once. For the filter's configuration:\n")?;
        table::json(&added["settings"])
    }
}

fn list(remote: &Remote) -> Result<(), Fault> {
    let list = remote.client()?.all("/gateways", "gateways")?;
    if remote.json {
        return table::json(&list);
    }
    let row = |gateway: &Value| {
        let state = match (gateway["revoked_at"].is_null(), gateway["connected"] == true) {
            (false, _) => "revoked",
            (true, true) => "connected",
            (true, false) => "away",
        };
        let alarm = match (gateway["refuses"] == true, gateway["behind_since"].is_null()) {
            (true, _) => "refuses",
            (false, false) => "behind",
            (false, true) => "-",
        };
        let current = format!("{} of {}", cell(gateway, "workers_current"), cell(gateway, "workers"));
        let mut row = vec![cell(gateway, "id"), cell(gateway, "name"), state.to_owned(), alarm.to_owned(), current];
        let members = [
            "epoch",
            "tokens",
            "index_bytes",
            "index_age_seconds",
            "envoys",
            "connected_since",
            "last_seen_at",
            "filter_versions",
            "attempts_dropped",
            "nacks",
            "last_nack/reason",
        ];
        row.extend(members.map(|member| cell(gateway, member)));
        let servers: Vec<String> = items(gateway, "servers").iter().map(|server| cell(server, "server")).collect();
        row.push(if servers.is_empty() { "-".to_owned() } else { servers.join(",") });
        row
    };
    let rows: Vec<_> = items(&list, "gateways").iter().map(row).collect();
    let headings = [
        "ID",
        "GATEWAY",
        "STATE",
        "ALARM",
        "CURRENT",
        "EPOCH",
        "TOKENS",
        "BYTES",
        "AGE (S)",
        "ENVOYS",
        "SINCE",
        "LAST SEEN",
        "FILTER",
        "DROPPED",
        "NACKS",
        "LAST NACK",
        "SERVERS",
    ];
    table::rows(&headings, &rows)
}
