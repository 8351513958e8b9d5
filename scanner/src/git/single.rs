//! Reading the larger blobs one by one through `git cat-file`, whose memory is bounded whatever the delta chains.

use std::io::{self, BufRead, BufWriter, Read, Write};
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
    let mut git = command::spawn(&mut command, &repository.patience)?;
    let (Some(input), Some(mut output)) = (git.input(), git.output()) else {
        return Err(repository.damaged("git cat-file has no pipes"));
    };
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut input = BufWriter::new(input);
            // When git has died, its end is noticed by the reader below.
            let _ = ids.iter().try_for_each(|id| writeln!(input, "{id}"));
        });
        let mut blob = Vec::new();
        let outcome = ids.iter().try_for_each(|&id| {
            if cancel.is_cancelled() {
                return Err(ScanError::Cancelled);
            }
            next(&mut output, &mut blob).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => repository.damaged(&format!("git cat-file did not return {id}")),
                _ => repository.broken_off(&error),
            })?;
            take(id, &blob);
            Ok(())
        });
        if outcome.is_err() {
            // Without a reader the writer would wait for ever.
            git.stop();
        }
        outcome
    })?;
    finish(repository, git, "cat-file")
}

/// Reads an answer: a line with id, kind and size, the content, and a newline. One without a size says that there is no such
/// blob, and counts as an early end.
fn next(output: &mut impl BufRead, blob: &mut Vec<u8>) -> io::Result<()> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    let size: u64 = line.trim_end().rsplit(' ').next().and_then(|size| size.parse().ok()).ok_or(io::ErrorKind::UnexpectedEof)?;
    blob.clear();
    let read = output.by_ref().take(size).read_to_end(blob)?;
    let mut newline = [0];
    output.read_exact(&mut newline)?;
    if read as u64 == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
