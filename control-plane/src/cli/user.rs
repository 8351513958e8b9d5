//! `stopleak user`

use std::io::{self, IsTerminal as _, Read as _};

use clap::{Args, Subcommand, ValueEnum};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Fault;
use super::client::{Client, Remote};
use super::table::{self, cell, items};

/// Manage the people who may sign in
#[derive(Args)]
#[command(after_help = "\
Passwords are read from standard input and never from the command line.

Examples:
  stopleak user add ada --role administrator
  stopleak user set ada --role analyst
  pass show stopleak/ada | stopleak user set ada --password
  stopleak user remove ada")]
pub(super) struct User {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List users
    List(Remote),
    /// Add a user; the password is read from standard input
    Add(Add),
    /// Give a user another role or another password
    Set(Set),
    /// Remove a user; their sessions end at once
    Remove(Which),
    /// End all sessions of a user
    SignOut(Which),
}

#[derive(Args)]
struct Add {
    /// By which they sign in
    name: String,
    /// What they may do
    #[arg(long)]
    role: Role,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Set {
    /// Name or number
    user: String,
    /// What they may do
    #[arg(long, required_unless_present = "password")]
    role: Option<Role>,
    /// Read another password from standard input; their sessions end at once
    #[arg(long)]
    password: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Which {
    /// Name or number
    user: String,
    #[command(flatten)]
    remote: Remote,
}

/// As the API spells it.
#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(super) enum Role {
    Administrator,
    Analyst,
    GlobalAdministrator,
    GlobalAnalyst,
}

impl User {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::List(remote) => {
                let list = remote.client()?.all("/users", "users")?;
                if remote.json { table::json(&list) } else { show(items(&list, "users")) }
            }
            Command::Add(add) => {
                let client = add.remote.client()?;
                let password = read_password()?;
                let user = json!({"name": add.name, "role": add.role, "password": *password});
                let user = client.post_text("/users", &Zeroizing::new(user.to_string()))?;
                if add.remote.json { table::json(&user) } else { show(&[user]) }
            }
            Command::Set(set) => {
                let client = set.remote.client()?;
                let id = find(&client, &set.user)?;
                let password = if set.password { Some(read_password()?) } else { None };
                let change = json!({"role": set.role, "password": password.as_ref().map(|password| password.as_str())});
                let user = client.patch(&format!("/users/{id}"), &change)?;
                if set.remote.json { table::json(&user) } else { show(&[user]) }
            }
            Command::Remove(which) => which.delete("", "removed"),
            Command::SignOut(which) => which.delete("/sessions", "signed out everywhere"),
        }
    }
}

impl Which {
    fn delete(self, what: &str, done: &str) -> Result<(), Fault> {
        let client = self.remote.client()?;
        let id = find(&client, &self.user)?;
        client.delete(&format!("/users/{id}{what}"))?;
        if self.remote.json { table::json(&json!({"user": id})) } else { table::print(&format!("{} is {done}", self.user)) }
    }
}

fn find(client: &Client, user: &str) -> Result<i64, Fault> {
    let list = client.all("/users", "users")?;
    let is_it = |candidate: &&Value| candidate["name"] == user.to_lowercase() || cell(candidate, "id") == user;
    let found = items(&list, "users").iter().find(is_it).and_then(|user| user["id"].as_i64());
    found.ok_or_else(|| Fault::Refused(format!("there is no user {user}; see `stopleak user list`")))
}

fn show(users: &[Value]) -> Result<(), Fault> {
    let members = ["id", "name", "role", "created_at", "last_signed_in_at", "issuer"];
    let rows: Vec<_> = users.iter().map(|user| members.map(|member| cell(user, member)).to_vec()).collect();
    table::rows(&["ID", "USER", "ROLE", "ADDED", "LAST SIGNED IN", "SIGNS IN BY"], &rows)
}

/// Everything that comes, without the end of the last line; a terminal does not show it.
fn read_password() -> Result<Zeroizing<String>, Fault> {
    let stdin = io::stdin();
    let mut text = Zeroizing::new(String::new());
    let read = if stdin.is_terminal() {
        eprint!("Password: ");
        let shown = tcgetattr(&stdin).ok();
        if let Some(mut hidden) = shown.clone() {
            hidden.local_modes.remove(LocalModes::ECHO);
            // A terminal that cannot hide it shows it.
            let _ = tcsetattr(&stdin, OptionalActions::Now, &hidden);
        }
        let read = stdin.read_line(&mut text);
        if let Some(shown) = shown {
            let _ = tcsetattr(&stdin, OptionalActions::Now, &shown);
        }
        eprintln!();
        read
    } else {
        stdin.lock().read_to_string(&mut text)
    };
    read.map_err(|error| Fault::Usage(format!("password from standard input: {error}")))?;
    let password = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if password.is_empty() {
        return Err(Fault::Usage("no password came on standard input".to_owned()));
    }
    Ok(password)
}
