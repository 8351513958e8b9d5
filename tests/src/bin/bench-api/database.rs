//! The private database, and where the two kinds differ.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};
use stopleak_postgres::Postgres;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    Sqlite,
}

pub struct Database {
    pub kind: Kind,
    pub folder: PathBuf,
    server: Option<Postgres>,
}

/// Everything else is as `PostgreSQL` comes, so that a commit waits for the disk.
pub const SETTINGS: &[&str] = &["shared_buffers=1GB"];
/// More than are seeded: the oldest would go.
const MAX_ATTEMPTS: u32 = 100_000_000;
/// The client is the only one, and asks as fast as it can.
const REQUESTS_PER_MINUTE: u32 = 10_000_000;

impl Kind {
    pub fn parse(word: Option<&str>) -> Result<Self> {
        match word {
            Some("postgres") => Ok(Self::Postgres),
            Some("sqlite") => Ok(Self::Sqlite),
            _ => bail!("--database is postgres or sqlite"),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }
}

impl Database {
    pub fn start(kind: Kind, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let server = match kind {
            Kind::Postgres => Some(Postgres::start_in(&folder.join("postgres"), SETTINGS)?),
            Kind::Sqlite => None,
        };
        Ok(Self { kind, folder: folder.to_owned(), server })
    }

    /// Keys and the administrator's token, and the file of `SQLite`.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("control-plane")
    }

    /// Of the control plane.
    pub fn config(&self) -> String {
        let database = self.server.as_ref().map(|server| format!("database = {:?}\n", server.url())).unwrap_or_default();
        format!("max_attempts = {MAX_ATTEMPTS}\nrequests_per_minute = {REQUESTS_PER_MINUTE}\n{database}")
    }

    /// For filling: what is half-written after a power cut is made again anyway. Rows that rows refer to are joined in, so that they are there:
    /// foreign keys need not look for each.
    pub async fn connect(&self) -> Result<AnyConnection> {
        sqlx::any::install_default_drivers();
        let (url, settings) = match &self.server {
            Some(server) => (server.url(), "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'"),
            None => (
                format!("sqlite://{}", self.data_dir().join("stopleak.db").display()),
                "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000",
            ),
        };
        let mut db = AnyConnection::connect(&url).await?;
        sqlx::raw_sql(settings).execute(&mut db).await?;
        Ok(db)
    }

    /// SQL: bytes that look random, of at most 32; where they can follow from a number they do.
    pub fn random(&self, number: &str, bytes: u8) -> String {
        match self.kind {
            Kind::Postgres => format!("substr(sha256(int8send({number})), 1, {bytes})"),
            Kind::Sqlite => format!("randomblob({bytes})"),
        }
    }

    /// SQL: the digits of bytes.
    pub fn hex(&self, bytes: &str) -> String {
        match self.kind {
            Kind::Postgres => format!("encode({bytes}, 'hex')"),
            Kind::Sqlite => format!("lower(hex({bytes}))"),
        }
    }

    /// Takes the indexes of a table away, but for that of its key: to make them when it is full takes a tenth of the time. Its triggers stay, but
    /// for those of foreign keys. Returns what brings everything back.
    pub async fn open(&self, db: &mut AnyConnection, table: &str) -> Result<Vec<String>> {
        if self.kind == Kind::Sqlite {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT c.conname::text, pg_get_constraintdef(c.oid), i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
             FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype = 'u'
             WHERE i.indrelid = '{table}'::regclass AND NOT i.indisprimary"
        );
        let indexes: Vec<(Option<String>, Option<String>, String, String)> =
            sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut *db).await?;
        execute(db, format!("ALTER TABLE {table} DISABLE TRIGGER ALL")).await?;
        execute(db, format!("ALTER TABLE {table} ENABLE TRIGGER USER")).await?;
        let mut back = vec![format!("ALTER TABLE {table} ENABLE TRIGGER ALL")];
        for (constraint, definition, index, statement) in indexes {
            if let Some((name, definition)) = constraint.zip(definition) {
                execute(db, format!("ALTER TABLE {table} DROP CONSTRAINT {name}")).await?;
                back.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"));
            } else {
                execute(db, format!("DROP INDEX {index}")).await?;
                back.push(statement);
            }
        }
        Ok(back)
    }

    /// What a database that has been in use for long has behind it.
    pub async fn settle(&self, db: &mut AnyConnection) -> Result<()> {
        let statements: &[&'static str] = match self.kind {
            Kind::Postgres => &["VACUUM ANALYZE", "CHECKPOINT"],
            Kind::Sqlite => &["PRAGMA wal_checkpoint(TRUNCATE)"],
        };
        for &statement in statements {
            sqlx::raw_sql(statement).execute(&mut *db).await.context(statement)?;
        }
        Ok(())
    }

    /// Bytes that all of it takes on the disk.
    pub fn disk_bytes(&self) -> Result<u64> {
        bytes_of(&self.folder)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            server.shut_down();
        }
    }
}

/// Runs a statement of this program.
pub async fn execute(db: &mut AnyConnection, statement: String) -> Result<u64> {
    let shown = statement.lines().take(4).collect::<Vec<_>>().join("\n");
    Ok(sqlx::query(AssertSqlSafe(statement)).execute(db).await.context(shown)?.rows_affected())
}

fn bytes_of(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in folder.read_dir()? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_of(&entry.path())?,
            Ok(metadata) => metadata.len(),
            // A server removes files as it likes.
            Err(_) => 0,
        };
    }
    Ok(bytes)
}
