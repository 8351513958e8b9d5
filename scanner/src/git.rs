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
mod stored;
mod forest;
mod delta;
mod chains;
mod single;
mod taking;
mod attribution;

use std::path::Path;

use crate::scan::Run;
use crate::{ScanError, Seen, Skipped, folder};

use objects::Since;
use repository::Repository;

/// Scans the history of a repository behind a URL.
pub(crate) fn remote(run: &mut Run<'_>, url: &str) -> Result<(), ScanError> {
    let repository = Repository::remote(run, url)?;
    history(run, &repository)?.whole()
}

/// Scans the history of a repository on this machine, and the files of its work tree as they are.
pub(crate) fn local(run: &mut Run<'_>, path: &Path) -> Result<(), ScanError> {
    let repository = Repository::local(run, path)?;
    let history = history(run, &repository)?;
    if path.join(".git").exists() {
        folder::scan_work_tree(run, path)?;
    }
    history.whole()
}

/// A history that was read.
struct History {
    damage: Option<ScanError>,
}

impl History {
    /// Fails last of all, when everything that could be found has been told.
    fn whole(self) -> Result<(), ScanError> {
        self.damage.map_or(Ok(()), Err)
    }
}

fn history(run: &mut Run<'_>, repository: &Repository) -> Result<History, ScanError> {
    let (tips, refs) = objects::tips(repository)?;
    run.coverage.refs = refs;
    let seen = run.seen();
    let (mut blobs, mut commits) = (0, 0);
    if let Some(seen) = seen {
        (blobs, commits) = (seen.blobs, seen.commits);
        run.coverage.skip(Skipped::SeenBefore, blobs);
        run.coverage.discovered += blobs;
        run.coverage.commits += commits;
    }
    let rules_version = run.coverage.rules_version.clone();
    // Where all references stand where they stood, there is nothing new, and nothing to be listed.
    if seen.is_none_or(|seen| seen.tips != tips) {
        let since = Since::of(repository, seen)?;
        let (before, commits_before) = (run.coverage.discovered, run.coverage.commits);
        let mut packs = pack::open(repository)?;
        let inventory = objects::list(run, repository, &mut packs, &since)?;
        blobs += run.coverage.discovered - before;
        commits += run.coverage.commits - commits_before;
        let (hits, damaged) = pack::scan(run, repository, packs, inventory, &since)?;
        for problem in &damaged {
            run.coverage.error("history".into(), problem.clone());
        }
        if !hits.is_empty() {
            attribution::report(run, repository, hits, &since)?;
        }
        if let Some(problem) = damaged.first() {
            return Ok(History { damage: Some(repository.damaged(problem)) });
        }
    }
    run.remember(Seen { rules_version, blobs, commits, tips });
    Ok(History { damage: None })
}
