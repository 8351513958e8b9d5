//! `stopleak tenant`

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Fault;
use super::client::Remote;
use super::table::{self, cell, items};

/// Make tenants and switch them on and off
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak tenant add acme --title 'Acme Ltd'
  stopleak tenant set acme --api-leaks off
  stopleak leak list --tenant acme")]
pub(super) struct Tenant {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List tenants: all of them for global roles, else the own one
    List(Remote),
    /// Make a tenant
    Add(Add),
    /// Change a tenant's title, or switch its API Leaks module
    Set(Set),
}

#[derive(Args)]
struct Add {
    /// How callers and gateways call it; it cannot be changed later
    name: String,
    /// What people call it [default: the name]
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Set {
    /// Its name
    name: String,
    /// What people call it
    #[arg(long, required_unless_present = "api_leaks")]
    title: Option<String>,
    /// Off: it has neither scans nor pushes; gateways keep the index that they have
    #[arg(long)]
    api_leaks: Option<Switch>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Tenant {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::List(remote) => {
                let list = remote.client()?.get("/tenants")?;
                if remote.json { table::json(&list) } else { show(items(&list, "tenants")) }
            }
            Command::Add(add) => {
                let tenant = add.remote.client()?.post("/tenants", &json!({"name": add.name, "title": add.title}))?;
                if add.remote.json { table::json(&tenant) } else { show(&[tenant]) }
            }
            Command::Set(set) => {
                let api_leaks = set.api_leaks.map(|switch| switch == Switch::On);
                let change = json!({"title": set.title, "api_leaks": api_leaks});
                let tenant = set.remote.client()?.patch(&format!("/tenants/{}", in_path(&set.name)?), &change)?;
                if set.remote.json { table::json(&tenant) } else { show(&[tenant]) }
            }
        }
    }
}

fn show(tenants: &[Value]) -> Result<(), Fault> {
    let row = |tenant: &Value| {
        let module = if tenant["api_leaks"] == true { "on" } else { "off" };
        vec![cell(tenant, "name"), module.to_owned(), cell(tenant, "epoch"), cell(tenant, "title")]
    };
    table::rows(&["TENANT", "API LEAKS", "EPOCH", "TITLE"], &tenants.iter().map(row).collect::<Vec<_>>())
}

/// A name with other characters would be another path.
fn in_path(name: &str) -> Result<&str, Fault> {
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_plain.then_some(name).ok_or_else(|| Fault::Usage(format!("{name:?} is not a tenant's name")))
}
