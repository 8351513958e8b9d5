//! Files on disk: a plain folder, or the work tree of a repository.
//!
//! One thread walks, others read and match, and the calling thread keeps the record, so that the observer needs no
//! locks. Every regular file under the folder is read: hidden ones, binary ones, and in a plain folder also those that a
//! `.gitignore` names, since a token in an ignored file that was published all the same is a leak. Symbolic links are not
//! followed and nothing that is not a regular file is ever opened.

mod ignored;
mod walk;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use stopleak_detector::Detector;

use crate::progress::Phase;
use crate::scan::Run;
use crate::{Cancel, Finding, ScanError, Skipped, blob};

/// Files and results that may wait between the threads.
const QUEUE: usize = 1_024;
/// How often the observer hears of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// What the walk and the readers tell the calling thread.
pub(crate) enum Event {
    /// There is a file.
    Discovered,
    /// A file was read to its end.
    Read { bytes: u64, findings: Vec<Finding> },
    /// Something was left out.
    Skipped(Skipped),
    /// Something could not be read.
    Unreadable { path: String, error: io::Error },
}

/// Scans a plain folder.
pub(crate) fn scan(run: &mut Run<'_>, root: &Path) -> Result<(), ScanError> {
    scan_files(run, root, true)
}

/// Scans the files of a work tree as they are on disk, committed or not.
pub(crate) fn scan_work_tree(run: &mut Run<'_>, root: &Path) -> Result<(), ScanError> {
    let ignored_files = run.options.ignored_files;
    scan_files(run, root, ignored_files)
}

fn scan_files(run: &mut Run<'_>, root: &Path, ignored_files: bool) -> Result<(), ScanError> {
    // The folder itself may be named by a link; links inside it are another matter.
    let root = fs::canonicalize(root)
        .and_then(|root| fs::read_dir(&root).map(|_| root))
        .map_err(|error| ScanError::Unreadable { location: root.display().to_string(), error })?;
    let (detector, cancel, limit) = (run.detector, run.cancel, run.options.blob_limit);
    thread::scope(|scope| {
        let (files_in, files) = sync_channel::<PathBuf>(QUEUE);
        let (events_in, events) = sync_channel::<Event>(QUEUE);
        // Only the readers own the receiver: when they stop early, the walk notices instead of waiting for ever.
        let files = Arc::new(Mutex::new(files));
        let root = root.as_path();
        for _ in 0..run.options.threads.max(1) {
            let (files, events) = (Arc::clone(&files), events_in.clone());
            scope.spawn(move || read_files(&Reader { detector, root, limit, cancel }, &files, &events));
        }
        drop(files);
        scope.spawn(move || walk::walk(root, ignored_files, cancel, &files_in, &events_in));
        record(run, &events)
    })
}

/// Takes every event until the walk and the readers are done.
fn record(run: &mut Run<'_>, events: &Receiver<Event>) -> Result<(), ScanError> {
    let (mut read, mut bytes, mut told) = (0, 0, Instant::now());
    loop {
        match events.recv_timeout(PROGRESS_INTERVAL) {
            Ok(Event::Discovered) => run.coverage.discovered += 1,
            Ok(Event::Read { bytes: more, findings }) => {
                read += 1;
                bytes += more;
                run.coverage.read(more);
                for finding in findings {
                    run.found(finding);
                }
            }
            Ok(Event::Skipped(reason)) => run.coverage.skip(reason, 1),
            Ok(Event::Unreadable { path, error }) => {
                run.coverage.skip(Skipped::Unreadable, 1);
                run.coverage.error(path, error.to_string());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                run.progress(Phase::Files, read, Some(read), bytes);
                return run.stop_if_cancelled();
            }
        }
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            run.progress(Phase::Files, read, None, bytes);
        }
    }
}

/// What a reading thread needs to know.
struct Reader<'r> {
    detector: &'r Detector,
    root: &'r Path,
    limit: u64,
    cancel: &'r Cancel,
}

fn read_files(reader: &Reader<'_>, files: &Mutex<Receiver<PathBuf>>, events: &SyncSender<Event>) {
    let mut buffer = Vec::new();
    loop {
        // A poisoned lock means that another reader panicked, which the scope passes on when it ends.
        let Some(path) = files.lock().ok().and_then(|files| files.recv().ok()) else { return };
        if reader.cancel.is_cancelled() {
            return;
        }
        // The receiver is gone only when the scan ended early.
        if events.send(reader.read(&path, &mut buffer)).is_err() {
            return;
        }
    }
}

impl Reader<'_> {
    fn read(&self, path: &Path, buffer: &mut Vec<u8>) -> Event {
        let name = relative(self.root, path);
        buffer.clear();
        // One byte more than allowed tells a file that grew since it was listed.
        match open(path).and_then(|file| file.take(self.limit + 1).read_to_end(buffer)) {
            Ok(read) if read as u64 > self.limit => Event::Skipped(Skipped::TooLarge),
            Ok(read) => {
                let findings = blob::hits(self.detector, buffer).into_iter().filter_map(|hit| hit.at(name.clone())).collect();
                Event::Read { bytes: read as u64, findings }
            }
            Err(error) => Event::Unreadable { path: name, error },
        }
    }
}

/// Opens a file that was a regular one when it was listed: should it have become a link or a pipe since, this neither follows
/// nor waits.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// The path as reports show it.
fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}
