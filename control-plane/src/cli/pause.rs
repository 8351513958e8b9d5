//! `stopleak pause`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::moment::Moment;
use super::table::{self, cell};
use super::wait::Wait;

/// Pause all virtual patches: until the end, gateways only observe
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak pause begin --for 30m --reason 'checkout is down'
  stopleak pause end")]
pub(super) struct Pause {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show whether there is a pause
    Show(Remote),
    /// Begin a pause, or give the one that goes on another end
    Begin(Begin),
    /// End the pause: virtual patches block again
    End(Remote),
}

#[derive(Args)]
struct Begin {
    /// Until when: a time, or how long from now, such as 30m
    #[arg(long = "for", value_name = "TIME")]
    until: Moment,
    /// Why; kept on record
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    remote: Remote,
}

impl Pause {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::Show(remote) => told(&remote, &remote.client()?.get("/pause")?),
            Command::Begin(begin) => {
                let request = json!({"until": begin.until, "reason": begin.reason});
                let client = begin.remote.client()?;
                let mut begun = client.post("/pause", &request)?;
                begin.wait.after(&client, begin.remote.json, &mut begun, in_words)
            }
            Command::End(remote) => {
                let client = remote.client()?;
                client.delete("/pause")?;
                told(&remote, &client.get("/pause")?)
            }
        }
    }
}

fn told(remote: &Remote, answer: &Value) -> Result<(), Fault> {
    if remote.json { table::json(answer) } else { in_words(answer) }
}

fn in_words(answer: &Value) -> Result<(), Fault> {
    if answer["pause"].is_null() {
        return table::print("no pause: virtual patches block");
    }
    let [until, author, reason] = ["pause/until", "pause/author", "pause/reason"].map(|member| cell(answer, member));
    table::print(&format!("paused until {until} by {author}: {reason}"))
}
