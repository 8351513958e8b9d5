//! `stopleak guard-rails`

use clap::{Args, Subcommand};
use serde_json::json;

use super::Fault;
use super::client::Remote;
use super::table::{self, cell};

/// Show or change what keeps people from mistakes
#[derive(Args)]
pub(super) struct GuardRails {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show them
    Show(Remote),
    /// Let decisions on critical leaks take two administrators
    WantSecondApprover(Remote),
    /// Let one administrator decide on critical leaks too
    WaiveSecondApprover(Remote),
}

impl GuardRails {
    pub(super) fn run(self) -> Result<(), Fault> {
        const SECOND_APPROVER: &str = "/guard-rails/second-approver";
        let (Command::Show(remote) | Command::WantSecondApprover(remote) | Command::WaiveSecondApprover(remote)) = &self.command;
        let client = remote.client()?;
        match &self.command {
            Command::Show(_) => {}
            Command::WantSecondApprover(_) => drop(client.post(SECOND_APPROVER, &json!({}))?),
            Command::WaiveSecondApprover(_) => client.delete(SECOND_APPROVER)?,
        }
        let rails = client.get("/guard-rails")?;
        if remote.json {
            return table::json(&rails);
        }
        table::print(&format!("second approver for critical leaks: {}", cell(&rails, "second_approver")))
    }
}
