//! Which database, where it is, and what differs between the two kinds.

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::ConnectOptions as _;
use sqlx::any::AnyConnectOptions;
use sqlx::postgres::PgConnectOptions;

/// A database, shown without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file in this folder.
    Sqlite(PathBuf),
    /// A server's.
    Postgres(Address),
}

/// Where a `PostgreSQL` database is: a URL, whose password nothing shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    shown: String,
}

/// Why an address is not taken; repeats nothing of it but the name of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL of a `PostgreSQL` database.
    #[error("is not like postgres://user:password@host:5432/name?sslmode=verify-full")]
    Shape,
    /// Would be ignored.
    #[error("has the parameter {0:?}, which is not known; there are {known}", known = PARAMETERS.join(", "))]
    Parameter(String),
}

/// The database's file within the data folder.
pub const FILE: &str = "stopleak.db";

/// What a URL may say after its `?`.
const PARAMETERS: [&str; 10] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "user", "password", "dbname", "application_name"];

impl Database {
    /// What a connection needs; makes the file when there is none.
    pub(super) fn options(&self) -> Result<AnyConnectOptions, sqlx::Error> {
        match self {
            Self::Sqlite(folder) => {
                let path = std::path::absolute(folder.join(FILE))?;
                // SQLite gives its other files the same mode.
                OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
                format!("sqlite://{}", escape(&path)).parse()
            }
            Self::Postgres(address) => address.url.parse(),
        }
    }

    /// Connections that read at the same time.
    pub(super) fn readers(&self) -> u32 {
        match self {
            Self::Sqlite(_) => 4,
            // Requests wait for the network, too.
            Self::Postgres(_) => 8,
        }
    }

    /// What a connection that writes is told first. The time is [`super::BUSY_TIMEOUT`].
    pub(super) fn settings_of_writer(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "PRAGMA busy_timeout = 3000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
            // A process that is stopped within a transaction would hold up all others.
            Self::Postgres(_) => {
                "SET application_name = 'stopleak'; SET lock_timeout = '3s'; SET idle_in_transaction_session_timeout = '10s';
                 SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
            }
        }
    }

    /// The same for one that reads.
    pub(super) fn settings_of_readers(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "PRAGMA busy_timeout = 3000; PRAGMA query_only = ON;",
            Self::Postgres(_) => "SET application_name = 'stopleak'",
        }
    }

    pub(super) fn begin_reading(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "BEGIN",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// On `PostgreSQL`, each statement sees what is committed when it starts: the first one waits for the lock, and a state as of then
    /// would be too old.
    pub(super) fn begin_writing(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    /// How a writer waits for its turn, when beginning is not enough: `PostgreSQL` gives the lock back after the commit is seen by
    /// all. The number stands for this lock, and nothing else.
    pub(super) fn lock(&self) -> Option<&'static str> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_) => Some("SELECT pg_advisory_xact_lock(7367826577310)"),
        }
    }

    /// Writes something to the disk that changes nothing.
    pub(super) fn trace(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "PRAGMA user_version = 0",
            Self::Postgres(_) => "SELECT pg_logical_emit_message(true, 'stopleak', '')::text",
        }
    }
}

impl Address {
    /// Takes a URL.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let url = url.trim();
        let parsed = url.parse::<AnyConnectOptions>().map_err(|_| AddressError::Shape)?.database_url;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(AddressError::Shape);
        }
        // sqlx would log it together with its value.
        if let Some((unknown, _)) = parsed.query_pairs().find(|(key, _)| !PARAMETERS.contains(&&**key)) {
            return Err(AddressError::Parameter(unknown.into_owned()));
        }
        let options = PgConnectOptions::from_url(&parsed).map_err(|_| AddressError::Shape)?;
        let host = match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let name = options.get_database().unwrap_or(options.get_username());
        Ok(Self { url: url.to_owned(), shown: format!("{name} of PostgreSQL at {host}:{}", options.get_port()) })
    }

    /// The whole of it, for connecting.
    pub(crate) fn expose(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(folder) => write!(f, "{}", folder.join(FILE).display()),
            Self::Postgres(address) => f.write_str(&address.shown),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// A path within a URL.
fn escape(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::new();
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // A String takes everything.
            let _ = write!(escaped, "%{byte:02x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for url in [
            "postgres://me:hunter22@db.example:5433/leaks?sslmode=require",
            "postgresql:///leaks?host=db.example&port=5433&user=me&password=hunter22",
        ] {
            let address = Address::parse(url).unwrap();
            let database = Database::Postgres(address);
            for shown in [database.to_string(), format!("{database:?}")] {
                assert!(shown.contains("leaks of PostgreSQL at db.example:5433") && !shown.contains("hunter22"), "{shown}");
            }
        }
    }

    #[test]
    fn what_would_be_ignored_is_refused_and_not_repeated() {
        for url in
            ["", "leaks", "mysql://me:hunter22@host/x", "postgres://me:hunter22@host:port/x", "postgres://h/x?sslmode=hunter22"]
        {
            assert_eq!(Address::parse(url).unwrap_err(), AddressError::Shape, "{url}");
        }
        let refusal = Address::parse("postgres://host/x?pasword=hunter22").unwrap_err().to_string();
        assert!(refusal.contains("pasword") && !refusal.contains("hunter22"), "{refusal}");
    }
}
