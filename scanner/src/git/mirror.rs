//! Brings a repository here: a mirror in a temporary folder, deleted when the scan ends.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use gix_hash::Kind;
use tempfile::TempDir;

use super::command::{self, Running};
use super::failure;
use crate::progress::Phase;
use crate::scan::Run;
use crate::{ScanError, redact};

/// How often cancelling is looked for while Git works.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How much of what Git said is kept to explain a failure.
const LINES_MAX: usize = 40;
/// A longer line is cut.
const LINE_MAX: usize = 1_000;

/// Where a repository comes from.
pub(super) enum Origin<'o> {
    Url(&'o str),
    Path(&'o Path),
}

/// A mirror of a repository, which goes away with this value.
pub(super) struct Mirror {
    folder: TempDir,
    /// The origin as messages show it.
    pub(super) name: String,
}

impl Mirror {
    /// Mirrors `origin`: every reference and everything that can be reached from one, in one pack.
    pub(super) fn make(run: &mut Run<'_>, origin: &Origin<'_>) -> Result<Self, ScanError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("stopleak-");
        let folder = match &run.options.temporary_folder {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        let mirror = Self { folder: folder.map_err(ScanError::Temporary)?, name: origin.name() };
        mirror.fetch(run, origin)?;
        Ok(mirror)
    }

    /// The bare repository.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("mirror")
    }

    /// How the repository names its objects.
    pub(super) fn hash_kind(&self) -> Kind {
        // The clone's own configuration says it, in a file that the clone just wrote.
        let config = fs::read_to_string(self.path().join("config")).unwrap_or_default();
        let sha256 = config.lines().any(|line| line.split_whitespace().eq(["objectformat", "=", "sha256"]));
        if sha256 { Kind::Sha256 } else { Kind::Sha1 }
    }

    /// The error for a mirror that turns out to be damaged.
    pub(super) fn unreadable(&self, detail: String) -> ScanError {
        ScanError::Pack { location: self.name.clone(), detail }
    }

    fn fetch(&self, run: &mut Run<'_>, origin: &Origin<'_>) -> Result<(), ScanError> {
        let mut command = command::network();
        // The filter keeps huge blobs from being sent at all; a server that knows no filters sends them, and they are left
        // out later. An empty template leaves no hook behind.
        let filter = format!("--filter=blob:limit={}", run.options.blob_limit.saturating_add(1));
        command.args(["clone", "--mirror", "--no-local", "--progress", "--template=", &filter]);
        let address = match origin {
            Origin::Url(url) => OsString::from(url),
            // Absolute, so that neither a colon nor a dash in front can mean something else.
            Origin::Path(path) => std::path::absolute(path).map_err(ScanError::Temporary)?.into(),
        };
        if let Origin::Path(_) = origin {
            // The other end is a Git of ours as well; it only has to be told to honour the filter.
            command.arg("--upload-pack=git -c uploadpack.allowFilter=true upload-pack");
        }
        command.arg("--").arg(address).arg(self.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut git = command::spawn(&mut command)?;
        let (said_in, said) = channel();
        if let Some(stderr) = git.0.stderr.take() {
            thread::spawn(move || listen(stderr, &said_in));
        }
        self.follow(run, &mut git, &said)
    }

    /// Passes on Git's progress until it ends.
    fn follow(&self, run: &mut Run<'_>, git: &mut Running, said: &Receiver<String>) -> Result<(), ScanError> {
        let mut lines: VecDeque<String> = VecDeque::new();
        loop {
            run.stop_if_cancelled()?;
            match said.recv_timeout(POLL_INTERVAL) {
                Ok(line) if is_progress(&line) => {
                    if let Some(done) = received(&line) {
                        run.progress(Phase::Fetching, done, Some(100), 0);
                    }
                }
                Ok(line) => {
                    lines.push_back(line);
                    if lines.len() > LINES_MAX {
                        lines.pop_front();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        match git.0.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(failure::explain(self.name.clone(), &Vec::from(lines).join("\n"))),
            Err(error) => Err(ScanError::Git { location: self.name.clone(), detail: redact::urls(&error.to_string()) }),
        }
    }
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
