//! `stopleak import`

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::Fault;
use super::client::{Client, Remote};
use super::table::{self, cell, items};

#[expect(clippy::doc_markdown, reason = "the help shows it as it is")]
/// Import the report of another scanner: Gitleaks, TruffleHog or Kingfisher as JSON, or SARIF 2.1.0
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak import gitleaks.json --name team/api
  trufflehog git https://git.example/team/api.git --json | stopleak import - --name team/api
  stopleak import huge.sarif --resume 7

A report that is imported twice adds nothing. What was read before a connection broke stays; --resume goes on behind it.")]
pub(super) struct Import {
    /// The report, or `-` for standard input
    #[arg(required_unless_present = "list")]
    report: Option<PathBuf>,
    /// What was scanned: the source that the findings will belong to [default: the report's file name]
    #[arg(long)]
    name: Option<String>,
    /// Go on with an import that broke off; the report must be the same
    #[arg(long, value_name = "IMPORT", conflicts_with = "name")]
    resume: Option<i64>,
    /// List imports in place of making one
    #[arg(long, conflicts_with_all = ["report", "name", "resume"])]
    list: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Import {
    pub(super) fn run(self) -> Result<(), Fault> {
        let client = self.remote.client()?;
        let Some(report) = &self.report else { return list(&client, self.remote.json) };
        let (stream, length, name): (Box<dyn Read>, u64, _) = if report.as_os_str() == "-" {
            (Box::new(io::stdin()), 0, "standard input".to_owned())
        } else {
            let refuse = |error: io::Error| Fault::Usage(format!("report {}: {error}", report.display()));
            let file = File::open(report).map_err(refuse)?;
            let length = file.metadata().map_err(refuse)?.len();
            (Box::new(file), length, report.file_name().unwrap_or_default().to_string_lossy().into_owned())
        };
        let id = match self.resume {
            Some(id) => id.to_string(),
            None => cell(&client.post("/imports", &json!({"name": self.name.unwrap_or(name)}))?, "id"),
        };
        let bar = bar(length);
        let import = client.put_stream(&format!("/imports/{id}/report"), bar.wrap_read(stream));
        bar.finish_and_clear();
        let import =
            import.map_err(|fault| Fault::Refused(format!("{fault}; what was read stays in import {id} (--resume {id})")))?;
        if self.remote.json {
            return table::json(&import);
        }
        table::print(&describe(&import))
    }
}

fn bar(length: u64) -> ProgressBar {
    let template = if length > 0 { "{bar:30} {bytes}/{total_bytes} {eta}" } else { "{spinner} {bytes} {elapsed}" };
    let bar = if length > 0 { ProgressBar::new(length) } else { ProgressBar::new_spinner() };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn describe(import: &Value) -> String {
    let [id, findings, new] = ["id", "findings", "found_new"].map(|member| cell(import, member));
    let mut text = format!("import {id}: {findings} findings, {new} tokens that were not known before");
    let passed_over = [
        ("without_secret", "without the token's text"),
        ("redacted", "with the token hidden (tell the scanner not to redact)"),
        ("with_white_space", "with white space, such as private keys"),
        ("unfit", "too short or too long for a token"),
    ];
    for (member, reason) in passed_over {
        if import[member].as_i64().is_some_and(|count| count > 0) {
            // A string takes all that is written to it.
            let _ = write!(text, "\npassed over: {} {reason}", cell(import, member));
        }
    }
    text
}

fn list(client: &Client, as_json: bool) -> Result<(), Fault> {
    let list = client.get("/imports")?;
    if as_json {
        return table::json(&list);
    }
    let row = |import: &Value| {
        ["id", "title", "status", "findings", "found_new", "author", "created_at", "error"]
            .map(|member| cell(import, member))
            .to_vec()
    };
    let rows: Vec<_> = items(&list, "imports").iter().map(row).collect();
    table::rows(&["ID", "NAME", "STATUS", "FINDINGS", "NEW", "AUTHOR", "CREATED", "ERROR"], &rows)
}
