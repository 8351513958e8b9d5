//! A repository whose objects lie on this machine: its own, or a mirror of a remote one.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use gix_hash::Kind;
use tempfile::TempDir;

use super::child::Patience;
use super::{command, failure, mirror};
use crate::printable::printable;
use crate::scan::Run;
use crate::{ScanError, Skipped, redact};

/// A repository that can be read.
pub(super) struct Repository {
    /// Git's own folder.
    pub(super) path: PathBuf,
    /// Where the objects are.
    pub(super) objects: PathBuf,
    /// How objects are named.
    pub(super) hash: Kind,
    /// The source as messages show it.
    pub(super) name: String,
    /// Why blobs that its commits name may be absent.
    pub(super) absent: Skipped,
    /// How long is waited for a `git` that reads it.
    pub(super) patience: Patience,
    checked: bool,
    /// Deleted with this value.
    _mirror: Option<TempDir>,
}

impl Repository {
    /// Mirrors the repository at `url` into a temporary folder, which goes away with this value, or into one that stays.
    pub(super) fn remote(run: &mut Run<'_>, url: &str) -> Result<Self, ScanError> {
        let name = redact::address(url);
        let (folder, mirror) = mirror::fetch(run, url, &name)?;
        let repository = Self::open(&mirror, name, Patience::of(run))?;
        Ok(Self { absent: Skipped::TooLarge, checked: true, _mirror: folder, ..repository })
    }

    /// Reads the repository at `path` where it is: copying it would cost more than scanning it.
    pub(super) fn local(run: &Run<'_>, path: &Path) -> Result<Self, ScanError> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        Self::open(&absolute, path.display().to_string(), Patience::of(run))
    }

    /// The error for a repository that turns out to be damaged.
    pub(super) fn damaged(&self, detail: &str) -> ScanError {
        ScanError::Damaged { location: self.name.clone(), detail: printable(detail) }
    }

    /// Whether `git` looked at every byte just now, as it does when it fetches.
    pub(super) fn was_checked(&self) -> bool {
        self.checked
    }

    /// The error for a `git` that could not be read or waited for.
    pub(super) fn broken_off(&self, error: &io::Error) -> ScanError {
        self.patience.explain(&self.name, error)
    }

    fn open(path: &Path, name: String, patience: Patience) -> Result<Self, ScanError> {
        let mut command = command::opening(path);
        command.args([
            "rev-parse",
            "--path-format=absolute",
            "--git-common-dir",
            "--git-path",
            "objects",
            "--show-object-format",
        ]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |detail: String| ScanError::Git { location: path.display().to_string(), detail };
        let said = command::spawn(&mut command, &patience)?.listen().map_err(|error| patience.explain(&name, &error))?;
        if !said.success {
            return Err(failure::explain(name, &String::from_utf8_lossy(&said.errors)));
        }
        let lines: Vec<&[u8]> = said.output.split(|&byte| byte == b'\n').collect();
        let [git, objects, hash, ..] = lines.as_slice() else {
            return Err(failed("this version of Git does not say where its objects are".into()));
        };
        let hash = match *hash {
            b"sha1" => Kind::Sha1,
            b"sha256" => Kind::Sha256,
            other => return Err(failed(format!("unknown object format `{}`", String::from_utf8_lossy(other)))),
        };
        Ok(Self {
            path: command::path(git),
            objects: command::path(objects),
            hash,
            name,
            absent: Skipped::Absent,
            patience,
            checked: false,
            _mirror: None,
        })
    }
}
