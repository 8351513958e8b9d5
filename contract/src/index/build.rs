//! From entries to the bytes of a shard: the control plane's half of the format.

use std::sync::Arc;

use super::entry::{self, Entry, LeakNumber};
use super::header::IndexHeader;
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
    /// The map refused a key; keys are sorted and unique, so this is a defect.
    #[error("fst: {0}")]
    Fst(#[from] fst::Error),
    /// Offsets within a shard have 32 bits.
    #[error("the shard would have over 4 GiB")]
    TooLarge,
}

/// A path has at least two bytes, so that a small set does not weaken the check.
const MIN_PATH: usize = 2;

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

/// The bytes of the shard with these entries, which are in the order of their fingerprints.
pub(super) fn encode(sorted: &[Entry]) -> Result<Vec<u8>, BuildError> {
    let prefilter = Prefilter::build(sorted.iter().map(|entry| &entry.fingerprint));
    shard::encode(&prefilter, &map(sorted)?).ok_or(BuildError::TooLarge)
}

/// Each key is the shortest prefix of its fingerprint that no other key has: bytes of a path are the dearest part of a map of
/// random keys.
fn map(sorted: &[Entry]) -> Result<Vec<u8>, BuildError> {
    let mut map = fst::MapBuilder::memory();
    for (entry, path) in sorted.iter().zip(paths(sorted)) {
        let bytes = entry.fingerprint.as_bytes();
        map.insert(bytes.get(..path).unwrap_or(bytes), entry::pack(entry))?;
    }
    Ok(map.into_inner()?)
}

/// How many bytes of each fingerprint are its key.
fn paths(sorted: &[Entry]) -> impl Iterator<Item = usize> {
    let mut shared_with_previous = 0;
    sorted.iter().enumerate().map(move |(i, entry)| {
        let shared_with_next = sorted.get(i + 1).map_or(0, |next| shared_prefix(entry, next));
        let path = (shared_with_previous.max(shared_with_next) + 1).max(MIN_PATH);
        shared_with_previous = shared_with_next;
        path
    })
}

fn shared_prefix(one: &Entry, other: &Entry) -> usize {
    one.fingerprint.as_bytes().iter().zip(other.fingerprint.as_bytes()).take_while(|(a, b)| a == b).count()
}
