//! Which commit, path and time a blob came with.
//!
//! Commits are walked from the oldest, and each names the blobs that it added. The walk ends as soon as every blob with tokens
//! has its commit, so it costs nothing for a clean history and little for old leaks.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use gix_hash::ObjectId;

use super::command;
use super::objects;
use super::pack::BlobHits;
use super::repository::Repository;
use crate::ScanError;
use crate::blob::Hit;
use crate::progress::Phase;
use crate::scan::Run;

/// The observer hears of progress once in this many commits.
const PROGRESS_COMMITS: u64 = 500;
/// Begins a line about a commit; no path and no line about a blob begins with it.
const COMMIT_MARK: u8 = 0x01;

/// What a repository's own configuration could change in the output of `git log`.
const SETTINGS: &str = "-c log.showRoot=true -c log.follow=false -c diff.renames=false -c diff.orderFile=/dev/null";
/// Every blob that a commit added. `-c` names one in a merge only when it came from neither side.
const LOG: &str =
    "log --all --reverse --raw -c -z --no-abbrev --no-renames --no-notes --no-color --no-relative --no-show-signature";

/// The blobs with tokens that have no commit yet.
type Waiting<'d> = HashMap<ObjectId, Vec<Hit<'d>>>;

/// Reports every hit, oldest commit first.
pub(super) fn report(run: &mut Run<'_>, repository: &Repository, blobs: Vec<BlobHits<'_>>) -> Result<(), ScanError> {
    let mut waiting: Waiting<'_> = blobs.into_iter().map(|blob| (blob.id, blob.hits)).collect();
    let mut command = command::reading(&repository.path);
    command.args(SETTINGS.split(' ')).args(LOG.split(' '));
    command.args(["--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%x01%H %cd"]);
    let mut git = command::spawn(command.stdout(Stdio::piped()))?;
    let (total, mut told) = (run.coverage.commits, 0);
    run.progress(Phase::Commits, 0, Some(total), 0);
    if let Some(output) = git.0.stdout.take() {
        let mut log = Log { output: BufReader::new(output), record: Vec::new(), commit: None, commits: 0 };
        while !waiting.is_empty()
            && let Some((id, path)) = log.next_blob()
        {
            run.stop_if_cancelled()?;
            if log.commits >= told + PROGRESS_COMMITS {
                told = log.commits;
                run.progress(Phase::Commits, told, Some(total), 0);
            }
            if let Some(hits) = waiting.remove(&id) {
                send(run, hits, id, &path, log.commit.as_ref());
            }
        }
    }
    if waiting.is_empty() {
        return Ok(());
    }
    objects::finish(repository, git, "log")?;
    report_uncommitted(run, repository, waiting)
}

/// Reports blobs that a tag names although no commit has them. What is left after that lies in the repository without being
/// part of it: it was never committed, or its branch is gone, and no clone gets it.
fn report_uncommitted(run: &mut Run<'_>, repository: &Repository, mut waiting: Waiting<'_>) -> Result<(), ScanError> {
    objects::each_line(repository, &["rev-list", "--objects", "--all", "--missing=allow-any"], |line| {
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
        let mut finding = hit.at(path.to_owned());
        finding.blob = Some(blob.to_string());
        finding.commit = commit.map(|commit| commit.id.clone());
        finding.committed_at = commit.map(|commit| commit.date.clone());
        run.found(finding);
    }
}

/// The output of `git log --raw -z`: records that end with a zero byte.
struct Log<R> {
    output: R,
    record: Vec<u8>,
    commit: Option<Commit>,
    commits: u64,
}

impl<R: BufRead> Log<R> {
    /// The next blob that a commit added, with its path.
    fn next_blob(&mut self) -> Option<(ObjectId, String)> {
        loop {
            let record = self.next_record()?;
            // Git puts one between a merge and its blobs.
            if record.is_empty() {
                continue;
            }
            if let Some((&COMMIT_MARK, commit)) = record.split_first() {
                let (id, date) = std::str::from_utf8(commit).ok()?.trim_end().split_once(' ')?;
                self.commit = Some(Commit { id: id.into(), date: date.into() });
                self.commits += 1;
                continue;
            }
            let id = added_blob(record);
            let path = String::from_utf8_lossy(self.next_record()?).into_owned();
            if let Some(id) = id {
                return Some((id, path));
            }
        }
    }

    fn next_record(&mut self) -> Option<&[u8]> {
        self.record.clear();
        self.output.read_until(0, &mut self.record).ok().filter(|&read| read > 0)?;
        let record = self.record.strip_suffix(&[0]).unwrap_or(&self.record);
        Some(record.strip_prefix(b"\n").unwrap_or(record))
    }
}

/// The new blob of a record such as `:100644 100644 <old> <new> M`; a merge has a colon, a mode and an id for each parent.
fn added_blob(record: &[u8]) -> Option<ObjectId> {
    let text = std::str::from_utf8(record).ok()?;
    let parents = text.bytes().take_while(|&byte| byte == b':').count();
    let words: Vec<&str> = text[parents..].split(' ').collect();
    // One mode more than parents, then likewise the ids, of which the last is the new one.
    let id = ObjectId::from_hex(words.get(2 * parents + 1)?.as_bytes()).ok()?;
    let is_submodule = words.get(parents).is_some_and(|&mode| mode == "160000");
    (parents > 0 && !id.is_null() && !is_submodule).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "78981922613b2afb6025042ff6bd878ac1994e85";
    const NEW: &str = "722521a35b060a7370e6420101b82bf4c63894e2";

    fn blobs(output: &str) -> Vec<(String, String, String)> {
        let mut log = Log { output: output.as_bytes(), record: Vec::new(), commit: None, commits: 0 };
        let mut blobs = Vec::new();
        while let Some((id, path)) = log.next_blob() {
            blobs.push((log.commit.as_ref().unwrap().id.clone(), id.to_string(), path));
        }
        blobs
    }

    #[test]
    fn additions_changes_and_merges_are_read_and_deletions_are_not() {
        let none = "0".repeat(40);
        let output = format!(
            "\u{1}c1 d1\0\n:000000 100644 {none} {OLD} A\0a\nb\0\u{1}c2 d2\0\u{1}c3 d3\0\n:100644 100644 {OLD} {NEW} M\0a\0:100644 000000 {OLD} {none} D\0x\0\
             \u{1}c4 d4\0\0::100644 100644 100644 {OLD} {OLD} {NEW} MM\0m\0:000000 160000 {none} {OLD} A\0sub\0"
        );
        let expected = [("c1", OLD, "a\nb"), ("c3", NEW, "a"), ("c4", NEW, "m")];
        let expected = expected.map(|(commit, id, path)| (commit.to_owned(), id.to_owned(), path.to_owned()));
        assert_eq!(blobs(&output), expected);
        assert_eq!(blobs("garbage"), []);
    }
}
