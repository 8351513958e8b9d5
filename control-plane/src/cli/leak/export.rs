//! `stopleak leak export`

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::list::Wanted;
use crate::cli::Fault;
use crate::cli::client::Remote;

#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak leak export --status open > open.csv
  stopleak leak export --format json --output leaks.json
  stopleak leak export --attempts --output attempts.csv")]
pub(super) struct Export {
    #[command(flatten)]
    wanted: Wanted,
    /// Write the uses of leaked tokens instead
    #[arg(long, conflicts_with_all = ["status", "risk", "patched", "source", "source_kind", "assignee", "text", "rule"])]
    attempts: bool,
    /// In which form
    #[arg(long, default_value = "csv")]
    format: Format,
    /// Write to a file instead of to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Csv,
    Json,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Fault> {
        let client = self.remote.client()?;
        let mut query: Vec<(&str, Value)> = if self.attempts { Vec::new() } else { self.wanted.query() };
        // --json asks for the API's JSON, here as everywhere.
        query.push(("format", json!(if self.remote.json { Format::Json } else { self.format })));
        let path = if self.attempts { "/attempts/export" } else { "/leaks/export" };
        match &self.output {
            None => client.download(path, &query, io::stdout().lock()),
            Some(file) => {
                let created = File::create(file).map_err(|error| Fault::Usage(format!("{}: {error}", file.display())))?;
                client.download(path, &query, BufWriter::new(created))
            }
        }
    }
}
