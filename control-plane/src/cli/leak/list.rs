//! `stopleak leak list` and `stopleak leak summary`

use clap::Args;
use serde_json::{Value, json};

use super::{Life, Risk, Status};
use crate::cli::Fault;
use crate::cli::client::Remote;
use crate::cli::table::{self, cell, items};

/// Which leaks are wanted.
#[derive(Args)]
#[command(next_help_heading = "Which leaks")]
pub(super) struct Wanted {
    /// Only leaks of this status
    #[arg(long)]
    status: Option<Status>,
    /// Only leaks of this risk
    #[arg(long)]
    risk: Option<Risk>,
    /// Only leaks with (true) or without (false) a virtual patch
    #[arg(long)]
    patched: Option<bool>,
    /// Only leaks of the source with this id
    #[arg(long, value_name = "ID")]
    source: Option<i64>,
    /// Only leaks of sources of this kind, such as `git` or `import`; `manual`: those that were added by hand
    #[arg(long, value_name = "KIND")]
    source_kind: Option<String>,
    /// Only leaks of this person; an empty name: of nobody
    #[arg(long, value_name = "NAME")]
    assignee: Option<String>,
    /// Only leaks with this in their title
    #[arg(long)]
    text: Option<String>,
    /// Only leaks with a token that this rule found
    #[arg(long)]
    rule: Option<String>,
    /// Only leaks whose tokens work (`alive`: one of them does), are all refused (`dead`), or of which nobody knows (`unseen`)
    #[arg(long)]
    life: Option<Life>,
    /// Only leaks with (true) or without (false) a use from a new client that nobody has decided on since
    #[arg(long)]
    new_client: Option<bool>,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    wanted: Wanted,
    /// In the order of this column, such as `title`, or `-risk` for the worst first
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Where another page ended
    #[arg(long)]
    cursor: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
pub(super) struct AskSummary {
    /// Of so many days until today
    #[arg(long, default_value_t = 30)]
    days: u32,
    #[command(flatten)]
    remote: Remote,
}

const COUNTS: [&str; 4] = ["open", "patched", "closed", "false_positive"];
/// Entries of one page, as the API has them.
const PAGE: usize = 1000;

impl Wanted {
    pub(super) fn query(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("status", json!(self.status)),
            ("risk", json!(self.risk)),
            ("patched", json!(self.patched)),
            ("source", json!(self.source)),
            ("source_kind", json!(self.source_kind)),
            ("assignee", json!(self.assignee)),
            ("text", json!(self.text)),
            ("rule", json!(self.rule)),
            ("life", json!(self.life)),
            ("new_client", json!(self.new_client)),
        ]
    }
}

impl List {
    /// Page by page: a page may have fewer leaks than are wanted.
    pub(super) fn run(self) -> Result<(), Fault> {
        let client = self.remote.client()?;
        let (mut leaks, mut cursor) = (Vec::new(), json!(self.cursor));
        loop {
            let mut query = self.wanted.query();
            let more = self.limit.saturating_sub(leaks.len()).min(PAGE);
            query.extend([("sort", json!(self.sort)), ("cursor", cursor), ("limit", json!(more))]);
            let page = client.ask("/leaks", &query)?;
            leaks.extend(items(&page, "leaks").iter().cloned());
            cursor = page["next"].clone();
            if cursor.is_null() || leaks.len() >= self.limit {
                break;
            }
        }
        if self.remote.json {
            return table::json(&json!({"leaks": leaks, "next": cursor}));
        }
        let row = |leak: &Value| {
            let patch = if leak["virtual_patch"].is_null() { "-" } else { "patched" };
            let mut row: Vec<String> = ["id", "risk", "status"].map(|member| cell(leak, member)).to_vec();
            row.extend([
                patch.to_owned(),
                cell(leak, "life"),
                cell(leak, "token_count"),
                cell(leak, "assignee"),
                cell(leak, "title"),
            ]);
            row
        };
        let rows: Vec<_> = leaks.iter().map(row).collect();
        table::rows(&["LEAK", "RISK", "STATUS", "PATCH", "LIFE", "TOKENS", "ASSIGNEE", "TITLE"], &rows)?;
        if let Some(next) = cursor.as_str() {
            eprintln!("There are more: --limit for more of them, or --cursor {next}");
        }
        Ok(())
    }
}

impl AskSummary {
    pub(super) fn run(self) -> Result<(), Fault> {
        let summary = self.remote.client()?.ask("/leaks/summary", &[("days", json!(self.days))])?;
        if self.remote.json {
            return table::json(&summary);
        }
        let row = |name: &str, counts: &Value| {
            let mut row = vec![name.to_owned()];
            row.extend(COUNTS.map(|count| cell(counts, count)));
            row
        };
        let mut rows = vec![row("all", &summary)];
        rows.extend(["critical", "high", "medium", "low"].map(|risk| row(risk, &summary["risks"][risk])));
        rows.extend(["alive", "dead", "unseen"].map(|life| row(life, &summary["lives"][life])));
        rows.extend(items(&summary, "sources").iter().map(|source| row(&cell(source, "title"), source)));
        table::rows(&["LEAKS", "OPEN", "PATCHED", "CLOSED", "FALSE"], &rows)
    }
}
