//! Sources: the places that are scanned.

use serde::Serialize;
use stopleak_scanner::{LocationError, SourceLocation};

use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Source {
    /// Its key.
    pub id: i64,
    /// What it is: `git`, `folder` or `file`.
    pub kind: String,
    /// Where it is.
    pub location: String,
    /// What people call it.
    pub title: String,
    /// When it was added.
    pub created_at: Time,
}

/// Why a location is not taken as a source; says what to do, and repeats nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Sources are stored and shown, and so would be the credentials.
    #[error(
        "holds credentials, which would be stored and shown; leave them out and give the user that runs the server \
         a Git credential helper (git config --global credential.helper …) or an SSH key"
    )]
    Credentials,
    /// The server has no terminal.
    #[error("standard input is scanned by `stopleak scan -`, not by a server")]
    StandardInput,
    /// The server's working folder is not the caller's.
    #[error("a path on the server has to be absolute")]
    Relative,
    /// Nothing is there.
    #[error("the server has no such file or folder, and it is not a Git URL")]
    Missing,
    /// Not an address that is scanned.
    #[error("{0}")]
    Address(String),
}

/// Checks a location; returns what kind of source it is.
pub fn check(location: &str) -> Result<(SourceLocation, &'static str), SourceError> {
    let parsed = SourceLocation::parse(location).map_err(|error| match error {
        LocationError::Missing(_) => SourceError::Missing,
        LocationError::Address(_) => SourceError::Address("is not a valid Git address".to_owned()),
        LocationError::Option(_) => SourceError::Address("looks like an option of a program".to_owned()),
        error @ (LocationError::Empty | LocationError::Transport { .. }) => SourceError::Address(error.to_string()),
    })?;
    let kind = match &parsed {
        // It is shown without credentials, so it has some when it is shown differently.
        SourceLocation::Remote(url) if parsed.to_string() != *url => return Err(SourceError::Credentials),
        SourceLocation::StandardInput => return Err(SourceError::StandardInput),
        SourceLocation::Repository(path) | SourceLocation::Folder(path) | SourceLocation::File(path) if path.is_relative() => {
            return Err(SourceError::Relative);
        }
        SourceLocation::Remote(_) | SourceLocation::Repository(_) => "git",
        SourceLocation::Folder(_) => "folder",
        SourceLocation::File(_) => "file",
    };
    Ok((parsed, kind))
}

/// What people would call a source: the last two steps of its path.
#[must_use]
pub fn title_of(location: &str) -> String {
    let path = location.split_once("://").map_or(location, |(_, rest)| rest.split_once('/').map_or(rest, |(_, path)| path));
    let path = path.trim_end_matches('/').trim_end_matches(".git");
    let steps: Vec<&str> = path.split(['/', ':']).filter(|step| !step.is_empty()).collect();
    let last = steps.get(steps.len().saturating_sub(2)..).unwrap_or_default().join("/");
    if last.is_empty() { location.to_owned() } else { last }
}

/// Adds a source, or finds the one of this location; true when it is new.
pub async fn add(
    db: &mut Connection,
    tenant: TenantId,
    kind: &str,
    location: &str,
    title: &str,
    now: Time,
) -> Result<(Source, bool), sqlx::Error> {
    let new = sqlx::query(
        "INSERT INTO sources (tenant_id, kind, location, title, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, location) DO NOTHING",
    )
    .bind(tenant)
    .bind(kind)
    .bind(location)
    .bind(title)
    .bind(now)
    .execute(&mut *db)
    .await?
    .rows_affected()
        == 1;
    let source =
        sqlx::query_as("SELECT id, kind, location, title, created_at FROM sources WHERE tenant_id = $1 AND location = $2")
            .bind(tenant)
            .bind(location)
            .fetch_one(db)
            .await?;
    Ok((source, new))
}

/// The tenant's sources.
pub async fn list(db: &mut Connection, tenant: TenantId) -> Result<Vec<Source>, sqlx::Error> {
    sqlx::query_as("SELECT id, kind, location, title, created_at FROM sources WHERE tenant_id = $1 ORDER BY id")
        .bind(tenant)
        .fetch_all(db)
        .await
}

/// One source.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<Source>, sqlx::Error> {
    sqlx::query_as("SELECT id, kind, location, title, created_at FROM sources WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .fetch_optional(db)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_paths_that_mean_something_else_here_are_refused() {
        for location in ["https://me:hunter22@host.example/r.git", "https://hunter22@host.example/r.git"] {
            assert_eq!(check(location).unwrap_err(), SourceError::Credentials);
        }
        assert!(SourceError::Credentials.to_string().contains("credential helper"));
        assert_eq!(check("-").unwrap_err(), SourceError::StandardInput);
        assert_eq!(check("src").unwrap_err(), SourceError::Relative);
        assert_eq!(check("/no/such/folder").unwrap_err(), SourceError::Missing);
        assert!(matches!(check("ext::sh -c date"), Err(SourceError::Address(_))));
        for (location, kind) in [("https://host.example/r.git", "git"), ("git@host.example:a/r", "git"), ("/", "folder")] {
            assert_eq!(check(location).unwrap().1, kind);
        }
    }

    #[test]
    fn a_title_is_the_end_of_the_path() {
        for (location, title) in [
            ("https://host.example/team/repo.git", "team/repo"),
            ("git@host.example:team/repo.git", "team/repo"),
            ("/srv/git/repo/", "git/repo"),
            ("https://host.example/repo", "repo"),
            ("/", "/"),
        ] {
            assert_eq!(title_of(location), title, "{location}");
        }
    }
}
