//! `stopleak leak`

mod decide;
mod export;
mod list;
mod many;
mod notes;
mod pending;

use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::decide::{AskImpact, Decision, Patch, SetRisk};
use self::export::Export;
use self::list::{AskSummary, List};
use self::many::DecideMany;
use self::notes::{Assign, Comment};
use self::pending::{ListPending, Settle, SettleWhy};
use super::Fault;
use super::client::Remote;
use super::table::{self, cell, items};
use super::wait;
use crate::leaks::{LeakNumber, parse_leak_id};

/// List leaks, add them, and decide on them
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak leak list --status open --risk high
  stopleak leak add --title 'laptop of the on-call' tokens.txt
  stopleak leak patch LK-7 --reason 'still in use by CI'
  stopleak leak patch LK-7 --wait
  stopleak leak patch LK-7 --at 2h --expires 7d
  stopleak leak patch LK-7 --host api.example.com --path-prefix /v2 --exempt 10.0.0.0/8
  stopleak leak decide close --source 3 --reason 'rotated' --dry-run
  stopleak leak close LK-7 --reason 'revoked at the provider'")]
pub(super) struct Leak {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List leaks, the newest first or in another order
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
    /// Remove the virtual patch: the leak's tokens are observed again
    Unpatch(Decision),
    /// Mark a leak as false: its tokens were none
    False(Decision),
    /// Close a leak: it was dealt with
    Close(Decision),
    /// Reopen a leak; its virtual patch does not come back
    Reopen(Decision),
    /// Set a leak's risk
    Risk(SetRisk),
    /// Take one decision on many leaks
    Decide(DecideMany),
    /// See what a virtual patch would have refused
    Impact(AskImpact),
    /// List decisions that wait for their time or for a second administrator
    Pending(ListPending),
    /// Approve a decision that another administrator has asked for
    Approve(Settle),
    /// Reject a decision that another administrator has asked for
    Reject(SettleWhy),
    /// Cancel a decision that waits
    Cancel(SettleWhy),
    /// Say something about a leak; without a text, list what was said
    Comment(Comment),
    /// Say whose a leak is
    Assign(Assign),
    /// Write all leaks, or those that are wanted, as CSV or JSON
    Export(Export),
    /// Show how many leaks there are, by risk and source
    Summary(AskSummary),
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

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Life {
    Alive,
    Dead,
    Unseen,
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
            Command::Patch(patch) => patch.run(),
            Command::Unpatch(decision) => decision.take(json!({"action": "remove_virtual_patch"})),
            Command::False(decision) => decision.take(json!({"action": "mark_false"})),
            Command::Close(decision) => decision.take(json!({"action": "close"})),
            Command::Reopen(decision) => decision.take(json!({"action": "reopen"})),
            Command::Risk(set) => set.run(),
            Command::Decide(many) => many.run(),
            Command::Impact(ask) => ask.run(),
            Command::Pending(list) => list.run(),
            Command::Approve(settle) => settle.approve(),
            Command::Reject(settle) => settle.drop_it("reject"),
            Command::Cancel(settle) => settle.drop_it("cancel"),
            Command::Comment(comment) => comment.run(),
            Command::Assign(assign) => assign.run(),
            Command::Export(export) => export.run(),
            Command::Summary(ask) => ask.run(),
        }
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

fn show(leak: &Value) -> Result<(), Fault> {
    for (name, member) in [
        ("leak", "id"),
        ("title", "title"),
        ("risk", "risk"),
        ("assignee", "assignee"),
        ("status", "status"),
        ("patched", "virtual_patch/applied_at"),
        ("until", "virtual_patch/expires_at"),
        ("hosts", "virtual_patch/scope/hosts"),
        ("paths", "virtual_patch/scope/path_prefixes"),
        ("exempt", "virtual_patch/scope/exempt_networks"),
        ("found", "created_at"),
        ("observed", "attempts/observed"),
        ("blocked", "attempts/blocked"),
        ("last use", "attempts/last_seen_at"),
        ("life", "life"),
        ("since", "life_since"),
        ("newcomer", "new_client/client"),
        ("seen", "new_client/at"),
        ("watched", "observed_until"),
        ("used", "used_after_close_at"),
    ] {
        table::print(&format!("{name:9} {}", cell(leak, member)))?;
    }
    for token in items(leak, "tokens") {
        table::print(&format!(
            "token     {}  rule {}  weakness {}  {} since {}  last use {}",
            cell(token, "preview"),
            cell(token, "rule"),
            cell(token, "weakness"),
            cell(token, "life"),
            cell(token, "life_since"),
            cell(token, "used_at")
        ))?;
        for occurrence in items(token, "occurrences") {
            let [path, line, column, commit] = ["path", "line", "column", "commit"].map(|member| cell(occurrence, member));
            table::print(&format!("            {path}:{line}:{column}  commit {commit}"))?;
        }
    }
    for pending in items(leak, "pending") {
        let [id, status, action, author, next] =
            ["id", "status", "action", "author", "next_at"].map(|member| cell(pending, member));
        table::print(&format!("waiting   {id}  {status}  {action}  by {author}  until {next}"))?;
    }
    for decision in items(leak, "decisions") {
        let [at, action, author, reason] = ["at", "action", "author", "reason"].map(|member| cell(decision, member));
        table::print(&format!("decision  {at}  {action}  by {author}  reason {reason}  {}", wait::in_words(decision)))?;
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
