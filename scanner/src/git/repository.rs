//! A repository whose objects lie on this machine: its own, or a mirror of a remote one.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use gix_hash::Kind;
use tempfile::TempDir;

use super::{command, failure, mirror};
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
    _mirror: Option<TempDir>,
}

impl Repository {
    /// Mirrors the repository at `url` into a temporary folder, which goes away with this value.
    pub(super) fn remote(run: &mut Run<'_>, url: &str) -> Result<Self, ScanError> {
        let name = redact::urls(url);
        let (folder, mirror) = mirror::fetch(run, url, &name)?;
        let repository = Self::open(&mirror, name)?;
        Ok(Self { absent: Skipped::TooLarge, _mirror: Some(folder), ..repository })
    }

    /// Reads the repository at `path` where it is: copying it would cost more than scanning it.
    pub(super) fn local(path: &Path) -> Result<Self, ScanError> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        Self::open(&absolute, path.display().to_string())
    }

    /// The error for a repository that turns out to be damaged.
    pub(super) fn damaged(&self, detail: String) -> ScanError {
        ScanError::Damaged { location: self.name.clone(), detail }
    }

    fn open(path: &Path, name: String) -> Result<Self, ScanError> {
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
        let output = command::output(&mut command)?;
        if !output.status.success() {
            return Err(failure::explain(name, &String::from_utf8_lossy(&output.stderr)));
        }
        let lines: Vec<&[u8]> = output.stdout.split(|&byte| byte == b'\n').collect();
        let [git, objects, hash, ..] = lines.as_slice() else {
            return Err(failed("this version of Git does not say where its objects are".into()));
        };
        let hash = match *hash {
            b"sha1" => Kind::Sha1,
            b"sha256" => Kind::Sha256,
            other => return Err(failed(format!("unknown object format `{}`", String::from_utf8_lossy(other)))),
        };
        Ok(Self { path: command::path(git), objects: command::path(objects), hash, name, absent: Skipped::Absent, _mirror: None })
    }
}
