//! Which commit, path and time a blob came with.
//!
//! Commits are walked from the oldest, and each names the blobs that no older one had. The walk ends as soon as every blob with
//! tokens has its commit, so it costs nothing for a clean history and little for old leaks. It names every tree and blob once:
//! comparing the trees of commits would name them as often as they are used, and a few trees that hold each other ten times
//! over are ten million files.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead};
use std::process::Stdio;

use gix_hash::ObjectId;

use super::command;
use super::objects::{self, Since};
use super::repository::Repository;
use super::taking::BlobHits;
use crate::ScanError;
use crate::blob::Hit;
use crate::progress::Phase;
use crate::scan::Run;

/// The observer hears of progress once in this many commits.
const PROGRESS_COMMITS: u64 = 500;
/// Begins a line about a commit; no line about an object begins with it.
const COMMIT_MARK: u8 = 0x01;

/// Every object, after the oldest commit that has it. What a partial clone lacks cannot be walked, and was counted before.
const WALK: &str = "rev-list --objects --all --reverse --in-commit-order --missing=allow-any --stdin";
/// The objects that references name otherwise than by a commit, such as a tagged blob. The walk puts them at its first commit.
const TAGGED: [&str; 5] = ["rev-list", "--objects", "--all", "--max-count=0", "--missing=allow-any"];

/// Fails when a commit or a tree is not there, which the walk does not tell from blobs that a partial clone lacks.
const COMPLETE: [&str; 5] = ["rev-list", "--objects", "--all", "--quiet", "--filter=blob:none"];

/// The blobs with tokens that have no commit yet.
type Waiting<'d> = HashMap<ObjectId, Vec<Hit<'d>>>;

/// Reports every hit, oldest commit first.
pub(super) fn report(
    run: &mut Run<'_>,
    repository: &Repository,
    blobs: Vec<BlobHits<'_>>,
    since: &Since,
) -> Result<(), ScanError> {
    let mut waiting: Waiting<'_> = blobs.into_iter().map(|blob| (blob.id, blob.hits)).collect();
    let tagged = tagged(repository, &waiting)?;
    let mut command = command::reading(&repository.path);
    command.args(WALK.split(' ')).args(["--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%x01%H %cd"]);
    let mut git = command::spawn(command.stdin(since.input()?).stdout(Stdio::piped()), &repository.patience)?;
    let (total, mut told) = (run.coverage.commits, 0);
    run.progress(Phase::Commits, 0, Some(total), 0);
    let mut broken_off = None;
    if let Some(output) = git.output() {
        let mut walk = Walk { output, line: Vec::new(), commit: None, commits: 0 };
        while waiting.len() > tagged.len() {
            let (id, path) = match walk.next_object() {
                Ok(Some(object)) => object,
                Ok(None) => break,
                Err(error) => {
                    broken_off = Some(error);
                    break;
                }
            };
            if walk.commits >= told + PROGRESS_COMMITS {
                run.stop_if_cancelled()?;
                told = walk.commits;
                run.progress(Phase::Commits, told, Some(total), 0);
            }
            if !tagged.contains(&id)
                && let Some(hits) = waiting.remove(&id)
            {
                send(run, hits, id, &path, walk.commit.as_ref());
            }
        }
    }
    run.stop_if_cancelled()?;
    if waiting.is_empty() {
        return Ok(());
    }
    match broken_off {
        None if waiting.len() > tagged.len() => {
            objects::finish(repository, git, "rev-list")?;
            objects::each_line(repository, &COMPLETE, Stdio::null(), |_| {})?;
        }
        None => {}
        Some(error) => {
            let unknown = waiting.len() - tagged.len();
            run.coverage.error("history".into(), format!("the commits of {unknown} blobs with tokens are not known: {error}"));
        }
    }
    report_uncommitted(run, repository, waiting)
}

/// Which of the blobs are named by a tag or the like; a commit may have them too, but the walk does not tell which.
fn tagged(repository: &Repository, waiting: &Waiting<'_>) -> Result<HashSet<ObjectId>, ScanError> {
    let mut tagged = HashSet::new();
    objects::each_line(repository, &TAGGED, Stdio::null(), |line| {
        let id = ObjectId::from_hex(line.split(' ').next().unwrap_or_default().as_bytes());
        tagged.extend(id.ok().filter(|id| waiting.contains_key(id)));
    })?;
    Ok(tagged)
}

/// Reports blobs without a commit: a tag names them, or the walk was broken off before it came to theirs. What is left after
/// that lies in the repository without being part of it: it was never committed, or its branch is gone, and no clone gets it.
fn report_uncommitted(run: &mut Run<'_>, repository: &Repository, mut waiting: Waiting<'_>) -> Result<(), ScanError> {
    objects::each_line(repository, &["rev-list", "--objects", "--all", "--missing=allow-any"], Stdio::null(), |line| {
        let (id, path) = line.split_once(' ').unwrap_or((line, ""));
        if let Some((id, hits)) = ObjectId::from_hex(id.as_bytes()).ok().and_then(|id| waiting.remove_entry(&id)) {
            let path = if path.is_empty() { format!("blob {id}") } else { path.to_owned() };
            send(run, hits, id, &path, None);
        }
    })?;
    run.coverage.unreachable = waiting.len() as u64;
    Ok(())
}

struct Commit {
    id: String,
    date: String,
}

fn send(run: &mut Run<'_>, hits: Vec<Hit<'_>>, blob: ObjectId, path: &str, commit: Option<&Commit>) {
    for hit in hits {
        let Some(mut finding) = hit.at(path.to_owned()) else { continue };
        finding.blob = Some(blob.to_string());
        finding.commit = commit.map(|commit| commit.id.clone());
        finding.committed_at = commit.map(|commit| commit.date.clone());
        run.found(finding);
    }
}

/// The output of `git rev-list --objects`.
struct Walk<R> {
    output: R,
    line: Vec<u8>,
    commit: Option<Commit>,
    commits: u64,
}

impl<R: BufRead> Walk<R> {
    /// The next object that the commit is the first to have, with its path; Git ends a path at its first newline.
    fn next_object(&mut self) -> io::Result<Option<(ObjectId, String)>> {
        loop {
            self.line.clear();
            if self.output.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            let line = String::from_utf8_lossy(self.line.strip_suffix(b"\n").unwrap_or(&self.line));
            let (first, rest) = line.split_once(' ').unwrap_or((&line, ""));
            if let Some(id) = first.strip_prefix(char::from(COMMIT_MARK)) {
                self.commit = Some(Commit { id: id.into(), date: rest.into() });
                self.commits += 1;
            } else if let Ok(id) = ObjectId::from_hex(first.as_bytes()) {
                return Ok(Some((id, rest.to_owned())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "78981922613b2afb6025042ff6bd878ac1994e85";
    const NEW: &str = "722521a35b060a7370e6420101b82bf4c63894e2";

    #[test]
    fn objects_belong_to_the_commit_before_them() {
        let output = format!("commit c1\n\u{1}c1 d1\n{OLD} \n{NEW} a b\ncommit c2\n\u{1}c2 d2\ncommit c3\n\u{1}c3 d3\n{OLD} m");
        let mut walk = Walk { output: output.as_bytes(), line: Vec::new(), commit: None, commits: 0 };
        for (commit, date, object, path) in [("c1", "d1", OLD, ""), ("c1", "d1", NEW, "a b"), ("c3", "d3", OLD, "m")] {
            let (id, found) = walk.next_object().unwrap().unwrap();
            let Commit { id: in_commit, date: on } = walk.commit.as_ref().unwrap();
            assert_eq!((in_commit.as_str(), on.as_str(), id.to_string().as_str(), found.as_str()), (commit, date, object, path));
        }
        assert!(walk.next_object().unwrap().is_none());
        assert_eq!(walk.commits, 3);
    }
}
