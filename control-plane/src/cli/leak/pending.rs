//! Decisions that wait.

use clap::Args;
use serde_json::{Value, json};

use super::decide::told;
use super::leak_number;
use crate::cli::Fault;
use crate::cli::client::Remote;
use crate::cli::pages::Pages;
use crate::cli::table::{self, cell, items};
use crate::leaks::LeakNumber;

#[derive(Args)]
pub(super) struct ListPending {
    /// Only those on this leak
    #[arg(long, value_parser = leak_number)]
    leak: Option<LeakNumber>,
    /// Also those that wait no more
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pages: Pages,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
pub(super) struct Settle {
    /// The pending decision, as `leak pending` lists it
    id: i64,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
pub(super) struct SettleWhy {
    #[command(flatten)]
    settle: Settle,
    /// Why; kept on record
    #[arg(long)]
    reason: Option<String>,
}

impl ListPending {
    pub(super) fn run(self) -> Result<(), Fault> {
        let filter = [("leak", json!(self.leak)), ("all", json!(self.all))];
        let list = self.remote.client()?.ask("/pending", &self.pages.with("id", &filter))?;
        if self.remote.json {
            return table::json(&list);
        }
        let members = ["id", "leak", "action", "status", "author", "next_at", "reason", "outcome"];
        let rows: Vec<_> =
            items(&list, "pending").iter().map(|pending: &Value| members.map(|member| cell(pending, member)).to_vec()).collect();
        table::rows(&["ID", "LEAK", "ACTION", "STATUS", "AUTHOR", "UNTIL", "REASON", "OUTCOME"], &rows)
    }
}

impl Settle {
    pub(super) fn approve(self) -> Result<(), Fault> {
        let taken = self.remote.client()?.post(&format!("/pending/{}/approve", self.id), &json!({}))?;
        if self.remote.json { table::json(&taken) } else { told(&taken) }
    }
}

impl SettleWhy {
    pub(super) fn drop_it(self, how: &str) -> Result<(), Fault> {
        let Settle { id, remote } = self.settle;
        let dropped = remote.client()?.post(&format!("/pending/{id}/{how}"), &json!({"reason": self.reason}))?;
        if remote.json {
            return table::json(&dropped);
        }
        let [leak, action, status] = ["leak", "action", "status"].map(|member| cell(&dropped, member));
        table::print(&format!("{action} on {leak} is {status}"))
    }
}
