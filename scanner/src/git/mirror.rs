//! Brings a repository here: a mirror in a temporary folder, deleted when the scan ends, or in one that is kept for the next.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use tempfile::TempDir;

use super::child::{POLL_INTERVAL, Patience, Running};
use super::{command, credentials, failure};
use crate::ScanError;
use crate::progress::Phase;
use crate::scan::Run;

/// Written into a mirror when it is whole: whose it is, without credentials.
const ADDRESS: &str = "stopleak-mirror-of";
/// How much of what Git said is kept to explain a failure.
const LINES_MAX: usize = 40;
/// A longer line is cut.
const LINE_MAX: usize = 1_000;

/// Mirrors the repository at `url`, called `name` in messages: every reference and everything that can be reached from one,
/// in one pack. Returns the repository, and the folder to delete unless it is to be kept.
pub(super) fn fetch(run: &mut Run<'_>, url: &str, name: &str) -> Result<(Option<TempDir>, PathBuf), ScanError> {
    if let Some(kept) = &run.options.mirror {
        if is_mirror_of(kept, url) {
            git(run, url, name, &Work::Renew(kept))?;
        } else {
            // Of another repository, or of a scan that was broken off.
            fs::remove_dir_all(kept)
                .or_else(|error| if kept.exists() { Err(error) } else { Ok(()) })
                .map_err(ScanError::Temporary)?;
            git(run, url, name, &Work::Clone(kept))?;
        }
        return Ok((None, kept.clone()));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix("stopleak-");
    let folder = match &run.options.temporary_folder {
        Some(parent) => builder.tempdir_in(parent),
        None => builder.tempdir(),
    };
    let folder = folder.map_err(ScanError::Temporary)?;
    let mirror = folder.path().join("mirror.git");
    git(run, url, name, &Work::Clone(&mirror))?;
    Ok((Some(folder), mirror))
}

/// What `git` is to do, and with which folder.
enum Work<'w> {
    Clone(&'w Path),
    /// Brings what is new, and forgets references that are gone.
    Renew(&'w Path),
}

/// Whether an earlier scan has left a whole mirror there, of the same repository.
fn is_mirror_of(folder: &Path, url: &str) -> bool {
    let address = credentials::hand_over(url, &mut Command::new("git"));
    fs::read_to_string(folder.join(ADDRESS)).is_ok_and(|kept| kept == address)
}

fn git(run: &mut Run<'_>, url: &str, name: &str, work: &Work<'_>) -> Result<(), ScanError> {
    let patience = Patience::of(run);
    let mut command = command::network(&patience);
    let address = credentials::hand_over(url, &mut command);
    // The filter keeps huge blobs from being sent at all; a server that knows no filters sends them, and they are left out
    // later. An empty template leaves no hook behind.
    let filter = format!("--filter=blob:limit={}", run.options.blob_limit.saturating_add(1));
    match work {
        Work::Clone(mirror) => {
            command.args(["clone", "--mirror", "--no-local", "--progress", "--template=", &filter, "--", &address]).arg(mirror);
        }
        Work::Renew(mirror) => {
            command.arg("--git-dir").arg(mirror).args(["fetch", "--prune", "--progress", "origin"]);
        }
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut git = command::spawn(&mut command, &patience)?;
    let (said_in, said) = channel();
    if let Some(stderr) = git.errors() {
        thread::spawn(move || listen(stderr, &said_in));
    }
    let ended = follow(run, &patience, &mut git, &said).map_err(|error| patience.explain(name, &error))?;
    ended.map_err(|said| failure::explain(name.to_owned(), &said))?;
    match work {
        Work::Clone(mirror) => fs::write(mirror.join(ADDRESS), address).map_err(ScanError::Temporary),
        Work::Renew(_) => Ok(()),
    }
}

/// Passes on Git's progress until it ends; returns what it said when it failed.
fn follow(run: &mut Run<'_>, patience: &Patience, git: &mut Running, said: &Receiver<String>) -> io::Result<Result<(), String>> {
    let mut lines: VecDeque<String> = VecDeque::new();
    let mut heard = Instant::now();
    loop {
        patience.check(heard)?;
        let line = match said.recv_timeout(POLL_INTERVAL) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        heard = Instant::now();
        if is_progress(&line) {
            if let Some(done) = received(&line) {
                run.progress(Phase::Fetching, done, Some(100), 0);
            }
            continue;
        }
        lines.push_back(line);
        if lines.len() > LINES_MAX {
            lines.pop_front();
        }
    }
    Ok(if git.wait()?.success() { Ok(()) } else { Err(Vec::from(lines).join("\n")) })
}

/// Sends every line, or piece of a progress line, until the other end closes.
fn listen(stderr: ChildStderr, said: &Sender<String>) {
    let mut line = Vec::new();
    for byte in BufReader::new(stderr).bytes().map_while(Result::ok) {
        if byte != b'\n' && byte != b'\r' {
            if line.len() < LINE_MAX {
                line.push(byte);
            }
            continue;
        }
        if said.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
            return;
        }
        line.clear();
    }
    let _ = said.send(String::from_utf8_lossy(&line).into_owned());
}

fn is_progress(line: &str) -> bool {
    line.contains("% (")
}

/// The per cent of a line such as `Receiving objects:  42% (420/1000)`: the step that takes the time.
fn received(line: &str) -> Option<u64> {
    line.strip_prefix("Receiving objects:")?.trim_start().split_once('%')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_from_messages() {
        assert_eq!(received("Receiving objects:  42% (420/1000), 1.20 MiB | 2.00 MiB/s"), Some(42));
        assert_eq!(received("Resolving deltas: 100% (3/3)"), None);
        assert!(is_progress("remote: Counting objects: 100% (3/3), done."));
        assert!(!is_progress("fatal: repository 'x' not found"));
    }
}
