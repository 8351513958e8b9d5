//! What the repository holds, before any of it is read: `git` lists kinds and sizes far faster than it inflates.

use std::io::{BufRead, Seek as _, Write as _};
use std::process::Stdio;

use gix_hash::ObjectId;

use super::child::Running;
use super::command;
use super::pack::{self, Pack};
use super::repository::Repository;
use crate::scan::Run;
use crate::{ScanError, Seen, Skipped};

/// Blobs up to this size are read along their delta chains, which keeps a whole chain in memory; larger ones are read one by
/// one through `git`, whose caches are bounded.
pub(super) const CHAINED_MAX: u64 = 1 << 20;

/// The blobs of a repository.
pub(super) struct Inventory {
    /// Blobs that will be read.
    pub(super) blobs: u64,
    /// Those that are read one by one.
    pub(super) single: Vec<ObjectId>,
    /// What is wrong with the first object that cannot be read at all.
    pub(super) unreadable: Option<String>,
}

/// What an earlier scan has seen is listed no more.
pub(super) struct Since {
    /// Commits, a line each, whose objects were all seen; `None` when nothing was.
    seen: Option<String>,
}

/// Lists every object, or every new one that a reference reaches; marks in `packs` which blobs to read, and counts what will not be read.
pub(super) fn list(
    run: &mut Run<'_>,
    repository: &Repository,
    packs: &mut [Pack],
    since: &Since,
) -> Result<Inventory, ScanError> {
    let mut inventory = Inventory { blobs: 0, single: Vec::new(), unreadable: None };
    let limit = run.options.blob_limit;
    let mut too_large = 0;
    let take = |line: &str| {
        let mut words = line.split(' ');
        let (Some(id), Some(kind), size) = (words.next(), words.next(), words.next()) else { return };
        let Some(size) = size else {
            // It is listed, and `git` cannot read it.
            inventory.unreadable.get_or_insert_with(|| format!("object {id}: git could not read it"));
            return;
        };
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
    };
    each_object(repository, since, take)?;
    run.coverage.skip(Skipped::TooLarge, too_large);
    let missing = count_missing(repository, since)?;
    run.coverage.discovered += missing;
    run.coverage.skip(repository.absent, missing);
    run.stop_if_cancelled()?;
    Ok(inventory)
}

/// What the references name, each once, a line each, and how many references there are.
pub(super) fn tips(repository: &Repository) -> Result<(String, u64), ScanError> {
    let (mut tips, mut count) = (Vec::new(), 0);
    each_line(repository, &["for-each-ref", "--format=%(objectname)"], Stdio::null(), |line| {
        count += 1;
        tips.extend(ObjectId::from_hex(line.as_bytes()));
    })?;
    tips.sort_unstable();
    tips.dedup();
    let mut text = String::new();
    for tip in tips {
        text.extend([tip.to_string().as_str(), "\n"]);
    }
    Ok((text, count))
}

/// How many blobs are named and not there: the filter left them out, or somebody else's did.
fn count_missing(repository: &Repository, since: &Since) -> Result<u64, ScanError> {
    let mut count = 0;
    let arguments = ["rev-list", "--objects", "--all", "--missing=print", "--no-object-names", "--stdin"];
    each_line(repository, &arguments, since.input()?, |line| count += u64::from(line.starts_with('?')))?;
    Ok(count)
}

/// Passes on a line with id, kind and size for each object that is there.
fn each_object(repository: &Repository, since: &Since, take: impl FnMut(&str)) -> Result<(), ScanError> {
    let answer = "--batch-check=%(objectname) %(objecttype) %(objectsize)";
    if !since.is_partial() {
        return each_line(
            repository,
            &["cat-file", "--batch-all-objects", "--unordered", "--buffer", answer],
            Stdio::null(),
            take,
        );
    }
    let mut command = command::reading(&repository.path);
    command.args(["rev-list", "--objects", "--all", "--no-object-names", "--missing=allow-any", "--stdin"]);
    let mut listing = command::spawn(command.stdin(since.input()?).stdout(Stdio::piped()), &repository.patience)?;
    let listed = listing.pipe().map_or_else(Stdio::null, Stdio::from);
    each_line(repository, &["cat-file", "--buffer", answer], listed, take)?;
    finish(repository, listing, "rev-list")
}

/// Runs `git` in the repository and passes on each line of its output.
pub(super) fn each_line(
    repository: &Repository,
    arguments: &[&str],
    input: Stdio,
    mut take: impl FnMut(&str),
) -> Result<(), ScanError> {
    let mut command = command::reading(&repository.path);
    let mut git = command::spawn(command.args(arguments).stdin(input).stdout(Stdio::piped()), &repository.patience)?;
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

impl Since {
    /// Everything that `seen` names and that is still there: who rewrites a history leaves its old commits behind.
    pub(super) fn of(repository: &Repository, seen: Option<&Seen>) -> Result<Self, ScanError> {
        let Some(seen) = seen else { return Ok(Self { seen: None }) };
        let mut there = String::new();
        each_line(repository, &["cat-file", "--buffer", "--batch-check"], file(&seen.tips)?, |line| {
            if let Some((id, _)) = line.split_once(' ').filter(|(_, rest)| *rest != "missing") {
                there.extend(["^", id, "\n"]);
            }
        })?;
        Ok(Self { seen: Some(there) })
    }

    /// Whether an earlier scan has seen something.
    pub(super) const fn is_partial(&self) -> bool {
        self.seen.is_some()
    }

    /// Says to a `rev-list --stdin` what it need not list.
    pub(super) fn input(&self) -> Result<Stdio, ScanError> {
        self.seen.as_ref().map_or_else(|| Ok(Stdio::null()), |seen| file(seen))
    }
}

/// A text for a program to read. A file, since a pipe would wait for somebody to write it.
fn file(text: &str) -> Result<Stdio, ScanError> {
    let write = || {
        let mut file = tempfile::tempfile()?;
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok(file.into())
    };
    write().map_err(ScanError::Temporary)
}
