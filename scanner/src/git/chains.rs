//! Reading objects along the chains of a pack, depth first: each is inflated once, and the next one made of it.
//!
//! Most of an object is what its base has too. Where the base was judged to have no token, only what is new is read again; see
//! [`Detector::stays_clean`](stopleak_detector::Detector::stays_clean).

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use flate2::Decompress;

use super::delta;
use super::forest::{Entry, Forest, NONE};
use super::objects::CHAINED_MAX;
use super::stored::{Piece, Stored};
use crate::Cancel;

/// What a thread may hold of the objects whose differences it has yet to read. A chain holds two; only a bush holds more, and what
/// grows on it beyond that is read one by one.
const HELD_MAX: usize = 16 << 20;
/// Memory that is kept for the next objects: a chain needs two pieces.
const SPARE_MAX: usize = 3;
/// A difference is hardly ever larger than what it makes.
const DELTA_MAX: u64 = 2 * CHAINED_MAX;

/// What becomes of an object.
pub(super) trait Judge: Sync {
    /// Judges the object at `place`; returns whether it is known to have no token. `changes` are there when its base has none.
    fn judge(&self, place: u32, bytes: &[u8], changes: Option<&[Range<usize>]>) -> bool;
}

/// What was not read along its chain.
#[derive(Default)]
pub(super) struct Left {
    /// Places of objects that are to be read one by one.
    pub(super) single: Vec<u32>,
    /// Places of objects that cannot be read, each with what is wrong with it or with one that it is made of.
    pub(super) damaged: Vec<(u32, String)>,
}

/// Reads every object of the forest, on several threads.
pub(super) fn read(stored: &Stored, forest: &Forest, threads: usize, cancel: &Cancel, judge: &impl Judge) -> Left {
    let (next, left) = (AtomicUsize::new(0), Mutex::new(Left::default()));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut reader = Reader {
                    stored,
                    forest,
                    cancel,
                    judge,
                    held: 0,
                    spare: Vec::new(),
                    left: Left::default(),
                    inflate: Decompress::new(true),
                    piece: Piece::default(),
                    delta: Vec::new(),
                    changes: Vec::new(),
                };
                while let Some(&root) = forest.roots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if cancel.is_cancelled() {
                        break;
                    }
                    reader.tree(root);
                }
                // A poisoned lock means that another thread panicked, which the scope passes on.
                if let Ok(mut left) = left.lock() {
                    left.single.append(&mut reader.left.single);
                    left.damaged.append(&mut reader.left.damaged);
                }
            });
        }
    });
    left.into_inner().unwrap_or_default()
}

struct Reader<'r, J> {
    stored: &'r Stored,
    forest: &'r Forest,
    cancel: &'r Cancel,
    judge: &'r J,
    held: usize,
    /// Memory of objects that are done with.
    spare: Vec<Vec<u8>>,
    left: Left,
    inflate: Decompress,
    piece: Piece,
    delta: Vec<u8>,
    changes: Vec<Range<usize>>,
}

/// An object whose differences are being read.
struct Base {
    bytes: Vec<u8>,
    clean: bool,
    /// The next one to read.
    next: u32,
}

impl<J: Judge> Reader<'_, J> {
    fn tree(&mut self, root: u32) {
        let Some(entry) = self.forest.entry(root) else { return };
        let mut bytes = self.spare.pop().unwrap_or_default();
        let outcome = self.stored.inflate(entry.offset, CHAINED_MAX, &mut self.piece, &mut self.inflate, &mut bytes);
        let mut stack = Vec::new();
        match outcome {
            Ok(()) => {
                let clean = self.judge.judge(entry.place, &bytes, None);
                self.grow(&mut stack, entry, bytes, clean);
            }
            Err(problem) => self.damaged(root, &problem),
        }
        while let Some(mut base) = stack.pop() {
            let Some(entry) = self.forest.entry(base.next).filter(|_| !self.cancel.is_cancelled()) else {
                self.done_with(base.bytes);
                continue;
            };
            let number = std::mem::replace(&mut base.next, entry.next);
            if self.held > HELD_MAX {
                self.left.single.extend(self.forest.below(number).iter().map(|entry| entry.place));
                stack.push(base);
                continue;
            }
            let mut bytes = self.spare.pop().unwrap_or_default();
            let outcome = self.make(entry, &base.bytes, &mut bytes);
            let changes = base.clean.then_some(self.changes.as_slice());
            let clean = outcome.is_ok() && self.judge.judge(entry.place, &bytes, changes);
            // Of a chain, only the last object is held.
            if base.next == NONE {
                self.done_with(base.bytes);
            } else {
                stack.push(base);
            }
            match outcome {
                Ok(()) => self.grow(&mut stack, entry, bytes, clean),
                Err(problem) => self.damaged(number, &problem),
            }
        }
    }

    fn done_with(&mut self, bytes: Vec<u8>) {
        self.held -= bytes.capacity();
        if self.spare.len() < SPARE_MAX {
            self.spare.push(bytes);
        }
    }

    /// Keeps an object as long as there are differences to it.
    fn grow(&mut self, stack: &mut Vec<Base>, entry: &Entry, bytes: Vec<u8>, clean: bool) {
        self.held += bytes.capacity();
        stack.push(Base { bytes, clean, next: entry.first });
    }

    fn make(&mut self, entry: &Entry, base: &[u8], bytes: &mut Vec<u8>) -> Result<(), String> {
        self.stored.inflate(entry.offset, DELTA_MAX, &mut self.piece, &mut self.inflate, &mut self.delta)?;
        delta::apply(base, &self.delta, CHAINED_MAX, bytes, &mut self.changes).map_err(|error| error.to_string())
    }

    fn damaged(&mut self, number: u32, problem: &str) {
        let below = self.forest.below(number);
        self.left.damaged.extend(below.iter().map(|entry| (entry.place, problem.to_owned())));
    }
}
