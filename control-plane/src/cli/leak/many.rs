//! `stopleak leak decide`: one decision on many leaks, batch by batch.

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::decide::Scope;
use super::list::Wanted;
use super::{Risk, leak_number};
use crate::cli::Fault;
use crate::cli::client::Remote;
use crate::cli::moment::Moment;
use crate::cli::table::{self, cell, items};
use crate::cli::wait::Wait;
use crate::leaks::{BULK, LeakNumber};

#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak leak decide close LK-7 LK-8 LK-9 --reason 'rotated'
  stopleak leak decide mark_false --status open --text fixtures --dry-run
  stopleak leak decide apply_virtual_patch --risk high --rule acme-key --expires 7d")]
pub(super) struct DecideMany {
    /// What to do
    action: Action,
    /// On these leaks; or say which ones below
    #[arg(value_parser = leak_number, conflicts_with_all = ["status", "risk", "patched", "source", "source_kind", "assignee", "text", "rule", "all"])]
    leaks: Vec<LeakNumber>,
    #[command(flatten)]
    wanted: Wanted,
    /// On every leak that there is
    #[arg(long)]
    all: bool,
    /// The risk that `set_risk` sets
    #[arg(long, value_name = "RISK", required_if_eq("action", "set_risk"))]
    to: Option<Risk>,
    /// Why; kept on record
    #[arg(long)]
    reason: Option<String>,
    /// Block short, placeholder or too regular tokens too
    #[arg(long)]
    confirm: bool,
    /// When: a time, or how long from now, such as 2h [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// When the patches end by themselves: a time, or how long from now, such as 7d
    #[arg(long, value_name = "TIME")]
    expires: Option<Moment>,
    #[command(flatten)]
    scope: Scope,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum Action {
    ApplyVirtualPatch,
    RemoveVirtualPatch,
    MarkFalse,
    Close,
    Reopen,
    SetRisk,
}

impl DecideMany {
    pub(super) fn run(self) -> Result<(), Fault> {
        let filter: Map<String, Value> = self
            .wanted
            .query()
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        if self.leaks.is_empty() && filter.is_empty() && !self.all {
            return Err(Fault::Usage(
                "say which leaks: name them, or filter them with --status and the like, or --all".to_owned(),
            ));
        }
        let client = self.remote.client()?;
        let mut request = json!({
            "action": self.action, "reason": self.reason, "risk": self.to, "confirm": self.confirm, "at": self.at,
            "expires_at": self.expires, "dry_run": self.dry_run, "scope": self.scope.asked(),
        });
        let (mut results, mut epoch) = (Vec::new(), Value::Null);
        let mut take = |request: &Value| {
            let done = client.post("/decisions", request)?;
            results.extend(items(&done, "results").iter().cloned());
            if done["epoch"].is_i64() {
                epoch = done["epoch"].clone();
            }
            Ok(done["next"].clone())
        };
        if self.leaks.is_empty() {
            request["filter"] = Value::Object(filter);
            loop {
                request["cursor"] = take(&request)?;
                if request["cursor"].is_null() {
                    break;
                }
            }
        }
        for batch in self.leaks.chunks(BULK as usize) {
            request["leaks"] = batch.iter().map(|leak| json!(leak.to_string())).collect();
            take(&request)?;
        }
        let mut decided = json!({"dry_run": self.dry_run, "results": results, "epoch": epoch});
        self.wait.after(&client, self.remote.json, &mut decided, |decided| self.tell(items(decided, "results")))
    }

    fn tell(&self, results: &[Value]) -> Result<(), Fault> {
        let rows: Vec<_> =
            results.iter().map(|result| ["leak", "outcome", "detail"].map(|member| cell(result, member)).to_vec()).collect();
        table::rows(&["LEAK", "OUTCOME", "WHY"], &rows)?;
        let decided = results.iter().filter(|result| result["outcome"] == "decided").count();
        let would = if self.dry_run { "would be " } else { "" };
        table::print(&format!("{decided} of {} {would}decided", results.len()))
    }
}
