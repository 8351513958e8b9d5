//! What the repository holds, before any of it is read: `git` lists kinds and sizes far faster than it inflates.

use std::io::BufRead;
use std::process::Stdio;

use gix_hash::ObjectId;

use super::child::Running;
use super::command;
use super::pack::{self, Pack};
use super::repository::Repository;
use crate::scan::Run;
use crate::{ScanError, Skipped};

/// Blobs up to this size are read along their delta chains, which keeps a whole chain in memory; larger ones are read one by
/// one through `git`, whose caches are bounded.
pub(super) const CHAINED_MAX: u64 = 1 << 20;

/// The blobs of a repository.
pub(super) struct Inventory {
    /// Blobs that will be read.
    pub(super) blobs: u64,
    /// Those that are read one by one.
    pub(super) single: Vec<ObjectId>,
}

/// Lists every object, marks in `packs` which blobs to read, and counts what will not be read.
pub(super) fn list(run: &mut Run<'_>, repository: &Repository, packs: &mut [Pack]) -> Result<Inventory, ScanError> {
    let mut inventory = Inventory { blobs: 0, single: Vec::new() };
    let limit = run.options.blob_limit;
    let arguments = ["cat-file", "--batch-all-objects", "--buffer", "--batch-check=%(objectname) %(objecttype) %(objectsize)"];
    let mut too_large = 0;
    each_line(repository, &arguments, |line| {
        let mut words = line.split(' ');
        let (Some(id), Some(kind), Some(size)) = (words.next(), words.next(), words.next()) else { return };
        match kind {
            "commit" => run.coverage.commits += 1,
            "blob" => {
                let (Ok(id), Ok(size)) = (ObjectId::from_hex(id.as_bytes()), size.parse::<u64>()) else { return };
                run.coverage.discovered += 1;
                if size > limit {
                    too_large += 1;
                    return;
                }
                inventory.blobs += 1;
                // Loose objects and those of an alternate are in none of these packs.
                if size > CHAINED_MAX || !pack::want(packs, &id) {
                    inventory.single.push(id);
                }
            }
            _ => {}
        }
    })?;
    run.coverage.skip(Skipped::TooLarge, too_large);
    let missing = count_missing(repository)?;
    run.coverage.discovered += missing;
    run.coverage.skip(repository.absent, missing);
    run.stop_if_cancelled()?;
    Ok(inventory)
}

/// How many references the repository has.
pub(super) fn count_refs(repository: &Repository) -> Result<u64, ScanError> {
    let mut count = 0;
    each_line(repository, &["for-each-ref", "--format=%(objectname)"], |_| count += 1)?;
    Ok(count)
}

/// How many blobs are named and not there: the filter left them out, or somebody else's did.
fn count_missing(repository: &Repository) -> Result<u64, ScanError> {
    let mut count = 0;
    let arguments = ["rev-list", "--objects", "--all", "--missing=print", "--no-object-names"];
    each_line(repository, &arguments, |line| count += u64::from(line.starts_with('?')))?;
    Ok(count)
}

/// Runs `git` in the repository and passes on each line of its output.
pub(super) fn each_line(repository: &Repository, arguments: &[&str], mut take: impl FnMut(&str)) -> Result<(), ScanError> {
    let mut command = command::reading(&repository.path);
    let mut git = command::spawn(command.args(arguments).stdout(Stdio::piped()), &repository.patience)?;
    if let Some(mut output) = git.output() {
        // Not a string: a path may have any bytes.
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).map_err(|error| repository.broken_off(&error))? > 0 {
            take(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
    }
    finish(repository, git, arguments[0])
}

/// Waits for `git` and turns a failure into an error.
pub(super) fn finish(repository: &Repository, mut git: Running, command: &str) -> Result<(), ScanError> {
    match git.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(repository.damaged(&format!("git {command} ended with {status}"))),
        Err(error) => Err(repository.broken_off(&error)),
    }
}
