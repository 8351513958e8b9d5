//! From entries to the bytes of a shard: the control plane's half of the format.

use std::sync::Arc;

use super::entry::{self, Entry, LeakNumber};
use super::header::IndexHeader;
use super::path::{self, Steps};
use super::prefilter::Prefilter;
use super::source::IndexSource;
use super::{shard, sharding};
use crate::FingerprintKey;

/// What [`build`] made: the header still wants a signature.
#[derive(Debug)]
pub struct BuiltIndex {
    /// Describes the shards.
    pub header: IndexHeader,
    /// The shards' bytes, in the header's order. Those that did not change are the same memory as in the index built before.
    pub shards: Vec<Arc<[u8]>>,
}

/// Why entries do not make an index.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A fingerprint belongs to one leak of a tenant.
    #[error("two entries have the same fingerprint: leaks {0} and {1}")]
    Duplicate(LeakNumber, LeakNumber),
    /// The number has 22 bits.
    #[error("leak number {got} is over {max}, the largest that the index can hold", max = entry::MAX_LEAK)]
    LeakNumber {
        /// The number.
        got: LeakNumber,
    },
    /// Two fingerprints agree in the 128 bits that paths are made of: for a hash, as good as impossible.
    #[error("two fingerprints differ in their last 128 bits only")]
    Collision,
    /// The map refused a key; keys are sorted and unique, so this is a defect.
    #[error("fst: {0}")]
    Fst(#[from] fst::Error),
    /// Offsets within a shard have 32 bits.
    #[error("the shard would have over 4 GiB")]
    TooLarge,
}

/// Builds the index of one tenant from scratch; its fingerprints were made with `key`. The same entries give the same bytes, in
/// whatever order they come.
pub fn build(
    tenant: &str,
    key: &FingerprintKey,
    epoch: u64,
    built_at_ms: u64,
    entries: Vec<Entry>,
) -> Result<BuiltIndex, BuildError> {
    let shard_bits = sharding::shard_bits(entries.len() as u64, None);
    IndexSource::from_entries(shard_bits, entries)?.build(tenant, key, epoch, built_at_ms)
}

/// Refuses what an index cannot hold.
pub(super) fn check(entry: &Entry) -> Result<(), BuildError> {
    if entry.leak > entry::MAX_LEAK { Err(BuildError::LeakNumber { got: entry.leak }) } else { Ok(()) }
}

/// The bytes of the shard with these entries, which are in the order of their fingerprints and share their first bits.
pub(super) fn encode(shard_bits: u8, sorted: &[Entry]) -> Result<Vec<u8>, BuildError> {
    let prefilter = Prefilter::build(sorted.iter().map(|entry| &entry.fingerprint));
    let lead = path::lead(shard_bits, sorted.len());
    shard::encode(&prefilter, lead, &map(lead, sorted)?).ok_or(BuildError::TooLarge)
}

/// Each key is the shortest path of its fingerprint that no other one begins with: steps are the dearest part of a map of random keys.
fn map(lead: u8, sorted: &[Entry]) -> Result<Vec<u8>, BuildError> {
    let mut map = fst::MapBuilder::memory();
    for (entry, (steps, length)) in sorted.iter().zip(paths(lead, sorted)) {
        let path = steps.get(..length).ok_or(BuildError::Collision)?;
        map.insert(path, entry::pack(entry))?;
    }
    Ok(map.into_inner()?)
}

/// The steps of each fingerprint, and how many of them are its path.
pub(super) fn paths(lead: u8, sorted: &[Entry]) -> impl Iterator<Item = (Steps, usize)> {
    let steps_of = move |entry: &Entry| path::steps(&entry.fingerprint, lead);
    let mut entries = sorted.iter().map(steps_of).peekable();
    let mut shared_with_previous = 0;
    std::iter::from_fn(move || {
        let steps = entries.next()?;
        let shared_with_next = entries.peek().map_or(0, |next| shared(&steps, next));
        let length = (shared_with_previous.max(shared_with_next) + 1).max(path::MIN_STEPS);
        shared_with_previous = shared_with_next;
        Some((steps, length))
    })
}

fn shared(one: &Steps, other: &Steps) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}
