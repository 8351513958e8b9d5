//! Sources: the places that are scanned.

use std::path::{Path, PathBuf};

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
    /// What it is: `git`, `folder` or `file`; `import`, `webhook` or `github` when others bring its findings.
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
    /// Whoever may add sources must not read the server's files by that.
    #[error(
        "is on the server's own machine, where only folders that the configuration names in local_sources are scanned; \
         `stopleak scan` on that machine needs no server"
    )]
    Local,
    /// Nothing is there.
    #[error("the server has no such file or folder, and it is not a Git URL")]
    Missing,
    /// Not an address that is scanned.
    #[error("{0}")]
    Address(String),
}

/// The folders of the server's machine that may be scanned.
#[derive(Clone, Debug, Default)]
pub struct LocalSources(Vec<PathBuf>);

impl LocalSources {
    /// These, and what is below them.
    #[must_use]
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self(folders)
    }

    /// Whether the path leads into one of the folders, symbolic links and all.
    fn allow(&self, path: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        real(path).is_some_and(|path| self.0.iter().filter_map(|folder| real(folder)).any(|folder| path.starts_with(folder)))
    }
}

/// Checks a location; returns what kind of source it is.
pub fn check(location: &str, local: &LocalSources) -> Result<(SourceLocation, &'static str), SourceError> {
    let parsed = SourceLocation::parse(location).map_err(|error| match error {
        // Whether a file exists is nobody's business either.
        LocationError::Missing(_) if local.0.is_empty() => SourceError::Local,
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
        SourceLocation::Repository(path) | SourceLocation::Folder(path) | SourceLocation::File(path) if !local.allow(path) => {
            return Err(SourceError::Local);
        }
        SourceLocation::Remote(url) if file_path(url).is_some_and(|path| !local.allow(path)) => return Err(SourceError::Local),
        SourceLocation::Remote(_) | SourceLocation::Repository(_) => "git",
        SourceLocation::Folder(_) => "folder",
        SourceLocation::File(_) => "file",
    };
    Ok((parsed, kind))
}

/// The path of a `file://` URL.
fn file_path(url: &str) -> Option<&Path> {
    let (scheme, rest) = url.split_once("://")?;
    scheme.eq_ignore_ascii_case("file").then(|| Path::new(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()))
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

/// The kind of source that imports belong to, and what their locations begin with: a relative path, which nobody can add to be scanned.
pub const IMPORT: &str = "import";
/// The same of webhooks.
pub const WEBHOOK: &str = "webhook";
/// The same of what GitHub's secret scanning tells.
pub const GITHUB: &str = "github";

impl Source {
    /// Whether others bring its findings, so that nobody scans it.
    #[must_use]
    pub fn is_intake(&self) -> bool {
        matches!(self.kind.as_str(), IMPORT | WEBHOOK | GITHUB)
    }
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

    fn anywhere() -> LocalSources {
        LocalSources::new(vec!["/".into()])
    }

    #[test]
    fn paths_of_the_server_are_sources_only_where_the_configuration_says() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        for folder in [&inside, &outside] {
            std::fs::create_dir(folder).unwrap();
        }
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        let local = LocalSources::new(vec![inside.clone()]);
        let as_path = |path: &Path| path.display().to_string();
        for prefix in ["", "file://", "file://localhost"] {
            assert!(check(&format!("{prefix}{}", as_path(&inside)), &local).is_ok());
            for path in [outside.clone(), inside.join("link"), inside.join("../out"), "/etc".into(), "/".into()] {
                let location = format!("{prefix}{}", as_path(&path));
                assert_eq!(check(&location, &local).unwrap_err(), SourceError::Local, "{location}");
            }
        }
        assert_eq!(check("/etc", &LocalSources::default()).unwrap_err(), SourceError::Local);
        assert_eq!(check("/no/such/file", &LocalSources::default()).unwrap_err(), SourceError::Local, "nor does it tell");
        assert!(check("https://host.example/r.git", &LocalSources::default()).is_ok());
    }

    #[test]
    fn credentials_and_paths_that_mean_something_else_here_are_refused() {
        for location in ["https://me:hunter22@host.example/r.git", "https://hunter22@host.example/r.git"] {
            assert_eq!(check(location, &anywhere()).unwrap_err(), SourceError::Credentials);
        }
        assert!(SourceError::Credentials.to_string().contains("credential helper"));
        assert_eq!(check("-", &anywhere()).unwrap_err(), SourceError::StandardInput);
        assert_eq!(check("src", &anywhere()).unwrap_err(), SourceError::Relative);
        assert_eq!(check("/no/such/folder", &anywhere()).unwrap_err(), SourceError::Missing);
        assert!(matches!(check("ext::sh -c date", &anywhere()), Err(SourceError::Address(_))));
        for (location, kind) in [("https://host.example/r.git", "git"), ("git@host.example:a/r", "git"), ("/", "folder")] {
            assert_eq!(check(location, &anywhere()).unwrap().1, kind);
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
