//! `stopleak keys`

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Fault;
use super::table;
use crate::config::Config;
use crate::keys::rotation::{self, KeyView, Place};
use crate::keys::{FINGERPRINT, Keys, Kind, SIGNING};
use crate::store::{Database, FILE, Store};
use crate::time::Time;

/// Change the fingerprint key or the signing key for a new one
///
/// Works on the server's own machine. A server reads its keys when it starts: start it anew after each step. docs/operations.md has the
/// steps for each key, also for several servers.
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak keys add signing          # prints the public key that gateways are to pin beside the old one
  stopleak keys swap signing         # when all of them do; start the server anew
  stopleak keys retire signing       # when none pins the old one any more
  stopleak keys status")]
pub(super) struct KeysCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show every key, where it is, and what is left under it
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        machine: Machine,
    },
    /// Make a second key in a file beside the first
    Add {
        kind: Which,
        #[command(flatten)]
        machine: Machine,
    },
    /// Let the first and the second key change places: the first is the one for what is new
    Swap {
        kind: Which,
        #[command(flatten)]
        machine: Machine,
    },
    /// Take the second key away, when nothing is left under it
    Retire {
        kind: Which,
        /// Give up what is left under it: those tokens are not recognised any more
        #[arg(long)]
        anyway: bool,
        #[command(flatten)]
        machine: Machine,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// Of which each tenant's fingerprint key is made
    Fingerprint,
    /// Seals pushes
    Signing,
}

/// Whose keys.
#[derive(Args)]
struct Machine {
    /// The server's data folder [default: ~/.local/share/stopleak]
    #[arg(long, env = "STOPLEAK_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The server's TOML file, when it says where the database or the keys are
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl KeysCommand {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.action {
            Action::Status { json, machine } => machine.status(json),
            Action::Add { kind, machine } => machine.add(kind.kind()),
            Action::Swap { kind, machine } => machine.swap(kind.kind()),
            Action::Retire { kind, anyway, machine } => machine.retire(kind.kind(), anyway),
        }
    }
}

impl Which {
    fn kind(self) -> &'static Kind {
        match self {
            Self::Fingerprint => &FINGERPRINT,
            Self::Signing => &SIGNING,
        }
    }
}

impl Machine {
    fn status(&self, json: bool) -> Result<(), Fault> {
        let views = self.with_database(async |store, keys| rotation::status(&mut *store.read().await?, keys).await)?;
        if json {
            return table::json(&json!({"keys": views}));
        }
        let row = |view: &KeyView| {
            let place = match (view.place, view.retired_at) {
                (_, Some(_)) => "retired",
                (Place::First, None) => "first",
                (Place::Second, None) => "second",
                (Place::Absent, None) => "absent",
            };
            let left = |count: i64| if view.kind == SIGNING.name { "-".to_owned() } else { count.to_string() };
            let (watched, other, webhooks) = (left(view.watched_tokens), left(view.other_tokens), left(view.webhooks));
            let public_key = view.public_key.clone().unwrap_or_else(|| "-".to_owned());
            vec![view.kind.clone(), view.number.to_string(), place.to_owned(), watched, other, webhooks, public_key]
        };
        let rows: Vec<_> = views.iter().map(row).collect();
        table::rows(&["KIND", "NUMBER", "PLACE", "WATCHED TOKENS", "OTHER TOKENS", "WEBHOOKS", "PUBLIC KEY"], &rows)
    }

    fn add(&self, kind: &'static Kind) -> Result<(), Fault> {
        let (config, data_dir) = self.config()?;
        let file = kind.add_second(&data_dir).map_err(|error| Fault::Refused(error.to_string()))?;
        println!("The second {} key is in {}.", kind.name, file.display());
        if kind.name == SIGNING.name {
            let keys = Keys::load(&data_dir, &config.keys, true).map_err(|error| Fault::Refused(error.to_string()))?;
            if let Some(public_key) = keys.next_public_key() {
                println!("Let all gateways pin this public key beside the one that they have: {}", public_key.to_hex());
            }
        } else {
            println!("Start the server anew: then tokens under both keys are recognised.");
        }
        Ok(())
    }

    fn swap(&self, kind: &'static Kind) -> Result<(), Fault> {
        let (_, data_dir) = self.config()?;
        kind.swap(&data_dir)
            .map_err(|error| Fault::Refused(format!("{error}; keys that are not in files change places where they come from")))?;
        println!("The first and the second {} key have changed places. Start the server anew.", kind.name);
        Ok(())
    }

    fn retire(&self, kind: &'static Kind, anyway: bool) -> Result<(), Fault> {
        let view = self.with_database(async |store, keys| {
            let mut db = store.write().await?;
            let view = rotation::retire(&mut db, keys, kind.name, anyway, Time::now()).await?;
            db.commit().await?;
            Ok(view)
        })?;
        let file = kind.second_file(&self.config()?.1);
        match fs::remove_file(&file) {
            Ok(()) => println!("{} key {} is retired, and its file is removed. Start the server anew.", view.kind, view.number),
            Err(_) => println!(
                "{} key {} is retired. Take it away where it comes from, and start the server anew.",
                view.kind, view.number
            ),
        }
        Ok(())
    }

    fn config(&self) -> Result<(Config, PathBuf), Fault> {
        let usage = |error: crate::config::ConfigError| Fault::Usage(error.to_string());
        let file = self.config.as_deref().map(Config::read).transpose().map_err(usage)?;
        let config = Config { data_dir: self.data_dir.clone(), ..Config::default() }.or(file.unwrap_or_default());
        let data_dir = config.data_dir().map_err(usage)?;
        Ok((config, data_dir))
    }

    fn with_database<T>(&self, act: impl AsyncFnOnce(&Store, &Keys) -> anyhow::Result<T>) -> Result<T, Fault> {
        let (config, data_dir) = self.config()?;
        let refused = |error: anyhow::Error| Fault::Refused(format!("{error:#}"));
        let database = config.check_database().and_then(|()| config.database()).map_err(|e| Fault::Usage(e.to_string()))?;
        if let Database::Sqlite(folder) = &database
            && !folder.join(FILE).exists()
        {
            return Err(Fault::Refused(format!("there is no database in {}; `stopleak serve` makes one", folder.display())));
        }
        let keys = Keys::load(&data_dir, &config.keys, true).map_err(|error| refused(error.into()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| refused(e.into()))?;
        runtime.block_on(async {
            let store = Store::connect(&database).await.map_err(|error| refused(error.into()))?;
            let done = act(&store, &keys).await.map_err(refused);
            store.close().await;
            done
        })
    }
}
