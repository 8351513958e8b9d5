//! Telling the caller how far a scan is, and being told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{Finding, Seen};

/// Receives what a scan finds while it runs.
pub trait Observer {
    /// A token was found. Findings of a repository's history come when its commits are known, in the order of time.
    fn found(&mut self, finding: Finding);

    /// The history of a repository was read as a whole, and everything in it was told: see [`crate::Options::seen`].
    fn seen(&mut self, seen: Seen) {
        let _ = seen;
    }

    /// The scan came further; called a few times a second at most.
    fn progress(&mut self, progress: Progress) {
        let _ = progress;
    }
}

/// How far a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Blobs, files, commits or per cent done in this phase.
    pub done: u64,
    /// Of how many, if that is known.
    pub total: Option<u64>,
    /// Bytes matched in this phase.
    pub bytes: u64,
}

/// The steps of a scan, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Git brings the repository; in per cent.
    Fetching,
    /// The blobs of the history are read.
    Blobs,
    /// Commits are walked for the blobs with tokens.
    Commits,
    /// Files on disk, or standard input, are read.
    Files,
}

/// Stops a scan from another thread; clones belong together.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    /// That of the caller, whose other scans go on when this one alone has to end.
    outer: Option<Arc<AtomicBool>>,
    deadline: Option<Instant>,
}

impl Phase {
    /// The phase in words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Fetching => "fetching",
            Self::Blobs => "scanning history",
            Self::Commits => "finding commits",
            Self::Files => "scanning files",
        }
    }
}

impl Cancel {
    /// Makes the scan end with [`crate::ScanError::Cancelled`].
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        set(&self.flag)
            || self.outer.as_deref().is_some_and(set)
            || self.deadline.is_some_and(|deadline| Instant::now() > deadline)
    }

    /// One for a single scan, which is also asked to stop when `limit` has passed.
    pub(crate) fn limited(&self, limit: Duration) -> Self {
        let deadline = Instant::now().checked_add(limit);
        Self { flag: Arc::default(), outer: Some(Arc::clone(&self.flag)), deadline }
    }

    /// For those who look at nothing else. Only [`Self::cancel`] sets it, not the time and not the caller.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.flag
    }
}

/// The simplest observer: it keeps the findings.
impl Observer for Vec<Finding> {
    fn found(&mut self, finding: Finding) {
        self.push(finding);
    }
}
