//! What lets all but one in 256 strange fingerprints be told without the map: the part of a shard that a worker keeps in memory.
//!
//! ```text
//! offset  bytes
//!      0      8  seed, little-endian
//!      8      4  length of a block, little-endian, not 0
//!     12         three blocks
//! ```

use std::fmt;

use xorf::{Filter as _, Xor8};

use crate::Fingerprint;

/// The prefilter of one shard, apart from the shard's other bytes. That of an empty shard lets nothing pass.
#[derive(Clone, Default)]
pub struct Prefilter(Option<Xor8>);

/// Bits of which a strange fingerprint must have the right ones to pass.
pub(super) const BITS: u32 = 8;

/// Seed and length of a block.
const HEAD: usize = 12;

impl Prefilter {
    /// Whether the shard may have the fingerprint. Never a wrong no; a wrong yes once in 256.
    #[must_use]
    #[inline]
    pub fn may_hold(&self, fingerprint: &Fingerprint) -> bool {
        // Three blocks of the length that it names, none of them empty, are what `contains` needs not to panic.
        self.0.as_ref().is_some_and(|filter| filter.contains(&key(fingerprint)))
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.0.as_ref().map_or(0, |filter| filter.fingerprints.len())
    }

    pub(super) fn build<'a>(fingerprints: impl Iterator<Item = &'a Fingerprint>) -> Self {
        let mut keys: Vec<u64> = fingerprints.map(key).collect();
        // The construction never ends when a key is there twice.
        keys.sort_unstable();
        keys.dedup();
        Self((!keys.is_empty()).then(|| Xor8::from(keys)))
    }

    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let Some(filter) = &self.0 else { return Some(Vec::new()) };
        let mut bytes = Vec::with_capacity(HEAD + filter.fingerprints.len());
        bytes.extend_from_slice(&filter.seed.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(filter.block_length).ok()?.to_le_bytes());
        bytes.extend_from_slice(&filter.fingerprints);
        Some(bytes)
    }

    /// Whether [`Prefilter::decode`] would take the bytes; copies nothing.
    pub(super) fn is_encoded_in(bytes: &[u8]) -> bool {
        parts(bytes).is_some()
    }

    /// `None` when the lengths do not fit.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (seed, block_length, blocks) = parts(bytes)?;
        Some(Self(Some(Xor8 { seed, block_length, fingerprints: blocks.into() })))
    }
}

/// Seed, length of a block, and three blocks of this length.
fn parts(bytes: &[u8]) -> Option<(u64, usize, &[u8])> {
    let (seed, rest) = bytes.split_first_chunk::<8>()?;
    let (length, blocks) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    (length != 0 && length.checked_mul(3)? == blocks.len()).then_some((u64::from_le_bytes(*seed), length, blocks))
}

/// Bytes that neither a path through the map nor its check uses, so that the prefilter adds to what both tell.
fn key(fingerprint: &Fingerprint) -> u64 {
    let [_, _, key, _] = fingerprint.words();
    key
}

impl fmt::Debug for Prefilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefilter({} bytes)", self.heap_size())
    }
}
