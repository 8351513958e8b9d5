//! What an error of the database means to whoever asked for something.

use std::io;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

/// Why the database did not do as asked, as far as callers can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Another process holds the lock.
    Locked,
    /// More requests want a connection than get one in time.
    Busy,
    /// The disk is full, read-only or broken, or the server does not answer.
    Unavailable,
    /// A text has a character that this database cannot store.
    Text,
    /// A defect of this program.
    Defect,
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
        | sqlx::Error::Tls(_)
        | sqlx::Error::InvalidSavePointStatement
        | sqlx::Error::BeginFailed => Trouble::Unavailable,
        sqlx::Error::Migrate(error) => match &**error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => trouble(error),
            _ => Trouble::Defect,
        },
        sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => of_state(error.code()),
            None => of_result_code(error.code().as_deref()),
        },
        _ => Trouble::Defect,
    }
}

/// `SQLite`'s primary result codes are the low byte of the extended ones.
fn of_result_code(code: Option<&str>) -> Trouble {
    match code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
        Some(5 | 6) => Trouble::Locked,
        // READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB.
        Some(8 | 10 | 11 | 13 | 14 | 26) => Trouble::Unavailable,
        _ => Trouble::Defect,
    }
}

/// `PostgreSQL`'s SQLSTATE: the first two letters are its class.
fn of_state(code: &str) -> Trouble {
    match code {
        // Waited too long for the turn to write or for room, or was in the way of somebody else.
        "55P03" | "53300" | "40001" | "40P01" | "57014" | "25P03" => Trouble::Busy,
        // PostgreSQL takes no zero byte.
        "22021" => Trouble::Text,
        // A standby, or a server that is read-only for want of space.
        "25006" | "55000" => Trouble::Unavailable,
        // Connection, credentials, no such database, resources, shutting down, the server's disk, damage.
        _ if ["08", "28", "3D", "53", "57", "58", "XX"].iter().any(|class| code.starts_with(class)) => Trouble::Unavailable,
        _ => Trouble::Defect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_are_sorted() {
        for (code, expected) in
            [("5", Trouble::Locked), ("261", Trouble::Locked), ("13", Trouble::Unavailable), ("1", Trouble::Defect)]
        {
            assert_eq!(of_result_code(Some(code)), expected, "{code}");
        }
        for (code, expected) in [
            ("55P03", Trouble::Busy),
            ("22021", Trouble::Text),
            ("53100", Trouble::Unavailable),
            ("57P01", Trouble::Unavailable),
            ("28P01", Trouble::Unavailable),
            ("25006", Trouble::Unavailable),
            ("23505", Trouble::Defect),
            ("42P01", Trouble::Defect),
        ] {
            assert_eq!(of_state(code), expected, "{code}");
        }
    }
}
