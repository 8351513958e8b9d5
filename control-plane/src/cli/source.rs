//! `stopleak source`

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::Fault;
use super::client::{Client, Remote};
use super::table::{self, cell, items};

/// Add sources and scan them on the server
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak source add https://git.example/team/api.git
  stopleak source scan 1")]
pub(super) struct Source {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a source: a Git URL, or an absolute path on the server
    Add(Add),
    /// List sources
    List(Remote),
    /// Scan a source on the server and wait for the end
    Scan(Scan),
}

#[derive(Args)]
struct Add {
    /// Where it is
    location: String,
    /// What people will call it [default: the end of the location's path]
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Scan {
    /// The source's number
    source: i64,
    #[command(flatten)]
    remote: Remote,
}

/// How often the server is asked how far it is.
const STEP: Duration = Duration::from_millis(200);

impl Source {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::Add(add) => add.run(),
            Command::List(remote) => list(&remote),
            Command::Scan(scan) => scan.run(),
        }
    }
}

impl Add {
    fn run(self) -> Result<(), Fault> {
        // The server does not know where this terminal stands.
        let location = match Path::new(&self.location).canonicalize() {
            Ok(path) => path.display().to_string(),
            Err(_) => self.location,
        };
        let source = self.remote.client()?.post("/sources", &json!({"location": location, "title": self.title}))?;
        if self.remote.json {
            return table::json(&source);
        }
        let [id, title] = ["id", "title"].map(|member| cell(&source, member));
        table::print(&format!("source {id}: {title}\nscan it with: stopleak source scan {id}"))
    }
}

impl Scan {
    fn run(self) -> Result<(), Fault> {
        let client = self.remote.client()?;
        let scan = client.post(&format!("/sources/{}/scans", self.source), &json!({}))?;
        let scan = wait(&client, &cell(&scan, "id"))?;
        let [status, found, new, error] = ["status", "found", "found_new", "error"].map(|member| cell(&scan, member));
        if self.remote.json {
            table::json(&scan)?;
        } else if status == "done" {
            table::print(&format!("done: {found} findings, {new} tokens that were not known before"))?;
        }
        if status == "done" { Ok(()) } else { Err(Fault::Refused(format!("the scan {status}: {error}"))) }
    }
}

/// Asks until the scan has ended; shows on a terminal how far it is.
fn wait(client: &Client, scan: &str) -> Result<Value, Fault> {
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    loop {
        let view = client.get(&format!("/scans/{scan}"))?;
        if !matches!(view["status"].as_str(), Some("queued" | "running")) {
            bar.finish_and_clear();
            return Ok(view);
        }
        let [phase, done, total, found] =
            ["progress/phase", "progress/done", "progress/total", "found"].map(|member| cell(&view, member));
        bar.set_message(format!("{phase} {done}/{total}, {found} found"));
        bar.tick();
        #[expect(clippy::disallowed_methods, reason = "the API has nothing to wait on; the loop ends with the scan")]
        std::thread::sleep(STEP);
    }
}

fn list(remote: &Remote) -> Result<(), Fault> {
    let list = remote.client()?.all("/sources", "sources")?;
    if remote.json {
        return table::json(&list);
    }
    let row =
        |source: &Value| ["id", "kind", "title", "last_scan/status", "location"].map(|member| cell(source, member)).to_vec();
    let rows: Vec<_> = items(&list, "sources").iter().map(row).collect();
    table::rows(&["ID", "KIND", "TITLE", "LAST SCAN", "LOCATION"], &rows)
}
