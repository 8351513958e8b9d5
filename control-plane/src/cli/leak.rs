//! `stopleak leak`

use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Fault;
use super::client::{Client, Remote};
use super::table::{self, cell, items};
use crate::leaks::{LeakNumber, parse_leak_id};

/// List leaks, add them, and decide on them
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak leak list --status open --risk high
  stopleak leak add --title 'laptop of the on-call' tokens.txt
  stopleak leak patch LK-7 --reason 'still in use by CI'
  stopleak leak close LK-7 --reason 'revoked at the provider'")]
pub(super) struct Leak {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List leaks, the newest first
    List(List),
    /// Show a leak: its tokens, where they were found, and what was decided
    Show(Which),
    /// Add a leak; its tokens come from a file or from standard input
    #[command(after_help = "\
Tokens are read from a file or from standard input, one a line, and never from the command line: every user of
this machine can see the arguments of running programs.

Examples:
  stopleak leak add --title 'pasted in a chat' < tokens.txt
  pass show api/key | stopleak leak add --title 'old laptop' --risk critical")]
    Add(Add),
    /// Apply a virtual patch: every gateway refuses the leak's tokens
    Patch(Patch),
    /// Mark a leak as false: its tokens were none
    False(Decision),
    /// Close a leak: it was dealt with
    Close(Decision),
    /// Reopen a leak; its virtual patch does not come back
    Reopen(Decision),
    /// Set a leak's risk
    Risk(SetRisk),
}

#[derive(Args)]
struct List {
    /// Only leaks of this status
    #[arg(long)]
    status: Option<Status>,
    /// Only leaks of this risk
    #[arg(long)]
    risk: Option<Risk>,
    /// Only leaks with (true) or without (false) a virtual patch
    #[arg(long)]
    patched: Option<bool>,
    /// Only leaks with a smaller number: for the next page
    #[arg(long, value_name = "NUMBER")]
    before: Option<LeakNumber>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Which {
    /// The leak, such as LK-7
    #[arg(value_parser = leak_number)]
    leak: LeakNumber,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Add {
    /// What people will call it
    #[arg(long)]
    title: String,
    /// How bad it is
    #[arg(long, default_value = "high")]
    risk: Risk,
    /// A file with one token a line; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Patch {
    #[command(flatten)]
    decision: Decision,
    /// Block short, placeholder or too regular tokens too
    #[arg(long)]
    confirm: bool,
}

#[derive(Args)]
struct Decision {
    #[command(flatten)]
    which: Which,
    /// Why; kept on record
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Args)]
struct SetRisk {
    #[command(flatten)]
    decision: Decision,
    /// How bad it is
    risk: Risk,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Risk {
    Critical,
    High,
    Medium,
    Low,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum Status {
    Open,
    Closed,
    FalsePositive,
}

#[derive(Serialize)]
struct NewLeak<'a> {
    title: &'a str,
    risk: Risk,
    tokens: Vec<&'a str>,
}

impl Leak {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::List(list) => list.run(),
            Command::Show(which) => {
                let leak = which.remote.client()?.get(&format!("/leaks/{}", which.leak))?;
                if which.remote.json { table::json(&leak) } else { show(&leak) }
            }
            Command::Add(add) => add.run(),
            Command::Patch(patch) => patch.decision.take(&json!({"action": "apply_virtual_patch", "confirm": patch.confirm})),
            Command::False(decision) => decision.take(&json!({"action": "mark_false"})),
            Command::Close(decision) => decision.take(&json!({"action": "close"})),
            Command::Reopen(decision) => decision.take(&json!({"action": "reopen"})),
            Command::Risk(set) => set.decision.take(&json!({"action": "set_risk", "risk": set.risk})),
        }
    }
}

impl List {
    fn run(self) -> Result<(), Fault> {
        let query = [
            ("status", json!(self.status)),
            ("risk", json!(self.risk)),
            ("patched", json!(self.patched)),
            ("before", json!(self.before)),
            ("limit", json!(self.limit)),
        ];
        let list = self.remote.client()?.ask("/leaks", &query)?;
        if self.remote.json {
            return table::json(&list);
        }
        let row = |leak: &Value| {
            let patch = if leak["virtual_patch"].is_null() { "-" } else { "patched" };
            let mut row: Vec<String> = ["id", "risk", "status"].map(|member| cell(leak, member)).to_vec();
            row.extend([patch.to_owned(), cell(leak, "token_count"), cell(leak, "title")]);
            row
        };
        let rows: Vec<_> = items(&list, "leaks").iter().map(row).collect();
        table::rows(&["LEAK", "RISK", "STATUS", "PATCH", "TOKENS", "TITLE"], &rows)
    }
}

impl Add {
    fn run(self) -> Result<(), Fault> {
        let client = self.remote.client()?;
        let text = read_tokens(&self.file)?;
        let tokens: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if tokens.is_empty() {
            return Err(Fault::Usage("no token came; give one a line, in a file or on standard input".to_owned()));
        }
        let leak = NewLeak { title: &self.title, risk: self.risk, tokens };
        let body = serde_json::to_string(&leak).map_err(|error| Fault::Usage(error.to_string()))?;
        let leak = client.post_text("/leaks", &Zeroizing::new(body))?;
        if self.remote.json {
            return table::json(&leak);
        }
        let tokens = if leak["token_count"] == 1 { "token" } else { "tokens" };
        table::print(&format!("{} added with {} {tokens}", cell(&leak, "id"), cell(&leak, "token_count")))?;
        show(&leak)
    }
}

impl Decision {
    fn take(self, request: &Value) -> Result<(), Fault> {
        let client: Client = self.which.remote.client()?;
        let mut request = request.clone();
        request["reason"] = json!(self.reason);
        let taken = client.post(&format!("/leaks/{}/decisions", self.which.leak), &request)?;
        if self.which.remote.json {
            return table::json(&taken);
        }
        let patch = if taken["leak"]["virtual_patch"].is_null() { "without a virtual patch" } else { "with a virtual patch" };
        let [id, status, risk] = ["leak/id", "leak/status", "leak/risk"].map(|member| cell(&taken, member));
        table::print(&format!("{id} is {status}, {patch}, risk {risk}; gateways know it from epoch {} on", cell(&taken, "epoch")))
    }
}

fn show(leak: &Value) -> Result<(), Fault> {
    for (name, member) in [
        ("leak", "id"),
        ("title", "title"),
        ("risk", "risk"),
        ("status", "status"),
        ("patched", "virtual_patch/applied_at"),
        ("found", "created_at"),
        ("observed", "attempts/observed"),
        ("blocked", "attempts/blocked"),
        ("last use", "attempts/last_seen_at"),
    ] {
        table::print(&format!("{name:9} {}", cell(leak, member)))?;
    }
    for token in items(leak, "tokens") {
        table::print(&format!(
            "token     {}  rule {}  weakness {}",
            cell(token, "preview"),
            cell(token, "rule"),
            cell(token, "weakness")
        ))?;
        for occurrence in items(token, "occurrences") {
            let [path, line, column, commit] = ["path", "line", "column", "commit"].map(|member| cell(occurrence, member));
            table::print(&format!("            {path}:{line}:{column}  commit {commit}"))?;
        }
    }
    for decision in items(leak, "decisions") {
        let [at, action, author, reason] = ["at", "action", "author", "reason"].map(|member| cell(decision, member));
        table::print(&format!("decision  {at}  {action}  by {author}  reason {reason}"))?;
    }
    Ok(())
}

fn read_tokens(file: &Path) -> Result<Zeroizing<String>, Fault> {
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        if io::stdin().is_terminal() {
            eprintln!("Type the tokens, one a line; end with Ctrl-D.");
        }
        io::stdin().read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| Fault::Usage(format!("tokens from {}: {error}", file.display())))?;
    Ok(text)
}

pub(super) fn leak_number(text: &str) -> Result<LeakNumber, &'static str> {
    parse_leak_id(text).ok_or("write it as LK-7 or 7")
}
