//! `stopleak attempts`

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::leak::leak_number;
use super::pages::Pages;
use super::table::{self, cell, items};
use crate::leaks::LeakNumber;

/// See who tried to use leaked tokens
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak attempts list
  stopleak attempts list --leak LK-7 --outcome blocked --json")]
pub(super) struct Attempts {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List attempts, the newest first
    List(List),
}

#[derive(Args)]
struct List {
    /// Only attempts with tokens of this leak
    #[arg(long, value_parser = leak_number)]
    leak: Option<LeakNumber>,
    /// Only attempts that the gateways let pass, or refused
    #[arg(long)]
    outcome: Option<Outcome>,
    #[command(flatten)]
    pages: Pages,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Observed,
    Blocked,
}

impl Attempts {
    pub(super) fn run(self) -> Result<(), Fault> {
        let Command::List(list) = self.command;
        list.run()
    }
}

impl List {
    fn run(self) -> Result<(), Fault> {
        let query = self.pages.with("id", &[("leak", json!(self.leak)), ("outcome", json!(self.outcome))]);
        let list = self.remote.client()?.ask("/attempts", &query)?;
        if self.remote.json {
            return table::json(&list);
        }
        let members =
            ["last_seen_at", "leak", "token", "outcome", "count", "client", "method", "host", "path", "status", "gateway"];
        let row = |attempt: &Value| members.map(|member| cell(attempt, member)).to_vec();
        let rows: Vec<_> = items(&list, "attempts").iter().map(row).collect();
        let headings =
            ["LAST SEEN", "LEAK", "TOKEN", "OUTCOME", "COUNT", "CLIENT", "METHOD", "HOST", "PATH", "STATUS", "GATEWAY"];
        table::rows(&headings, &rows)
    }
}
