//! Decisions on one leak.

use clap::Args;
use serde_json::{Value, json};

use super::{Risk, Which};
use crate::cli::Fault;
use crate::cli::moment::Moment;
use crate::cli::table::{self, cell, items};
use crate::cli::wait::Wait;

#[derive(Args)]
pub(super) struct Decision {
    #[command(flatten)]
    which: Which,
    /// Why; kept on record
    #[arg(long)]
    reason: Option<String>,
    /// When: a time such as 2030-01-31T12:00:00Z, or how long from now, such as 30m, 2h or 7d [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// Only when the leak still has this version, as `leak show --json` says it
    #[arg(long, value_name = "VERSION")]
    expected: Option<i64>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Args)]
pub(super) struct Patch {
    #[command(flatten)]
    decision: Decision,
    /// Block short, placeholder or too regular tokens too
    #[arg(long)]
    confirm: bool,
    /// When the patch ends by itself: a time, or how long from now, such as 7d
    #[arg(long, value_name = "TIME")]
    expires: Option<Moment>,
    #[command(flatten)]
    scope: Scope,
}

/// Where a patch applies. A leak that is patched already gets the new scope.
#[derive(Args)]
pub(super) struct Scope {
    /// Only on this host: api.example.com, or *.example.com for all that is below; give it as often as needed
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Only on this path and what is below it
    #[arg(long = "path-prefix", value_name = "PATH")]
    path_prefixes: Vec<String>,
    /// Not for clients in this network, such as 10.0.0.0/8: they are observed
    #[arg(long = "exempt", value_name = "NETWORK")]
    exempt_networks: Vec<String>,
    /// Everywhere and for everybody: takes the scope of a patch away
    #[arg(long, conflicts_with_all = ["hosts", "path_prefixes", "exempt_networks"])]
    everywhere: bool,
}

#[derive(Args)]
pub(super) struct SetRisk {
    #[command(flatten)]
    decision: Decision,
    /// How bad it is
    risk: Risk,
}

#[derive(Args)]
pub(super) struct AskImpact {
    #[command(flatten)]
    which: Which,
    /// Of so many days until now
    #[arg(long, default_value_t = 30)]
    days: u32,
    #[command(flatten)]
    scope: Scope,
}

impl Patch {
    pub(super) fn run(self) -> Result<(), Fault> {
        let request = json!({"action": "apply_virtual_patch", "confirm": self.confirm, "expires_at": self.expires,
                             "scope": self.scope.asked()});
        self.decision.take(request)
    }
}

impl Scope {
    /// As the API takes it; `null`: everywhere, when there is no patch yet.
    pub(super) fn asked(&self) -> Value {
        let Self { hosts, path_prefixes, exempt_networks, everywhere } = self;
        if !everywhere && hosts.is_empty() && path_prefixes.is_empty() && exempt_networks.is_empty() {
            return Value::Null;
        }
        json!({"hosts": hosts, "path_prefixes": path_prefixes, "exempt_networks": exempt_networks})
    }
}

impl SetRisk {
    pub(super) fn run(self) -> Result<(), Fault> {
        let request = json!({"action": "set_risk", "risk": self.risk});
        self.decision.take(request)
    }
}

impl Decision {
    pub(super) fn take(self, mut request: Value) -> Result<(), Fault> {
        let client = self.which.remote.client()?;
        request["reason"] = json!(self.reason);
        request["at"] = json!(self.at);
        request["expected"] = json!(self.expected);
        request["dry_run"] = json!(self.dry_run);
        let mut taken = client.post(&format!("/leaks/{}/decisions", self.which.leak), &request)?;
        self.wait.after(&client, self.which.remote.json, &mut taken, told)
    }
}

impl AskImpact {
    pub(super) fn run(self) -> Result<(), Fault> {
        let client = self.which.remote.client()?;
        let Scope { hosts, path_prefixes, exempt_networks, .. } = &self.scope;
        let list = |entries: &[String]| if entries.is_empty() { Value::Null } else { json!(entries.join(",")) };
        let asked = [
            ("days", json!(self.days)),
            ("hosts", list(hosts)),
            ("path_prefixes", list(path_prefixes)),
            ("exempt_networks", list(exempt_networks)),
        ];
        let impact = client.ask(&format!("/leaks/{}/impact", self.which.leak), &asked)?;
        if self.which.remote.json { table::json(&impact) } else { show_impact(&impact) }
    }
}

/// What became of a decision.
pub(super) fn told(taken: &Value) -> Result<(), Fault> {
    if taken["dry_run"] == true {
        table::print(&format!("{} would be {}; nothing was changed", cell(taken, "leak"), cell(taken, "outcome")))?;
        return if taken["impact"].is_null() { Ok(()) } else { show_impact(&taken["impact"]) };
    }
    let pending = &taken["pending"];
    if !pending.is_null() {
        let [id, action, next] = ["id", "action", "next_at"].map(|member| cell(pending, member));
        return table::print(&match pending["status"].as_str() {
            Some("needs_approval") => format!(
                "{action} waits as pending decision {id} until {next}: another administrator has to run `stopleak leak approve {id}`"
            ),
            _ => format!("{action} is scheduled for {next}; `stopleak leak cancel {id}` cancels it"),
        });
    }
    let patch = if taken["leak"]["virtual_patch"].is_null() { "without a virtual patch" } else { "with a virtual patch" };
    let [id, status, risk] = ["leak/id", "leak/status", "leak/risk"].map(|member| cell(taken, member));
    table::print(&format!("{id} is {status}, {patch}, risk {risk}; gateways know it from epoch {} on", cell(taken, "epoch")))
}

fn show_impact(impact: &Value) -> Result<(), Fault> {
    let [days, requests, succeeded, clients, routes] =
        ["days", "requests", "succeeded", "clients", "routes"].map(|member| cell(impact, member));
    table::print(&format!(
        "in the last {days} days a virtual patch would have refused {requests} requests, {succeeded} of which succeeded, \
         from {clients} clients on {routes} routes"
    ))?;
    if impact["truncated"] == true {
        table::print("(of the newest uses only: there are more)")?;
    }
    for route in items(impact, "top_routes") {
        let [requests, succeeded, method, host, path] =
            ["requests", "succeeded", "method", "host", "path"].map(|member| cell(route, member));
        table::print(&format!("  {requests:>8}  {succeeded:>8} succeeded  {method} {host}{path}"))?;
    }
    Ok(())
}
