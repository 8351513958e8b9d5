//! A Git repository with its whole history.
//!
//! The system's `git` is the transport: it knows credentials, proxies and every protocol, and brings everything reachable as
//! one pack into a temporary folder. A repository on this machine is read where it is. Nothing of a repository is ever run or
//! checked out. The blobs are read straight from the packs; only when some hold tokens are the commits walked.

mod command;
mod child;
mod failure;
mod credentials;

mod mirror;
mod repository;
mod objects;
mod pack;
mod single;
mod attribution;

use std::path::Path;

use crate::scan::Run;
use crate::{ScanError, folder};

use repository::Repository;

/// Scans the history of a repository behind a URL.
pub(crate) fn remote(run: &mut Run<'_>, url: &str) -> Result<(), ScanError> {
    let repository = Repository::remote(run, url)?;
    history(run, &repository)
}

/// Scans the history of a repository on this machine, and the files of its work tree as they are.
pub(crate) fn local(run: &mut Run<'_>, path: &Path) -> Result<(), ScanError> {
    let repository = Repository::local(run, path)?;
    history(run, &repository)?;
    if path.join(".git").exists() { folder::scan_work_tree(run, path) } else { Ok(()) }
}

fn history(run: &mut Run<'_>, repository: &Repository) -> Result<(), ScanError> {
    run.coverage.refs = objects::count_refs(repository)?;
    let mut packs = pack::open(repository)?;
    let inventory = objects::list(run, repository, &mut packs)?;
    let hits = pack::scan(run, repository, packs, inventory)?;
    if hits.is_empty() { Ok(()) } else { attribution::report(run, repository, hits) }
}
