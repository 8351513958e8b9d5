//! What becomes of each blob that was read.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gix_hash::ObjectId;

use crate::Coverage;
use crate::archive::{self, Reading};
use crate::blob::{self, Hit};
use crate::scan::FINDINGS_MAX;

/// A blob with tokens.
pub(super) struct BlobHits<'d> {
    pub(super) id: ObjectId,
    pub(super) hits: Vec<Hit<'d>>,
}

/// Judges blobs, for several threads at once.
pub(super) struct Taking<'d> {
    reading: Reading<'d>,
    blobs: AtomicU64,
    bytes: AtomicU64,
    /// More tokens than are kept may have been found.
    found: AtomicU64,
    taken: Mutex<Taken<'d>>,
}

#[derive(Default)]
struct Taken<'d> {
    blobs: Vec<BlobHits<'d>>,
    archives: u64,
    /// Of the archives and what is inside.
    coverage: Coverage,
}

impl<'d> Taking<'d> {
    pub(super) fn new(reading: Reading<'d>) -> Self {
        let (blobs, bytes, found) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { reading, blobs, bytes, found, taken: Mutex::new(Taken::default()) }
    }

    /// Judges a blob; returns whether it is known to have no token. Of a blob whose base has none, `changes` say what is new.
    pub(super) fn take(&self, id: ObjectId, bytes: &[u8], changes: Option<&[Range<usize>]>) -> bool {
        self.blobs.fetch_add(1, Ordering::Relaxed);
        if archive::Kind::of(bytes).is_some() {
            self.unpack(id, bytes);
            return false;
        }
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if changes.is_some_and(|changes| blob::stays_clean(self.reading.detector, bytes, changes)) {
            return true;
        }
        let (hits, clean) = blob::judge(self.reading.detector, bytes);
        self.keep(id, hits);
        clean
    }

    /// How many blobs were judged.
    pub(super) fn blobs(&self) -> u64 {
        self.blobs.load(Ordering::Relaxed)
    }

    /// How many bytes they have.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Writes down what was read, and returns the blobs with tokens.
    pub(super) fn finish(self, coverage: &mut Coverage) -> Vec<BlobHits<'d>> {
        let (blobs, bytes) = (self.blobs(), self.bytes());
        let taken = self.taken.into_inner().unwrap_or_default();
        if self.found.into_inner() > FINDINGS_MAX {
            coverage.error("history".into(), format!("more than {FINDINGS_MAX} tokens: some are not reported"));
        }
        // Archives say for themselves whether they could be read.
        coverage.scanned += blobs - taken.archives;
        coverage.bytes += bytes;
        coverage.add(taken.coverage);
        taken.blobs
    }

    fn unpack(&self, id: ObjectId, bytes: &[u8]) {
        let (mut coverage, mut hits) = (Coverage::default(), Vec::new());
        let name = format!("blob {id}");
        let outcome = archive::read(&self.reading, &mut { bytes }, &mut |part| {
            let found = coverage.part(&name, part);
            if (hits.len() as u64) < FINDINGS_MAX {
                hits.extend(found);
            }
        });
        if let Err(error) = outcome {
            coverage.error(name, error.to_string());
        }
        self.keep(id, hits);
        // A poisoned lock means that another thread panicked, which the scope passes on.
        if let Ok(mut taken) = self.taken.lock() {
            taken.archives += 1;
            taken.coverage.add(coverage);
        }
    }

    fn keep(&self, id: ObjectId, hits: Vec<Hit<'d>>) {
        if hits.is_empty() {
            return;
        }
        let before = self.found.fetch_add(hits.len() as u64, Ordering::Relaxed);
        if before < FINDINGS_MAX
            && let Ok(mut taken) = self.taken.lock()
        {
            taken.blobs.push(BlobHits { id, hits });
        }
    }
}
