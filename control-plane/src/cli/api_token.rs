//! `stopleak api-token`

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::table::{self, cell, items};
use super::user::Role;
use crate::time::Time;

/// Make API tokens for programs, see their use, and take them back
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak api-token add ci --role analyst --days 90
  stopleak api-token list
  stopleak api-token revoke 3")]
pub(super) struct ApiToken {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List API tokens, with expiry and last use
    List(Remote),
    /// Make an API token, which is shown this once
    Add(Add),
    /// Take an API token back
    Revoke(Revoke),
}

#[derive(Args)]
struct Add {
    /// What people will call it
    name: String,
    /// What may be done with it
    #[arg(long)]
    role: Role,
    /// It stops to work after so many days [default: never]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Revoke {
    /// Its number
    id: i64,
    #[command(flatten)]
    remote: Remote,
}

impl ApiToken {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::List(remote) => list(&remote),
            Command::Add(add) => add.run(),
            Command::Revoke(revoke) => {
                revoke.remote.client()?.delete(&format!("/api-tokens/{}", revoke.id))?;
                if revoke.remote.json {
                    return table::json(&json!({"id": revoke.id}));
                }
                table::print(&format!("API token {} is refused from now on", revoke.id))
            }
        }
    }
}

impl Add {
    fn run(self) -> Result<(), Fault> {
        let expires_at = self.days.map(|days| Time::now().plus(Duration::from_hours(24) * days));
        let asked = json!({"name": self.name, "role": self.role, "expires_at": expires_at});
        let added = self.remote.client()?.post("/api-tokens", &asked)?;
        if self.remote.json {
            return table::json(&added);
        }
        table::print(&format!("{}\n\nThe token is shown this once.", cell(&added, "token")))
    }
}

fn list(remote: &Remote) -> Result<(), Fault> {
    let list = remote.client()?.all("/api-tokens", "api_tokens")?;
    if remote.json {
        return table::json(&list);
    }
    let members = ["id", "name", "role", "created_at", "last_used_at", "expires_at", "revoked_at"];
    let row = |token: &Value| members.map(|member| cell(token, member)).to_vec();
    let rows: Vec<_> = items(&list, "api_tokens").iter().map(row).collect();
    table::rows(&["ID", "NAME", "ROLE", "MADE", "LAST USED", "EXPIRES", "REVOKED"], &rows)
}
