//! `stopleak policy`

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::table::{self, cell, items};

/// Write decisions down that the machine may take by itself
#[derive(Args)]
#[command(after_help = "\
A policy is off until it is switched on, and decides on no leak that a person has decided on.

Examples:
  stopleak policy add 'own and alive' apply_virtual_patch --own-format true --life alive
  stopleak policy add 'long dead' close --life dead --life-days 30
  stopleak policy preview 1
  stopleak policy enable 1")]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List policies
    List(Remote),
    /// Write a policy; it is off
    Add(Add),
    /// Show on which leaks a policy would decide now
    Preview(Which),
    /// Switch a policy on
    Enable(Which),
    /// Switch a policy off
    Disable(Which),
    /// Remove a policy; what it decided stays
    Remove(Which),
}

#[derive(Args)]
struct Which {
    /// The policy, as `policy list` lists it
    id: i64,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Add {
    /// What it is called: the author of what it decides
    name: String,
    /// What it does
    action: Action,
    /// To leaks with tokens that this rule found
    #[arg(long)]
    rule: Option<String>,
    /// To leaks with tokens of your own formats (true) or of others (false)
    #[arg(long)]
    own_format: Option<bool>,
    /// To leaks of this risk
    #[arg(long)]
    risk: Option<Risk>,
    /// To leaks with tokens that gateways have seen alive or dead, or have not seen
    #[arg(long)]
    life: Option<Life>,
    /// And that for so many days
    #[arg(long, requires = "life")]
    life_days: Option<u32>,
    /// To leaks that were found so many days ago
    #[arg(long)]
    age_days: Option<u32>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum Action {
    ApplyVirtualPatch,
    Close,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Risk {
    Critical,
    High,
    Medium,
    Low,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Life {
    Alive,
    Dead,
    Unseen,
}

impl Policy {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::List(remote) => {
                let list = remote.client()?.all("/policies", "policies")?;
                if remote.json { table::json(&list) } else { rows(items(&list, "policies")) }
            }
            Command::Add(add) => {
                let request = json!({
                    "name": add.name, "action": add.action, "rule": add.rule, "own_format": add.own_format, "risk": add.risk,
                    "life": add.life, "life_days": add.life_days, "age_days": add.age_days,
                });
                let added = add.remote.client()?.post("/policies", &request)?;
                told(&add.remote, added)
            }
            Command::Preview(which) => {
                let preview = which.remote.client()?.get(&format!("/policies/{}/preview", which.id))?;
                if which.remote.json {
                    return table::json(&preview);
                }
                table::print(&format!("it would decide on: {}", cell(&preview, "leaks")))
            }
            Command::Enable(which) => which.switch(true),
            Command::Disable(which) => which.switch(false),
            Command::Remove(which) => {
                which.remote.client()?.delete(&format!("/policies/{}", which.id))?;
                if which.remote.json { table::json(&Value::Null) } else { table::print("removed") }
            }
        }
    }
}

impl Which {
    fn switch(self, enabled: bool) -> Result<(), Fault> {
        let changed = self.remote.client()?.patch(&format!("/policies/{}", self.id), &json!({"enabled": enabled}))?;
        told(&self.remote, changed)
    }
}

fn told(remote: &Remote, policy: Value) -> Result<(), Fault> {
    if remote.json { table::json(&policy) } else { rows(&[policy]) }
}

fn rows(policies: &[Value]) -> Result<(), Fault> {
    let members = ["id", "name", "enabled", "action", "rule", "own_format", "risk", "life", "life_days", "age_days", "author"];
    let rows: Vec<_> = policies.iter().map(|policy| members.map(|member| cell(policy, member)).to_vec()).collect();
    let headings = ["ID", "NAME", "ON", "ACTION", "RULE", "OWN", "RISK", "LIFE", "DAYS", "AGE", "AUTHOR"];
    table::rows(&headings, &rows)
}
