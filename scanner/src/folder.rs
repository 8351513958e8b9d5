//! Files on disk: a plain folder, or the work tree of a repository.
//!
//! One thread walks, others read and match, and the calling thread keeps the record, so that the observer needs no
//! locks. Every regular file under the folder is read: hidden ones, binary ones, and in a plain folder also those that a
//! `.gitignore` names, since a token in an ignored file that was published all the same is a leak. Symbolic links are not
//! followed and nothing that is not a regular file is ever opened.

mod batch;
mod ignored;
mod walk;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::archive::{self, Part, Reading};
use crate::progress::Phase;
use crate::scan::Run;
use crate::{ScanError, Skipped, blob};

use batch::Batch;

/// Files that go to a thread together.
const FILES: usize = 16;
/// What becomes known that is told together; a file is told in two parts.
const EVENTS: usize = 64;
/// So many of these may wait between the threads.
const QUEUE: usize = 64;
/// How often the observer hears of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// What the walk and the readers tell the calling thread: the path of a file, and what became known of it.
type Event<'d> = (String, Part<'d>);

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
    let (reading, limit) = (&run.reading(), run.options.blob_limit);
    let cancel = run.cancel;
    thread::scope(|scope| {
        let (files_in, files) = sync_channel::<Vec<PathBuf>>(QUEUE);
        let (events_in, events) = sync_channel::<Vec<Event<'_>>>(QUEUE);
        // Only the readers own the receiver: when they stop early, the walk notices instead of waiting for ever.
        let files = Arc::new(Mutex::new(files));
        let root = root.as_path();
        for _ in 0..run.options.threads.max(1) {
            let (files, events) = (Arc::clone(&files), Batch::new(events_in.clone(), EVENTS));
            scope.spawn(move || read_files(&Reader { reading, root, limit, events }, &files));
        }
        drop(files);
        let (files, told) = (Batch::new(files_in, FILES), Batch::new(events_in, EVENTS));
        scope.spawn(move || walk::walk(root, ignored_files, cancel, &files, &told));
        record(run, &events)
    })
}

/// Takes every event until the walk and the readers are done.
fn record(run: &mut Run<'_>, events: &Receiver<Vec<Event<'_>>>) -> Result<(), ScanError> {
    let (mut read, before, mut told) = (0, run.coverage.bytes, Instant::now());
    loop {
        match events.recv_timeout(PROGRESS_INTERVAL) {
            Ok(told) => {
                for (path, part) in told {
                    read += u64::from(matches!(part, Part::Read));
                    run.part(&path, part);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                run.progress(Phase::Files, read, Some(read), run.coverage.bytes - before);
                return run.stop_if_cancelled();
            }
        }
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            run.progress(Phase::Files, read, None, run.coverage.bytes - before);
        }
    }
}

/// What a reading thread needs to know.
struct Reader<'r, 'd> {
    reading: &'r Reading<'d>,
    root: &'r Path,
    limit: u64,
    events: Batch<Event<'d>>,
}

fn read_files(reader: &Reader<'_, '_>, files: &Mutex<Receiver<Vec<PathBuf>>>) {
    let mut buffer = Vec::new();
    loop {
        // A poisoned lock means that another reader panicked, which the scope passes on when it ends.
        let Some(paths) = files.lock().ok().and_then(|files| files.recv().ok()) else { return };
        for path in paths {
            if reader.reading.cancel.is_cancelled() {
                return;
            }
            reader.read(&path, &mut buffer);
        }
        // The receiver is gone only when the scan ended early.
        if reader.events.flush().is_none() {
            return;
        }
    }
}

impl<'d> Reader<'_, 'd> {
    fn read(&self, path: &Path, buffer: &mut Vec<u8>) {
        let name = relative(self.root, path);
        if let Err(error) = self.try_read(&name, path, buffer) {
            self.tell(&name, Part::Skipped(Skipped::Unreadable));
            self.tell(&name, Part::Problem { inside: String::new(), problem: error.to_string() });
        }
    }

    fn try_read(&self, name: &str, path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
        let mut file = open(path)?;
        buffer.clear();
        // One byte more than allowed tells a file that grew since it was listed.
        let read = file.by_ref().take(self.limit + 1).read_to_end(buffer)? as u64;
        if archive::Kind::of(buffer).is_some() {
            // An archive is streamed, and so has no size that is too large.
            return archive::read(self.reading, &mut buffer.as_slice().chain(file), &mut |part| self.tell(name, part));
        }
        if read > self.limit {
            self.tell(name, Part::Skipped(Skipped::TooLarge));
        } else {
            self.tell(name, Part::Text { bytes: read, hits: blob::hits(self.reading.detector, buffer) });
            self.tell(name, Part::Read);
        }
        Ok(())
    }

    fn tell(&self, name: &str, part: Part<'d>) {
        // Whether anybody listens is looked at after each batch of files.
        let _ = self.events.send((name.to_owned(), part));
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
