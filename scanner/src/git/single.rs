//! Reading the larger blobs one by one through `git cat-file`, whose memory is bounded whatever the delta chains.

use std::io::{self, BufRead, BufWriter, Read, Write};
use std::process::Stdio;
use std::thread;

use gix_hash::ObjectId;

use super::command;
use super::repository::Repository;
use crate::{Cancel, ScanError};

/// `git` ends at an object that is damaged, and is started again behind it; so often only, since somebody could damage all.
const STARTS_MAX: usize = 100;

/// Calls `take` with each of the blobs `ids`; returns what is wrong with those that cannot be read.
pub(super) fn read(
    repository: &Repository,
    cancel: &Cancel,
    mut ids: &[ObjectId],
    take: &impl Fn(ObjectId, &[u8]),
) -> Result<Vec<String>, ScanError> {
    let mut damaged = Vec::new();
    for _ in 0..STARTS_MAX {
        let done = read_on(repository, cancel, ids, take, &mut damaged)?;
        let Some((id, rest)) = ids.get(done..).and_then(<[ObjectId]>::split_first) else { return Ok(damaged) };
        damaged.push(format!("blob {id}: git could not read it"));
        ids = rest;
    }
    damaged.push(format!("{} more blobs were not read after so many that are damaged", ids.len()));
    Ok(damaged)
}

/// Returns how many blobs were read before `git` ended.
fn read_on(
    repository: &Repository,
    cancel: &Cancel,
    ids: &[ObjectId],
    take: &impl Fn(ObjectId, &[u8]),
    damaged: &mut Vec<String>,
) -> Result<usize, ScanError> {
    if ids.is_empty() {
        return Ok(0);
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
        let mut outcome = Ok(ids.len());
        for (done, &id) in ids.iter().enumerate() {
            if cancel.is_cancelled() {
                outcome = Err(ScanError::Cancelled);
                break;
            }
            match next(&mut output, &mut blob) {
                Ok(true) => take(id, &blob),
                Ok(false) => damaged.push(format!("blob {id}: it is not there")),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    outcome = Ok(done);
                    break;
                }
                Err(error) => {
                    outcome = Err(repository.broken_off(&error));
                    break;
                }
            }
        }
        // Without a reader the writer would wait for ever.
        git.stop();
        outcome
    })
}

/// Reads an answer: a line with id, kind and size, the content, and a newline. One without a size says that there is no such blob.
fn next(output: &mut impl BufRead, blob: &mut Vec<u8>) -> io::Result<bool> {
    let mut line = String::new();
    if output.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let Some(size) = line.trim_end().rsplit(' ').next().and_then(|size| size.parse::<u64>().ok()) else { return Ok(false) };
    blob.clear();
    let read = output.by_ref().take(size).read_to_end(blob)?;
    let mut newline = [0];
    output.read_exact(&mut newline)?;
    if read as u64 == size { Ok(true) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
