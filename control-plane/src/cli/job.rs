//! `stopleak job`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::pages::Pages;
use super::table::{self, cell, items};

/// See what the workers have to do, and try again what they gave up
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak job list
  stopleak job list --dead
  stopleak job retry 7")]
pub(super) struct Job {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List jobs, the newest first; what is done is not among them
    List(List),
    /// Try a dead job again
    Retry(Retry),
}

#[derive(Args)]
struct List {
    /// Only those that failed too often
    #[arg(long)]
    dead: bool,
    #[command(flatten)]
    pages: Pages,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Retry {
    /// The job's number
    job: i64,
    #[command(flatten)]
    remote: Remote,
}

impl Job {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::List(list) => {
                let query = list.pages.with("id", &[("dead", json!(list.dead.then_some(true)))]);
                let jobs = list.remote.client()?.ask("/jobs", &query)?;
                if list.remote.json { table::json(&jobs) } else { show(items(&jobs, "jobs")) }
            }
            Command::Retry(retry) => {
                retry.remote.client()?.post(&format!("/jobs/{}/retry", retry.job), &json!({}))?;
                if retry.remote.json { table::json(&json!({"id": retry.job})) } else { table::print("it is tried again now") }
            }
        }
    }
}

fn show(jobs: &[Value]) -> Result<(), Fault> {
    let row = |job: &Value| ["id", "kind", "state", "attempts", "run_at", "last_error"].map(|member| cell(job, member)).to_vec();
    table::rows(&["JOB", "KIND", "STATE", "ATTEMPTS", "NOT BEFORE", "LAST ERROR"], &jobs.iter().map(row).collect::<Vec<_>>())
}
