//! `stopleak closed-leaks`

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::table::{self, cell};

/// Show or choose how long closed leaks are watched, and what happens when a token of one is used
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak closed-leaks show
  stopleak closed-leaks set --observe-days 90 --on-use alarm
  stopleak closed-leaks set --observe-days 0")]
pub(super) struct ClosedLeaks {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show it
    Show(Remote),
    /// Choose it; what is left out stays. Leaks that are closed already keep the end that they have
    Set(Set),
}

#[derive(Args)]
#[group(id = "wanted", required = true, multiple = true, args = ["observe_days", "on_use"])]
struct Set {
    /// For so many days after a leak is closed, gateways observe its tokens; 0: not at all
    #[arg(long, value_name = "DAYS")]
    observe_days: Option<u32>,
    /// What happens when one of them is used
    #[arg(long, value_name = "WHAT")]
    on_use: Option<OnUse>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum OnUse {
    /// The leak is open again
    Reopen,
    /// The leak stays closed and says so, and channels are told
    Alarm,
}

const PATH: &str = "/settings/closed-leaks";

impl ClosedLeaks {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::Show(remote) => told(&remote, &remote.client()?.get(PATH)?),
            Command::Set(set) => {
                let client = set.remote.client()?;
                let mut wanted = client.get(PATH)?;
                if let Some(days) = set.observe_days {
                    wanted["observe_days"] = json!(days);
                }
                if let Some(on_use) = set.on_use {
                    wanted["on_use"] = json!(on_use);
                }
                told(&set.remote, &client.put(PATH, &wanted)?)
            }
        }
    }
}

fn told(remote: &Remote, chosen: &Value) -> Result<(), Fault> {
    if remote.json {
        return table::json(chosen);
    }
    if chosen["observe_days"] == 0 {
        return table::print("closed leaks are not observed");
    }
    let what = if chosen["on_use"] == "alarm" { "raises an alarm" } else { "reopens the leak" };
    table::print(&format!("closed leaks are observed for {} days; use of a token {what}", cell(chosen, "observe_days")))
}
