//! From entries to shards: the control plane's half of the format.

use super::entry::{self, Entry, LeakNumber};
use super::header::{IndexHeader, ShardSum};
use super::{FORMAT, Lengths, shard};
use crate::FingerprintKey;

/// What [`build`] made: the header still wants a signature.
#[derive(Debug)]
pub struct BuiltIndex {
    /// Describes the shards.
    pub header: IndexHeader,
    /// The shards' bytes, in the header's order.
    pub shards: Vec<Vec<u8>>,
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

/// Builds the index of one tenant; its fingerprints were made with `key`. The same entries give the same bytes, in whatever order they come.
pub fn build(
    tenant: &str,
    key: &FingerprintKey,
    epoch: u64,
    built_at_ms: u64,
    mut entries: Vec<Entry>,
) -> Result<BuiltIndex, BuildError> {
    entries.sort_unstable_by_key(|entry| entry.fingerprint);
    let mut lengths = Lengths::default();
    for entry in &entries {
        lengths.add(entry.length);
        if entry.leak > entry::MAX_LEAK {
            return Err(BuildError::LeakNumber { got: entry.leak });
        }
    }

    let bytes = shard::encode(&map(&entries)?).ok_or(BuildError::TooLarge)?;
    let sum = ShardSum {
        hash: *blake3::hash(&bytes).as_bytes(),
        length: u32::try_from(bytes.len()).map_err(|_| BuildError::TooLarge)?,
    };
    let header = IndexHeader {
        format: FORMAT,
        tenant: tenant.to_owned(),
        key_check: key.check(),
        epoch,
        shard_bits: 0,
        tokens: entries.len() as u64,
        lengths,
        built_at_ms,
        shards: vec![sum],
    };
    Ok(BuiltIndex { header, shards: vec![bytes] })
}

/// Each key is the shortest prefix of its fingerprint that no other key has: bytes of a path are the dearest part of a map of
/// random keys.
fn map(sorted: &[Entry]) -> Result<Vec<u8>, BuildError> {
    let mut map = fst::MapBuilder::memory();
    let mut shared_with_previous = 0;
    for (i, entry) in sorted.iter().enumerate() {
        let bytes = entry.fingerprint.as_bytes();
        let shared_with_next = match sorted.get(i + 1) {
            Some(next) if next.fingerprint == entry.fingerprint => {
                return Err(BuildError::Duplicate(entry.leak, next.leak));
            }
            Some(next) => shared_prefix(bytes, next.fingerprint.as_bytes()),
            None => 0,
        };
        let path = (shared_with_previous.max(shared_with_next) + 1).max(MIN_PATH);
        map.insert(bytes.get(..path).unwrap_or(bytes), entry::pack(entry))?;
        shared_with_previous = shared_with_next;
    }
    Ok(map.into_inner()?)
}

fn shared_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
