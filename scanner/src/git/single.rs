//! Reading the larger blobs one by one through `git cat-file`, whose memory is bounded whatever the delta chains.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::process::Stdio;
use std::thread;

use gix_hash::ObjectId;

use super::command;
use super::objects::finish;
use super::repository::Repository;
use crate::{Cancel, ScanError};

/// Calls `take` with each of the blobs `ids`.
pub(super) fn read(
    repository: &Repository,
    cancel: &Cancel,
    ids: &[ObjectId],
    take: &impl Fn(ObjectId, &[u8]),
) -> Result<(), ScanError> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut command = command::reading(&repository.path);
    command.args(["cat-file", "--batch", "--buffer"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut git = command::spawn(&mut command)?;
    let (Some(input), Some(output)) = (git.0.stdin.take(), git.0.stdout.take()) else {
        return Err(repository.damaged("git cat-file has no pipes".into()));
    };
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut input = BufWriter::new(input);
            // When git has died, its end is noticed by the reader below.
            let _ = ids.iter().try_for_each(|id| writeln!(input, "{id}"));
        });
        let mut output = BufReader::new(output);
        let mut blob = Vec::new();
        for &id in ids {
            if cancel.is_cancelled() {
                // Without a reader the writer would wait for ever.
                git.stop();
                return Err(ScanError::Cancelled);
            }
            next(&mut output, &mut blob).ok_or_else(|| repository.damaged(format!("git cat-file did not return {id}")))?;
            take(id, &blob);
        }
        Ok(())
    })?;
    finish(repository, git, "cat-file")
}

/// Reads an answer: a line with id, kind and size, the content, and a newline.
fn next(output: &mut impl BufRead, blob: &mut Vec<u8>) -> Option<()> {
    let mut line = String::new();
    output.read_line(&mut line).ok()?;
    let size: u64 = line.trim_end().rsplit(' ').next()?.parse().ok()?;
    blob.clear();
    let read = output.by_ref().take(size).read_to_end(blob).ok()?;
    let mut newline = [0];
    output.read_exact(&mut newline).ok()?;
    (read as u64 == size).then_some(())
}
