//! A Git repository with its whole history.
//!
//! The system's `git` is the transport: it knows credentials, proxies and every protocol, and brings everything reachable as
//! one pack into a temporary folder. Nothing of the repository is ever run or checked out. The blobs are read straight from
//! the pack; only when some hold tokens are the commits walked.

mod command;
mod failure;

mod mirror;
mod objects;
mod pack;
mod single;
mod attribution;

use std::path::Path;

use crate::scan::Run;
use crate::{ScanError, folder, redact};

use mirror::{Mirror, Origin};

/// Scans the history of a repository behind a URL.
pub(crate) fn remote(run: &mut Run<'_>, url: &str) -> Result<(), ScanError> {
    history(run, &Origin::Url(url))
}

/// Scans the history of a repository on this machine, and the files of its work tree as they are.
pub(crate) fn local(run: &mut Run<'_>, path: &Path) -> Result<(), ScanError> {
    history(run, &Origin::Path(path))?;
    if path.join(".git").exists() { folder::scan_work_tree(run, path) } else { Ok(()) }
}

fn history(run: &mut Run<'_>, origin: &Origin<'_>) -> Result<(), ScanError> {
    let mirror = Mirror::make(run, origin)?;
    run.coverage.refs = objects::count_refs(&mirror)?;
    let mut packs = pack::open(&mirror)?;
    if packs.is_empty() {
        return Ok(());
    }
    let inventory = objects::list(run, &mirror, &mut packs)?;
    let hits = pack::scan(run, &mirror, packs, inventory)?;
    if hits.is_empty() { Ok(()) } else { attribution::report(run, &mirror, hits) }
}

impl Origin<'_> {
    /// The address as messages show it.
    fn name(&self) -> String {
        match self {
            Self::Url(url) => redact::urls(url),
            Self::Path(path) => path.display().to_string(),
        }
    }
}
