//! What a scan may use and how far it goes.

use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::Seen;

/// More threads than this wait for the disk and for each other.
const THREADS_MAX: usize = 8;

/// How a scan is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Larger blobs and files are not read but counted in the coverage record, so that memory stays bounded. A file
    /// that is named itself, and standard input, are streamed whatever their size.
    pub blob_limit: u64,
    /// Threads that match text.
    pub threads: usize,
    /// Whether files of a work tree that Git ignores are read too. They never leave a repository by Git, so they are
    /// counted instead. In a plain folder every file is read.
    pub ignored_files: bool,
    /// Where clones are made; the system's temporary folder if `None`. A clone is deleted when its scan ends.
    pub temporary_folder: Option<PathBuf>,
    /// What an earlier scan of the same repository has read, as [`crate::Observer::seen`] was told: only what is new is read and reported.
    pub seen: Option<Seen>,
    /// Where the clone of a remote repository is kept for the next scan of it, which then fetches only what is new.
    pub mirror: Option<PathBuf>,
    /// How long `git` may say nothing before it is taken to hang: on a server that has gone silent, or on a pipe that somebody
    /// put into a repository.
    pub silence_limit: Duration,
    /// How long a scan may take in all, so that no source keeps the others waiting for ever.
    pub time_limit: Duration,
}

impl Options {
    /// 16 MiB: far above any source file, far below what would hurt.
    pub const BLOB_LIMIT: u64 = 16 << 20;
    /// A minute: `git` lists millions of objects in less, and shows its progress every second.
    pub const SILENCE_LIMIT: Duration = Duration::from_mins(1);
    /// Six hours: many times what the largest public repositories take.
    pub const TIME_LIMIT: Duration = Duration::from_hours(6);
}

impl Default for Options {
    fn default() -> Self {
        let threads = available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        Self {
            blob_limit: Self::BLOB_LIMIT,
            threads,
            ignored_files: false,
            temporary_folder: None,
            seen: None,
            mirror: None,
            silence_limit: Self::SILENCE_LIMIT,
            time_limit: Self::TIME_LIMIT,
        }
    }
}
