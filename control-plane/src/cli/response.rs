//! `stopleak response`

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::table::{self, cell, items};

/// Show or choose what a blocked request is answered
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak response show
  stopleak response set --status 401 --content-type text/plain --header 'x-help: https://help.example/keys' body.txt
  stopleak response reset")]
pub(super) struct Response {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show it
    Show(Remote),
    /// Choose it
    Set(Set),
    /// Go back to the usual one: 403 with a problem document
    Reset(Remote),
}

#[derive(Args)]
struct Set {
    /// From 400 to 599
    #[arg(long)]
    status: u16,
    /// Of the body
    #[arg(long, value_name = "TYPE", default_value = "text/plain; charset=utf-8")]
    content_type: String,
    /// A header, such as 'x-help: ask us'; give it as often as needed
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// A file with the body; `-` is standard input
    #[arg(default_value = "-")]
    body: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

const PATH: &str = "/settings/response";

impl Response {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::Show(remote) => told(&remote, &remote.client()?.get(PATH)?),
            Command::Set(set) => set.run(),
            Command::Reset(remote) => {
                let client = remote.client()?;
                client.delete(PATH)?;
                told(&remote, &client.get(PATH)?)
            }
        }
    }
}

impl Set {
    fn run(self) -> Result<(), Fault> {
        let client = self.remote.client()?;
        let headers: Vec<Value> = self.headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let body = read(&self.body)?;
        let wanted = json!({"status": self.status, "content_type": self.content_type, "headers": headers, "body": body});
        told(&self.remote, &client.put(PATH, &wanted)?)
    }
}

fn read(file: &Path) -> Result<String, Fault> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => io::stdin().read_to_string(&mut text),
        _ => fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| Fault::Usage(format!("body from {}: {error}", file.display())))?;
    Ok(text)
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("write it as 'name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn told(remote: &Remote, response: &Value) -> Result<(), Fault> {
    if remote.json {
        return table::json(response);
    }
    let origin = if response["is_default"] == true { "the usual one" } else { "chosen" };
    table::print(&format!("{} ({origin})", cell(response, "status")))?;
    table::print(&format!("content-type: {}", cell(response, "content_type")))?;
    for header in items(response, "headers") {
        table::print(&format!("{}: {}", cell(header, "name"), cell(header, "value")))?;
    }
    table::print(&format!("\n{}", cell(response, "body")))
}
