//! How far a tenant's decisions have come.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Which epochs are in force in a tenant's connected workers, and which decisions are still on their way.
#[derive(Default)]
pub(super) struct Convergence {
    epochs: BTreeMap<u64, usize>,
    pending: VecDeque<(u64, Instant)>,
}

/// More decisions than that on their way are not measured.
const MAX_PENDING: usize = 1024;

impl Convergence {
    /// A change committed. Returns what [`Convergence::settle`] does: a push for another change may have carried this one already.
    pub(super) fn committed(&mut self, epoch: u64) -> Vec<Duration> {
        if self.epochs.is_empty() || self.pending.len() >= MAX_PENDING {
            return Vec::new();
        }
        self.pending.push_back((epoch, Instant::now()));
        self.settle()
    }

    /// A worker's epoch changes; it comes when it had none, and goes when it has none afterwards.
    pub(super) fn swap(&mut self, before: Option<u64>, after: Option<u64>) {
        if let Some(before) = before
            && let Some(count) = self.epochs.get_mut(&before)
        {
            *count -= 1;
            if *count == 0 {
                self.epochs.remove(&before);
            }
        }
        if let Some(after) = after {
            *self.epochs.entry(after).or_default() += 1;
        }
    }

    /// Takes out the decisions that every connected worker has, with the time that each took.
    pub(super) fn settle(&mut self) -> Vec<Duration> {
        let everywhere = self.epochs.keys().next().copied().unwrap_or(u64::MAX);
        let settled = self.pending.iter().take_while(|(epoch, _)| *epoch <= everywhere).count();
        self.pending.drain(..settled).map(|(_, since)| since.elapsed()).collect()
    }
}
