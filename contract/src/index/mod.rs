//! The index: the fingerprints that gateways look for, each with its leak and what to do about it.
//!
//! [`build`] makes a header and shards from entries; a [`SigningKey`] seals the header. A gateway verifies the header
//! ([`SealedHeader::verify`]), checks each shard's bytes against the hash in the header, and only then lets `fst` read them: `fst`
//! trusts its bytes. The result is an [`Index`], which answers look-ups.
//!
//! The format has its place for several shards and for a prefilter in each; version 1 is built with one shard and without one.

mod entry;
mod lengths;
mod build;
mod shard;
mod header;

pub use build::{BuildError, BuiltIndex, build};
pub use entry::{Action, Entry, Hit, LeakNumber, MAX_LEAK};
pub use header::{HeaderError, IndexHeader, PublicKey, SealedHeader, ShardSum, Signature, SigningKey};
pub use lengths::Lengths;
pub use shard::{Shard, ShardError};

use crate::Fingerprint;

/// The version of the header's and the shards' layout. A gateway refuses any other.
pub const FORMAT: u32 = 1;

/// A verified index, ready for look-ups.
#[derive(Debug)]
pub struct Index {
    header: IndexHeader,
    shards: Vec<Shard>,
}

impl Index {
    /// Checks every shard's bytes against the header, which must have been verified before.
    pub fn open(header: IndexHeader, shards: Vec<Vec<u8>>) -> Result<Self, ShardError> {
        if shards.len() != header.shards.len() {
            return Err(ShardError::Count { expected: header.shards.len(), got: shards.len() });
        }
        let shards = header.shards.iter().zip(shards).map(|(sum, bytes)| Shard::open(sum, bytes)).collect::<Result<_, _>>()?;
        Ok(Self { header, shards })
    }

    /// What this index is.
    #[must_use]
    pub fn header(&self) -> &IndexHeader {
        &self.header
    }

    /// The leak that the fingerprint belongs to. Never wrong about a fingerprint of the index; about another one with a
    /// probability below 2⁻⁴⁰, and of a small set below 2⁻⁵⁰.
    #[must_use]
    pub fn look_up(&self, fingerprint: &Fingerprint) -> Option<Hit> {
        self.shards.get(self.header.shard_of(fingerprint))?.look_up(fingerprint)
    }

    /// The shards' bytes in order, as they came.
    pub fn shard_bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.shards.iter().map(Shard::bytes)
    }
}

#[cfg(test)]
mod tests;
