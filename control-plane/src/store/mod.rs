//! The database: `SQLite` in the data folder, or `PostgreSQL`, by the same queries.
//!
//! Readers never wait, and see one state of the database. Writers take turns: what one reads cannot change before it commits, and
//! what it commits is seen before what the next one does, so that numbers and epochs appear in their order. `SQLite` gives its one lock to
//! one connection; on `PostgreSQL` all processes share a lock that is held until the commit. A commit is on the disk when it returns:
//! what was answered 2xx survives a power cut.
//!
//! Queries are written for both: placeholders are `$1`, `$2`, times, numbers and flags are integers, sums are cast, conflicts are
//! `ON CONFLICT`. sqlx's `Any` driver carries `i64`, `String`, `Vec<u8>` and what is made of them; an enum of ours becomes one by
//! [`text_enum`], any other number is converted by [`number`]. sqlx's query builder writes placeholders that only `SQLite` reads.

mod database;
mod dial;
mod page;
mod probe;
mod sql;
mod trouble;
mod values;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Transaction};
use tokio::sync::Mutex;

pub use self::database::{Address, AddressError, Database, FILE};
pub use self::page::{Order, Page};
pub use self::sql::Sql;
pub use self::trouble::{Trouble, trouble};
pub use self::values::number;
pub(crate) use self::values::{placeholders, text_enum};

/// The open database.
#[derive(Clone)]
pub struct Store {
    database: Database,
    options: AnyConnectOptions,
    readers: AnyPool,
    writer: AnyPool,
    /// Whether the last try to write met another process's lock.
    locked: Arc<AtomicBool>,
    /// When it was last seen that the disk takes what is written.
    probed: Arc<Mutex<Option<Instant>>>,
    dial: Arc<dial::Dial>,
}

/// A transaction that may write.
pub type Write = Transaction<'static, Any>;
/// A transaction that sees one state of the database.
pub type Read = Transaction<'static, Any>;
/// What queries run on.
pub type Connection = AnyConnection;

/// How long a statement waits for another process's lock.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a request waits for a connection: longer than one writer may wait for the lock.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

impl Database {
    fn migrator(&self) -> &'static Migrator {
        match self {
            Self::Sqlite(_) => &SQLITE,
            Self::Postgres(_) => &POSTGRES,
        }
    }
}

impl Store {
    /// Opens the file in the data folder, which is created when absent, and brings its schema up to date.
    pub async fn open(data_dir: &Path) -> Result<Self, sqlx::Error> {
        Self::connect(&Database::Sqlite(data_dir.to_owned())).await
    }

    /// Opens a database and brings its schema up to date.
    pub async fn connect(database: &Database) -> Result<Self, sqlx::Error> {
        migrate(database, None).await?;
        Self::attach(database).await
    }

    /// Opens a database whose schema is brought to where it was at a migration: for an empty one.
    pub(crate) async fn connect_at(database: &Database, version: i64) -> Result<Self, sqlx::Error> {
        migrate(database, Some(version)).await?;
        Self::attach(database).await
    }

    /// The migrations that there are.
    pub(crate) fn versions(database: &Database) -> Vec<i64> {
        database.migrator().iter().map(|migration| migration.version).collect()
    }

    /// Opens a database and leaves its schema as it is.
    pub async fn attach(database: &Database) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let options = database.options()?;
        let pool = |connections, settings| {
            let options = AnyPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
            options.after_connect(move |connection, _| {
                Box::pin(async move { sqlx::raw_sql(settings).execute(connection).await.map(drop) })
            })
        };
        let writer = pool(1, database.settings_of_writer()).after_release(|connection, _| Box::pin(is_clean(connection)));
        let readers = pool(database.readers(), database.settings_of_readers());
        Ok(Self {
            database: database.clone(),
            writer: writer.connect_with(options.clone()).await?,
            readers: readers.connect_with(options.clone()).await?,
            options,
            locked: Arc::default(),
            probed: Arc::default(),
            dial: Arc::default(),
        })
    }

    /// Which database it is.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Begins a transaction that sees one state of the database.
    pub async fn read(&self) -> Result<Read, sqlx::Error> {
        match self.readers.begin_with(self.database.begin_reading()).await {
            Ok(db) => Ok(db),
            Err(error) => Err(self.why(error).await),
        }
    }

    /// Begins a transaction that may write. The lock is taken at once: a transaction that began by reading could not wait for it.
    pub async fn write(&self) -> Result<Write, sqlx::Error> {
        match self.begin_writing().await {
            // Those before this one waited for another process: its lock is to blame, not our own load.
            Err(sqlx::Error::PoolTimedOut) if self.locked.load(Ordering::Relaxed) => {
                Err(sqlx::Error::Io(io::ErrorKind::ResourceBusy.into()))
            }
            begun => {
                self.locked.store(begun.as_ref().is_err_and(|error| trouble(error) == Trouble::Locked), Ordering::Relaxed);
                match begun {
                    Ok(db) => Ok(db),
                    Err(error) => Err(self.why(error).await),
                }
            }
        }
    }

    /// Begins a transaction that may write to what nobody takes turns at, and to nothing else: jobs, whose locked rows are passed over by
    /// others, what servers know of their gateways, and when epochs were in force. On `PostgreSQL` it does not wait for its turn.
    pub async fn aside(&self) -> Result<Write, sqlx::Error> {
        match &self.database {
            Database::Sqlite(_) => self.write().await,
            Database::Postgres(_) => match self.readers.begin_with(self.database.begin_writing()).await {
                Ok(db) => Ok(db),
                Err(error) => Err(self.why(error).await),
            },
        }
    }

    async fn begin_writing(&self) -> Result<Write, sqlx::Error> {
        let mut db = self.writer.begin_with(self.database.begin_writing()).await?;
        if let Some(lock) = self.database.lock() {
            sqlx::query(lock).execute(&mut *db).await?;
        }
        Ok(db)
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// On a connection of its own, which waits for as long as it takes: another process may be at the same work.
async fn migrate(database: &Database, to: Option<i64>) -> Result<(), sqlx::Error> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect_with(&database.options()?).await?;
    if let Database::Sqlite(_) = database {
        sqlx::raw_sql(database.settings_of_writer()).execute(&mut connection).await?;
    }
    match to {
        Some(version) => database.migrator().run_to(version, &mut connection).await?,
        None => database.migrator().run(&mut connection).await?,
    }
    connection.close().await
}

/// Whether the next writer can use the connection. After some errors, such as a full disk, `SQLite` ends the transaction by
/// itself; the rollback then fails, and sqlx would take the connection to be within that transaction for ever.
async fn is_clean(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    // A dropped transaction only asks for its rollback: after an answer it has been carried out, or has failed.
    connection.ping().await?;
    let clean = !connection.is_in_transaction();
    if !clean {
        tracing::warn!("a transaction could not be rolled back: its connection to the database is replaced");
    }
    Ok(clean)
}

#[cfg(test)]
pub(crate) mod tests;
