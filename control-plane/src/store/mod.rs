//! The database: one `SQLite` file in the data folder.
//!
//! Readers never wait: the file is in WAL mode. Writers take turns on one connection, which is fairer and quicker than `SQLite`'s
//! own waiting. A commit is on the disk when it returns (`synchronous = FULL`): what was answered 2xx survives a power cut.
//! Placeholders are `$1`, `$2`, times and numbers are integers, conflicts are `ON CONFLICT`: what `PostgreSQL` reads too.

mod sql;

pub use sql::Sql;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, SqliteConnection, Transaction};
use tokio::sync::Mutex;

/// The open database.
#[derive(Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
    folder: Arc<Path>,
    /// Whether the last try to write met another process's lock.
    locked: Arc<AtomicBool>,
    /// When it was last seen that the disk takes what is written.
    probed: Arc<Mutex<Option<Instant>>>,
}

/// A transaction that may write.
pub type Write = Transaction<'static, Sqlite>;
/// A transaction that sees one state of the database.
pub type Read = Transaction<'static, Sqlite>;
/// What holds the rows.
pub type Database = Sqlite;
/// What queries run on.
pub type Connection = SqliteConnection;

/// Why the database did not do as asked, as far as callers can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Another process holds the lock.
    Locked,
    /// More requests want a connection than get one in time.
    Busy,
    /// The disk is full, read-only or broken.
    Unavailable,
    /// A defect of this program.
    Defect,
}

/// The database's file within the data folder.
pub const FILE: &str = "stopleak.db";
/// How long a statement waits for another process's lock.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a request waits for a connection: longer than one writer may wait for the lock.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
/// With less free space a disk counts as full: as much as one large leak and the log of what is not yet in the database's file.
const MIN_FREE: u64 = 8 * 1024 * 1024;
/// A probe writes to the disk, and anybody may ask for one.
const PROBE_STEP: Duration = Duration::from_secs(1);
/// Longest that a probe takes: a bit longer than another process's lock is waited for.
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);

impl Store {
    /// Opens the file, which is created when absent, and brings its schema up to date.
    pub async fn open(data_dir: &Path) -> Result<Self, sqlx::Error> {
        let path = data_dir.join(FILE);
        // SQLite gives its other files the same mode.
        OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let pool = |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
        let writer = pool(1).after_release(|connection, _| Box::pin(is_clean(connection)));
        let writer = writer.connect_with(options.clone()).await?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await?;
        let readers = pool(READERS).connect_with(options).await?;
        Ok(Self { readers, writer, folder: data_dir.into(), locked: Arc::default(), probed: Arc::default() })
    }

    /// Begins a transaction that sees one state of the database.
    pub async fn read(&self) -> Result<Read, sqlx::Error> {
        self.readers.begin().await
    }

    /// Begins a transaction that may write. The lock is taken at once: a transaction that began by reading could not wait for it.
    pub async fn write(&self) -> Result<Write, sqlx::Error> {
        match self.writer.begin_with("BEGIN IMMEDIATE").await {
            // Those before this one waited for another process: its lock is to blame, not our own load.
            Err(sqlx::Error::PoolTimedOut) if self.locked.load(Ordering::Relaxed) => {
                Err(sqlx::Error::Io(io::ErrorKind::ResourceBusy.into()))
            }
            begun => {
                self.locked.store(begun.as_ref().is_err_and(|error| trouble(error) == Trouble::Locked), Ordering::Relaxed);
                begun
            }
        }
    }

    /// Finds out whether something can be written, by writing something that changes nothing: a lock alone is also given on a
    /// disk that is full. Something so small finds a place on it too, which is why the disk is asked first.
    pub async fn probe(&self) -> Result<(), sqlx::Error> {
        if rustix::fs::statvfs(&*self.folder).is_ok_and(|disk| is_full(disk.f_blocks, disk.f_bavail, disk.f_frsize)) {
            return Err(sqlx::Error::Io(io::ErrorKind::StorageFull.into()));
        }
        let probe = async {
            let mut probed = self.probed.lock().await;
            if probed.is_some_and(|at| at.elapsed() < PROBE_STEP) {
                return Ok(());
            }
            let mut db = self.write().await?;
            sqlx::query("PRAGMA user_version = 0").execute(&mut *db).await?;
            db.commit().await?;
            *probed = Some(Instant::now());
            Ok(())
        };
        tokio::time::timeout(PROBE_TIMEOUT, probe).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Waits for what is under way and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Whether the next writer can use the connection. After some errors, such as a full disk, `SQLite` ends the transaction by
/// itself; the rollback then fails, and sqlx would take the connection to be within that transaction for ever.
async fn is_clean(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // A dropped transaction only asks for its rollback: after an answer it has been carried out, or has failed.
    connection.ping().await?;
    let clean = !connection.is_in_transaction();
    if !clean {
        tracing::warn!("a transaction could not be rolled back: its connection to the database is replaced");
    }
    Ok(clean)
}

/// Of a disk with so many blocks, so many of them free. Some file systems do not tell, and say that they have none.
fn is_full(blocks: u64, free: u64, size: u64) -> bool {
    blocks > 0 && free.saturating_mul(size) < MIN_FREE
}

/// Sorts an error.
#[must_use]
pub fn trouble(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::PoolTimedOut => Trouble::Busy,
        sqlx::Error::Io(error) if error.kind() == io::ErrorKind::ResourceBusy => Trouble::Locked,
        // The last two are what a full disk leaves of a connection; `is_clean` sees to it that the next writer has another one.
        sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_)
        | sqlx::Error::InvalidSavePointStatement
        | sqlx::Error::BeginFailed => Trouble::Unavailable,
        sqlx::Error::Migrate(error) => match &**error {
            sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
                trouble(error)
            }
            _ => Trouble::Defect,
        },
        // SQLite's primary result codes are the low byte of the extended ones.
        sqlx::Error::Database(error) => match error.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
            Some(5 | 6) => Trouble::Locked,
            // READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB.
            Some(8 | 10 | 11 | 13 | 14 | 26) => Trouble::Unavailable,
            _ => Trouble::Defect,
        },
        _ => Trouble::Defect,
    }
}

#[cfg(test)]
mod tests;
