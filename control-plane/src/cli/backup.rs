//! `stopleak backup`, `restore` and `export`

use std::fs::{self, File, OpenOptions};
use std::io::BufReader;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Fault;
use crate::backup::{self, BackupError};
use crate::config::Config;
use crate::keys::create_private_folder;
use crate::store::{Database, FILE, Store};

/// Write all of the database into a file, as it is at one moment; the server goes on meanwhile
///
/// The keys are not in it: back them up apart from it. It can be restored into a file and onto a server, whichever it came from.
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak backup /backups/stopleak.jsonl.gz
  STOPLEAK_DATABASE_URL=postgres://… stopleak backup stopleak.jsonl.gz")]
pub(super) struct Backup {
    /// The file, which must not be there yet
    file: PathBuf,
    #[command(flatten)]
    machine: Machine,
}

/// Write the rows of a backup into an empty database
///
/// Needs the keys that the backup's database was made with when a server starts on it.
#[derive(Args)]
pub(super) struct Restore {
    /// A file that `stopleak backup` has written
    file: PathBuf,
    #[command(flatten)]
    machine: Machine,
}

/// Write all rows of one tenant into a file, without passwords and hashes of tokens
///
/// For handing them out: it cannot be restored.
#[derive(Args)]
pub(super) struct Export {
    /// The tenant's name
    tenant: String,
    /// The file, which must not be there yet
    file: PathBuf,
    #[command(flatten)]
    machine: Machine,
}

/// Which database.
#[derive(Args)]
struct Machine {
    /// The server's data folder [default: ~/.local/share/stopleak]
    #[arg(long, env = "STOPLEAK_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The server's TOML file, when it says where the database is
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Fault> {
        let database = self.machine.database()?;
        let write = async |store: &Store, file: File| backup::backup(store, file).await;
        let rows = to_file(&database, &self.file, write)?;
        println!("{rows} rows of {database} are in {}. The keys are not: back them up apart from it.", self.file.display());
        Ok(())
    }
}

impl Export {
    pub(super) fn run(self) -> Result<(), Fault> {
        let database = self.machine.database()?;
        let write = async |store: &Store, file: File| backup::export(store, &self.tenant, file).await;
        let rows = to_file(&database, &self.file, write)?;
        println!("{rows} rows of the tenant {} are in {}.", self.tenant, self.file.display());
        Ok(())
    }
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Fault> {
        let database = self.machine.database()?;
        let refused = |error: BackupError| Fault::Refused(format!("{}: {error}", self.file.display()));
        let file = File::open(&self.file).map_err(|error| refused(error.into()))?;
        if let Database::Sqlite(folder) = &database {
            create_private_folder(folder).map_err(|error| refused(error.into()))?;
        }
        let rows = runtime()?.block_on(backup::restore(&database, BufReader::new(file))).map_err(refused)?;
        println!("{rows} rows are in {database}. Put the keys that belong to it in their place before a server starts on it.");
        Ok(())
    }
}

impl Machine {
    fn database(&self) -> Result<Database, Fault> {
        let usage = |error: crate::config::ConfigError| Fault::Usage(error.to_string());
        let file = self.config.as_deref().map(Config::read).transpose().map_err(usage)?;
        let config = Config { data_dir: self.data_dir.clone(), ..Config::default() }.or(file.unwrap_or_default());
        config.check_database().and_then(|()| config.database()).map_err(usage)
    }
}

/// Whole or not at all, and for its owner only.
fn to_file(
    database: &Database,
    path: &Path,
    write: impl AsyncFnOnce(&Store, File) -> Result<(File, u64), BackupError>,
) -> Result<u64, Fault> {
    let refused = |error: BackupError| Fault::Refused(format!("{}: {error}", path.display()));
    if path.exists() {
        return Err(Fault::Refused(format!("{} is there already; give another name", path.display())));
    }
    if let Database::Sqlite(folder) = database
        && !folder.join(FILE).exists()
    {
        return Err(Fault::Refused(format!("there is no database in {}; `stopleak serve` makes one", folder.display())));
    }
    let part = path.with_extension("part");
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
    let file = open.map_err(|error| refused(error.into()))?;
    let written = runtime()?.block_on(async {
        let store = Store::attach(database).await?;
        let (file, rows) = write(&store, file).await?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        store.close().await;
        Ok(rows)
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        refused(error)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Fault::Refused(error.to_string()))
}
