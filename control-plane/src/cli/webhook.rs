//! `stopleak webhook`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::revoke::Revoke;
use super::table::{self, cell, items};

/// Let others send findings as signed webhooks, see what came, and stop it
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak webhook add ci
  stopleak webhook list
  stopleak webhook revoke ci

A delivery is a POST of a report, or of {\"findings\": [{\"secret\": …, \"path\": …}]}, with the header
  stopleak-signature: t=<Unix seconds>,v1=<hexadecimal HMAC-SHA256 of \"<t>.<body>\" under the secret>")]
pub(super) struct Webhook {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a webhook and its secret, which is shown this once
    Add(Add),
    /// List webhooks and what came of them
    List(Remote),
    /// Take nothing more of a webhook
    Revoke(Revoke),
}

#[derive(Args)]
struct Add {
    /// Who will send: the source that the findings will belong to
    name: String,
    #[command(flatten)]
    remote: Remote,
}

impl Webhook {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::Add(add) => add.run(),
            Command::List(remote) => list(&remote),
            Command::Revoke(revoke) => revoke.run("webhooks", "webhook"),
        }
    }
}

impl Add {
    fn run(self) -> Result<(), Fault> {
        let added = self.remote.client()?.post("/webhooks", &json!({"name": self.name}))?;
        if self.remote.json {
            return table::json(&added);
        }
        for (name, member) in [("webhook", "name"), ("path", "path"), ("secret", "secret")] {
            table::print(&format!("{name:8} {}", cell(&added, member)))?;
        }
        table::print("\nThe secret is shown this once. `stopleak webhook --help` says how to sign with it.")
    }
}

fn list(remote: &Remote) -> Result<(), Fault> {
    let list = remote.client()?.all("/webhooks", "webhooks")?;
    if remote.json {
        return table::json(&list);
    }
    let row = |webhook: &Value| {
        ["id", "name", "deliveries", "findings", "found_new", "last_delivered_at", "author", "revoked_at"]
            .map(|member| cell(webhook, member))
            .to_vec()
    };
    let rows: Vec<_> = items(&list, "webhooks").iter().map(row).collect();
    table::rows(&["ID", "NAME", "DELIVERIES", "FINDINGS", "NEW", "LAST DELIVERY", "AUTHOR", "REVOKED"], &rows)
}
