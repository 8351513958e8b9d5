//! Backups: all rows of a database as they are at one moment, in a form that either database can be restored from.
//!
//! The form is gzip over lines of JSON: a [`Head`](format::Head) that says which schema it is, then for each table its columns and its
//! rows, and at the end how many rows there were and a BLAKE3 hash over everything before. Keys are no part of a database, and so not of its
//! backup. An [`export`] has the same form, of one tenant's rows without what signs anybody in, and cannot be restored.

mod format;
mod restore;
mod schema;
mod write;

pub use restore::restore;
pub use write::{backup, export};

/// Why something was not written or read; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file that is cut off, damaged or something else.
    #[error("this is not a whole backup: {0}")]
    Damaged(String),
    /// An export has only a part.
    #[error("this is an export of one tenant, which cannot be restored; `stopleak backup` makes what can")]
    Export,
    /// Its tables are others.
    #[error("the backup was made by {0} Stopleak, whose tables this one does not know; restore it with that one")]
    Schema(&'static str),
    /// It would be mixed with what is there.
    #[error("the database is in use already; restore into an empty one")]
    NotEmpty,
    /// No tenant has this name.
    #[error("there is no such tenant")]
    NoSuchTenant,
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

#[cfg(test)]
mod tests;
