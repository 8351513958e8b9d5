//! `stopleak try`

use std::fs;
use std::io::{self, Read as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Fault;
use super::client::Remote;
use super::table::{self, cell, items};
use crate::verdicts::MAX_TEXT;

/// Ask what gateways would do with a request
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak try curl -H 'authorization: Bearer …' https://api.example/v1/things
  pbpaste | stopleak try
  stopleak try --json request.http

The request is a curl command, the text of an HTTP/1.1 request, or JSON with method, url, headers and body; from a file, from standard
input, or, a curl command, from the arguments, all of which belong to it then. The server runs the filter itself by the newest index; it
neither sends nor stores the request.

Exit codes: 0 the request passes, 3 a gateway refuses it, 4 it passes and is reported, 1 and 2 there is no verdict.")]
pub(super) struct Try {
    #[command(flatten)]
    remote: Remote,
    /// A curl command, or a file; standard input when absent or `-`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "REQUEST")]
    request: Vec<String>,
}

impl Try {
    pub(super) fn run(self) -> Result<ExitCode, Fault> {
        let text = self.text()?;
        let start = text.trim_start();
        let body = if start.starts_with('{') {
            text.clone()
        } else {
            let field = if start.starts_with("curl") { "curl" } else { "raw" };
            Zeroizing::new(json!({ field: text.as_str() }).to_string())
        };
        let verdict = self.remote.client()?.post_text("/verdicts", &body)?;
        if self.remote.json {
            table::json(&verdict)?;
        } else {
            show(&verdict)?;
        }
        Ok(match verdict["verdict"].as_str() {
            _ if verdict["status"].is_number() => ExitCode::from(3),
            Some("observe") => ExitCode::from(4),
            _ => ExitCode::SUCCESS,
        })
    }

    fn text(&self) -> Result<Zeroizing<String>, Fault> {
        match self.request.as_slice() {
            [] => standard_input(),
            [one] if one == "-" => standard_input(),
            [one] if one.trim_start().starts_with("curl ") => Ok(Zeroizing::new(one.clone())),
            [first, ..] if first == "curl" => Ok(Zeroizing::new(self.request.iter().map(|word| quoted(word)).collect())),
            [file] => {
                let text = fs::read_to_string(file).map_err(|error| Fault::Usage(format!("request {file}: {error}")))?;
                Ok(Zeroizing::new(text))
            }
            _ => Err(Fault::Usage("give one file, or a command that begins with curl".to_owned())),
        }
    }
}

fn standard_input() -> Result<Zeroizing<String>, Fault> {
    let mut text = Zeroizing::new(String::new());
    // One more than the server takes: it says so.
    let most = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX).saturating_add(1);
    let read = io::stdin().take(most).read_to_string(&mut text);
    read.map_err(|error| Fault::Usage(format!("standard input: {error}")))?;
    Ok(text)
}

/// The shell has taken the quotes away.
fn quoted(word: &str) -> String {
    if word == "curl" { "curl ".to_owned() } else { format!("'{}' ", word.replace('\'', r"'\''")) }
}

fn show(verdict: &Value) -> Result<(), Fault> {
    let becomes = match (&verdict["status"], verdict["verdict"].as_str()) {
        (Value::Number(status), _) => format!("a gateway answers {status}"),
        (_, Some("observe")) => "the request goes on, and its use of a leaked token is reported".to_owned(),
        _ => "the request goes on".to_owned(),
    };
    table::print(&format!("{}: {becomes} (index of epoch {})", cell(verdict, "verdict"), cell(verdict, "epoch")))?;
    let rows: Vec<Vec<String>> = items(verdict, "matches").iter().map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    table::rows(&["PLACE", "NAME", "BYTES", "TOKEN", "LEAK", "TITLE"], &rows)
}

fn row(found: &Value) -> Vec<String> {
    let name = match &found["segment"] {
        Value::Number(segment) => format!("segment {segment}"),
        _ => cell(found, "name"),
    };
    let bytes = match (&found["range"]["start"], &found["range"]["end"]) {
        (Value::Number(start), Value::Number(end)) => format!("{start}-{end}"),
        _ => "-".to_owned(),
    };
    vec![cell(found, "place"), name, bytes, cell(found, "preview"), cell(found, "leak"), cell(found, "title")]
}
