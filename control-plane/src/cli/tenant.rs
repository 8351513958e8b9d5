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
    /// Change a tenant's title, or switch its API Leaks module and its public checks
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
    #[arg(long, required_unless_present_any = ["api_leaks", "public_checks"])]
    title: Option<String>,
    /// Off: it has neither scans nor pushes; gateways keep the index that they have
    #[arg(long)]
    api_leaks: Option<Switch>,
    /// On: anybody may find out whether a token is leaked, of those that come in from now on
    #[arg(long)]
    public_checks: Option<Switch>,
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
                let [api_leaks, public_checks] =
                    [set.api_leaks, set.public_checks].map(|switch| switch.map(|switch| switch == Switch::On));
                let change = json!({"title": set.title, "api_leaks": api_leaks, "public_checks": public_checks});
                let tenant = set.remote.client()?.patch(&format!("/tenants/{}", in_path(&set.name)?), &change)?;
                if set.remote.json { table::json(&tenant) } else { show(&[tenant]) }
            }
        }
    }
}

fn show(tenants: &[Value]) -> Result<(), Fault> {
    let row = |tenant: &Value| {
        let switch = |member: &str| if tenant[member] == true { "on" } else { "off" }.to_owned();
        vec![cell(tenant, "name"), switch("api_leaks"), switch("public_checks"), cell(tenant, "epoch"), cell(tenant, "title")]
    };
    table::rows(&["TENANT", "API LEAKS", "PUBLIC CHECKS", "EPOCH", "TITLE"], &tenants.iter().map(row).collect::<Vec<_>>())
}

/// A name with other characters would be another path.
fn in_path(name: &str) -> Result<&str, Fault> {
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_plain.then_some(name).ok_or_else(|| Fault::Usage(format!("{name:?} is not a tenant's name")))
}
