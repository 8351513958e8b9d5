//! The index: the fingerprints that gateways look for, each with its leak and what to do about it.
//!
//! [`build`] makes a header and shards from entries; a [`SigningKey`] seals the header. A gateway verifies the header
//! ([`SealedHeader::verify`]), checks each shard's bytes against the hash in the header, and only then lets `fst` read them: `fst`
//! trusts its bytes. The result is an [`Index`], which answers look-ups.
//!
//! A shard holds the fingerprints that share their first bits, so that a change re-sends one shard; [`IndexSource`] builds only the
//! shards that changed. Each shard has a [`Prefilter`], which a worker keeps in memory: it spares the look-up of all but one in 256
//! strange fingerprints.

mod entry;
mod kinds;
mod sharding;
mod source;
mod build;
mod prefilter;
mod path;
mod shard;
mod header;
mod pinned;

pub use build::{BuildError, BuiltIndex, build};
pub use entry::{Action, Entry, Hit, LeakNumber, MAX_LEAK};
pub use header::{HeaderError, IndexHeader, PublicKey, SealedHeader, ShardSum, Signature, SigningKey};
pub use kinds::Kinds;
pub use pinned::Pinned;
pub use prefilter::Prefilter;
pub use shard::{Shard, ShardError};
pub use sharding::{MAX_SHARD_BITS, shard_bits};
pub use source::{Change, IndexSource};

use std::sync::Arc;

use crate::Fingerprint;
pub use crate::token::{Classes, Kind};

/// The version of the header's layout. A gateway refuses any other. Shards have a version of their own.
pub const FORMAT: u32 = 3;

/// A whole verified index in memory, for those who have the room.
#[derive(Debug)]
pub struct Index {
    header: IndexHeader,
    shards: Vec<(Prefilter, Shard<Arc<[u8]>>)>,
}

impl Index {
    /// Checks every shard's bytes against the header, which must have been verified before.
    pub fn open<B: Into<Arc<[u8]>>>(header: IndexHeader, shards: Vec<B>) -> Result<Self, ShardError> {
        if shards.len() != header.shards.len() {
            return Err(ShardError::Count { expected: header.shards.len(), got: shards.len() });
        }
        let open = |(sum, bytes): (_, B)| Shard::open(sum, bytes.into()).map(|shard| (shard.prefilter(), shard));
        let shards = header.shards.iter().zip(shards).map(open).collect::<Result<_, _>>()?;
        Ok(Self { header, shards })
    }

    /// What this index is.
    #[must_use]
    pub fn header(&self) -> &IndexHeader {
        &self.header
    }

    /// The leak that the fingerprint belongs to. Never wrong about a fingerprint of the index; about another one with a
    /// probability below 2⁻⁵².
    #[must_use]
    pub fn look_up(&self, fingerprint: &Fingerprint) -> Option<Hit> {
        let (prefilter, shard) = self.shards.get(self.header.shard_of(fingerprint))?;
        if prefilter.may_hold(fingerprint) { shard.look_up(fingerprint) } else { None }
    }

    /// The shards' bytes in order, as they came.
    pub fn shard_bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.shards.iter().map(|(_, shard)| shard.bytes())
    }
}

#[cfg(test)]
mod tests;
