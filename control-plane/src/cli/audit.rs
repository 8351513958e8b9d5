//! `stopleak audit`

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::pages::Pages;
use super::table::{self, cell, items};
use crate::audit::{Entry, Head, Verifier};
use crate::time::Time;

/// Read, export and verify the audit log
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak audit list --actor ada --since 2026-01-01T00:00:00Z
  stopleak audit export > audit.jsonl
  stopleak audit verify --head 42:5e0f…
  stopleak audit verify --file audit.jsonl")]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List entries, the newest first
    List(List),
    /// Print all entries, the oldest first, as JSON lines or CSV
    Export(Export),
    /// Check that no entry was changed, removed or put in; exit code 1 and the first broken entry otherwise
    ///
    /// The entries are read, and their hashes computed, here. Keep the head that is printed: given back with --head, it also shows
    /// whether the end of the log was cut off or the whole of it written anew.
    Verify(Verify),
}

#[derive(Args)]
struct List {
    /// Only what this user or API token did
    #[arg(long)]
    actor: Option<String>,
    /// Only this action, such as gateway.add
    #[arg(long)]
    action: Option<String>,
    /// Only what was done to this object, such as leak/7
    #[arg(long)]
    object: Option<String>,
    /// Only entries of this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only entries before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    pages: Pages,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Export {
    /// How
    #[arg(long, default_value = "jsonl")]
    format: Format,
    /// Only entries after this number
    #[arg(long, default_value_t = 0)]
    after: i64,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Verify {
    /// A file of `stopleak audit export` instead of the server's log
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The head that an earlier check printed
    #[arg(long, value_name = "NUMBER:HASH")]
    head: Option<Head>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

/// A line of the export.
#[derive(Deserialize)]
struct Line {
    tenant: String,
    number: i64,
    at: String,
    actor: Actor,
    address: Option<String>,
    action: String,
    object: String,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
    hash: String,
}

#[derive(Deserialize)]
struct Actor {
    kind: String,
    id: Option<i64>,
    name: String,
    role: String,
}

impl Audit {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::List(list) => list.run(),
            Command::Export(export) => export.run(),
            Command::Verify(verify) => verify.run(),
        }
    }
}

impl List {
    fn run(self) -> Result<(), Fault> {
        let filter = [
            ("actor", json!(self.actor)),
            ("action", json!(self.action)),
            ("object", json!(self.object)),
            ("since", json!(self.since)),
            ("until", json!(self.until)),
        ];
        let list = self.remote.client()?.ask("/audit", &self.pages.with("number", &filter))?;
        if self.remote.json {
            return table::json(&list);
        }
        let members = ["number", "at", "actor/name", "actor/role", "address", "action", "object"];
        let row = |entry: &Value| members.map(|member| cell(entry, member)).to_vec();
        let rows: Vec<_> = items(&list, "entries").iter().map(row).collect();
        table::rows(&["NUMBER", "AT", "WHO", "ROLE", "FROM", "ACTION", "OBJECT"], &rows)
    }
}

impl Export {
    fn run(self) -> Result<(), Fault> {
        let format = match self.format {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
        };
        let query = [("format", json!(format)), ("after", json!(self.after))];
        let mut export = self.remote.client()?.stream("/audit/export", &query)?;
        let mut out = io::stdout().lock();
        io::copy(&mut export, &mut out)
            .and_then(|_| out.flush())
            .map_err(|error| Fault::Refused(format!("the export broke off: {error}")))
    }
}

impl Verify {
    fn run(self) -> Result<(), Fault> {
        let lines: Box<dyn Read> = match &self.file {
            Some(path) => {
                Box::new(File::open(path).map_err(|error| Fault::Usage(format!("--file {}: {error}", path.display())))?)
            }
            None => Box::new(self.remote.client()?.stream("/audit/export", &[])?),
        };
        let (tenant, head) = verify(BufReader::new(lines), self.head)?;
        if self.remote.json {
            return table::json(&json!({"tenant": tenant, "entries": head.number, "head": head.to_string(), "intact": true}));
        }
        table::print(&format!("{tenant}: {} entries, all intact. Keep this for the next check:\n--head {head}", head.number))
    }
}

/// Whose log it is, and its newest entry.
fn verify(lines: impl BufRead, remembered: Option<Head>) -> Result<(String, Head), Fault> {
    let mut tenant = None;
    let mut verifier = Verifier::new("", remembered);
    let broken = |error: &dyn std::fmt::Display| Fault::Refused(format!("the audit log is not intact: {error}"));
    for (place, line) in (1_u64..).zip(lines.lines()) {
        let line = line.map_err(|error| Fault::Refused(format!("the log cannot be read to its end: {error}")))?;
        let unreadable = || broken(&format!("line {place} is no entry"));
        let line: Line = serde_json::from_str(&line).map_err(|_| unreadable())?;
        let stored = blake3::Hash::from_hex(&line.hash).map_err(|_| unreadable())?;
        if tenant.is_none() {
            verifier = Verifier::new(&line.tenant, remembered);
            tenant = Some(line.tenant.clone());
        }
        verifier.next(&line.entry().ok_or_else(unreadable)?, stored.as_bytes()).map_err(|error| broken(&error))?;
    }
    let head = verifier.end().map_err(|error| broken(&error))?;
    Ok((tenant.unwrap_or_else(|| "an empty log".to_owned()), head))
}

impl Line {
    fn entry(self) -> Option<Entry> {
        let text = |state: Option<Box<RawValue>>| state.map(|state| state.get().to_owned());
        Some(Entry {
            number: self.number,
            at: Time::parse(&self.at)?,
            actor_kind: self.actor.kind,
            actor_id: self.actor.id,
            actor: self.actor.name,
            role: self.actor.role,
            address: self.address.unwrap_or_default(),
            action: self.action,
            object: self.object,
            before: text(self.before),
            after: text(self.after),
        })
    }
}
