//! `stopleak notification`

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::Fault;
use super::client::Remote;
use super::pages::Pages;
use super::table::{self, cell, items};

/// Tell people and programs what happens: channels, and what was sent to them
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak notification add siem webhook --url https://siem.example/stopleak
  stopleak notification add chat slack --url-file slack-url.txt --min-risk high
  stopleak notification add oncall email --to oncall@example.com --event leak.added --event attempt.observed
  stopleak notification test 1
  stopleak notification deliveries --status dead")]
pub(super) struct Notification {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a channel
    Add(Add),
    /// List channels
    List(Remote),
    /// Change a channel; what is not given stays as it is
    Change(Change),
    /// Remove a channel and its history
    Remove(Which),
    /// Send a message to a channel now, and see whether it arrives
    Test(Which),
    /// Give a webhook another secret
    RenewSecret(Which),
    /// List what was sent, what waits, and what did not arrive
    Deliveries(Deliveries),
    /// Send a dead delivery again
    Retry(Retry),
}

#[derive(Args)]
struct Add {
    /// What people will call it
    name: String,
    /// How it is reached
    kind: Kind,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Change {
    /// The channel's number
    channel: i64,
    /// What people will call it
    #[arg(long)]
    name: Option<String>,
    /// Whether it is told anything
    #[arg(long)]
    enabled: Option<bool>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Settings {
    /// Where a webhook is; that of a chat is a secret, which other users of this machine see in the list of processes
    #[arg(long, conflicts_with = "url_file")]
    url: Option<String>,
    /// A file that holds the URL; `-` is standard input
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,
    /// An e-mail address; may be given several times
    #[arg(long = "to", value_name = "ADDRESS")]
    recipients: Vec<String>,
    /// Tell only this, such as leak.added; may be given several times [default when added: everything]
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// Tell of leaks of this risk and worse ones only
    #[arg(long)]
    min_risk: Option<Risk>,
}

#[derive(Args)]
struct Which {
    /// The channel's number
    channel: i64,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Deliveries {
    /// Only those to this channel
    #[arg(long)]
    channel: Option<i64>,
    /// Only those that stand there
    #[arg(long)]
    status: Option<Status>,
    #[command(flatten)]
    pages: Pages,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Retry {
    /// The delivery's number
    delivery: i64,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Webhook,
    Slack,
    Email,
}

#[derive(Clone, Copy, ValueEnum)]
enum Risk {
    Critical,
    High,
    Medium,
    Low,
}

#[derive(Clone, Copy, ValueEnum)]
enum Status {
    Waiting,
    Delivered,
    Dead,
}

impl Notification {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::Add(add) => add.run(),
            Command::List(remote) => list(&remote),
            Command::Change(change) => change.run(),
            Command::Remove(which) => which.remove(),
            Command::Test(which) => which.test(),
            Command::RenewSecret(which) => which.renew_secret(),
            Command::Deliveries(deliveries) => deliveries.run(),
            Command::Retry(retry) => retry.run(),
        }
    }
}

impl Add {
    fn run(self) -> Result<(), Fault> {
        let mut body = self.settings.members()?;
        body.insert("name".to_owned(), json!(self.name));
        body.insert("kind".to_owned(), json!(word(&self.kind)));
        let channel = self.remote.client()?.post("/notifications/channels", &Value::Object(body))?;
        if self.remote.json {
            return table::json(&channel);
        }
        let [id, name, secret] = ["id", "name", "secret"].map(|member| cell(&channel, member));
        let shown = if secret == "-" { String::new() } else { secret_line(&secret) };
        table::print(&format!("channel {id}: {name}\n{shown}test it with: stopleak notification test {id}"))
    }
}

impl Change {
    fn run(self) -> Result<(), Fault> {
        let mut body = self.settings.members()?;
        body.extend(self.name.map(|name| ("name".to_owned(), json!(name))));
        body.extend(self.enabled.map(|enabled| ("enabled".to_owned(), json!(enabled))));
        if body.is_empty() {
            return Err(Fault::Usage("nothing to change is given; see stopleak notification change --help".to_owned()));
        }
        let channel = self.remote.client()?.patch(&format!("/notifications/channels/{}", self.channel), &Value::Object(body))?;
        if self.remote.json { table::json(&channel) } else { channels(std::slice::from_ref(&channel)) }
    }
}

impl Settings {
    fn members(&self) -> Result<Map<String, Value>, Fault> {
        let mut members = Map::new();
        let url = match (&self.url, &self.url_file) {
            (Some(url), _) => Some(Zeroizing::new(url.clone())),
            (None, Some(file)) => Some(read(file)?),
            (None, None) => None,
        };
        members.extend(url.map(|url| ("url".to_owned(), json!(url.trim()))));
        for (member, texts) in [("recipients", &self.recipients), ("events", &self.events)] {
            if !texts.is_empty() {
                members.insert(member.to_owned(), json!(texts));
            }
        }
        members.extend(self.min_risk.map(|risk| ("min_risk".to_owned(), json!(word(&risk)))));
        Ok(members)
    }
}

impl Which {
    fn remove(self) -> Result<(), Fault> {
        self.remote.client()?.delete(&format!("/notifications/channels/{}", self.channel))?;
        if self.remote.json { Ok(()) } else { table::print(&format!("channel {} was removed", self.channel)) }
    }

    fn test(self) -> Result<(), Fault> {
        let path = format!("/notifications/channels/{}/test", self.channel);
        let delivery = self.remote.client()?.post(&path, &json!({}))?;
        let [status, error] = ["status", "error"].map(|member| cell(&delivery, member));
        if self.remote.json {
            table::json(&delivery)?;
        } else if status == "delivered" {
            table::print("the message arrived")?;
        }
        if status == "delivered" { Ok(()) } else { Err(Fault::Refused(format!("the message did not arrive: {error}"))) }
    }

    fn renew_secret(self) -> Result<(), Fault> {
        let path = format!("/notifications/channels/{}/secret", self.channel);
        let channel = self.remote.client()?.post(&path, &json!({}))?;
        if self.remote.json { table::json(&channel) } else { table::print(secret_line(&cell(&channel, "secret")).trim_end()) }
    }
}

impl Deliveries {
    fn run(self) -> Result<(), Fault> {
        let filter = [("channel", json!(self.channel)), ("status", json!(self.status.as_ref().map(word)))];
        let list = self.remote.client()?.ask("/notifications/deliveries", &self.pages.with("id", &filter))?;
        if self.remote.json {
            return table::json(&list);
        }
        let row = |delivery: &Value| {
            ["id", "channel_name", "event", "risk", "status", "tries", "created_at", "error"]
                .map(|member| cell(delivery, member))
                .to_vec()
        };
        let rows: Vec<_> = items(&list, "deliveries").iter().map(row).collect();
        table::rows(&["ID", "CHANNEL", "EVENT", "RISK", "STATUS", "TRIES", "CREATED", "ERROR"], &rows)
    }
}

impl Retry {
    fn run(self) -> Result<(), Fault> {
        let path = format!("/notifications/deliveries/{}/retry", self.delivery);
        let delivery = self.remote.client()?.post(&path, &json!({}))?;
        if self.remote.json {
            return table::json(&delivery);
        }
        table::print(&format!("delivery {} is sent again", self.delivery))
    }
}

fn list(remote: &Remote) -> Result<(), Fault> {
    let list = remote.client()?.all("/notifications/channels", "channels")?;
    if remote.json { table::json(&list) } else { channels(items(&list, "channels")) }
}

fn channels(channels: &[Value]) -> Result<(), Fault> {
    let row = |channel: &Value| {
        ["id", "name", "kind", "summary", "min_risk", "enabled", "events"].map(|member| cell(channel, member)).to_vec()
    };
    let rows: Vec<_> = channels.iter().map(row).collect();
    table::rows(&["ID", "NAME", "KIND", "WHERE", "MIN RISK", "ENABLED", "EVENTS"], &rows)
}

fn secret_line(secret: &str) -> String {
    format!("its secret, which is not shown again, and by which the receiver checks signatures: {secret}\n")
}

fn read(path: &Path) -> Result<Zeroizing<String>, Fault> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(path).map(|read| *text = read)
    };
    read.map(|()| text).map_err(|error| Fault::Usage(format!("{}: {error}", path.display())))
}

/// As the API spells it.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
