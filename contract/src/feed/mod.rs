//! The feed's messages, and the passage between their untrusted wire form and the contract's types.
//!
//! `proto/stopleak/feed/v1/feed.proto` is the source; the code in `gen/` is made from it by the crate in `contract/codegen`.

#[rustfmt::skip]
#[path = "gen/stopleak.feed.v1.rs"]
#[expect(missing_docs, clippy::pedantic, reason = "generated; the comments of feed.proto are its documentation")]
pub mod wire;
mod assembly;

pub use assembly::{Assembly, PushError};
pub use prost::Message;

use crate::index::{HeaderError, IndexHeader, Kinds, MAX_SHARD_BITS, SealedHeader, ShardSum};
use crate::settings::MAX_SETTINGS;

/// Envoy reaches the service by these two names.
pub const SERVICE: &str = "stopleak.feed.v1.Feed";
/// The one method of [`SERVICE`].
pub const METHOD: &str = "Subscribe";

/// Largest part of a shard in one message: a larger message would stall the worker that receives it.
pub const MAX_PART: usize = 1024 * 1024;

/// Largest message that a gateway accepts: a part and its frame.
pub const MAX_MESSAGE: usize = MAX_PART + 64 * 1024;

impl SealedHeader {
    /// As it goes over the feed, with all shards.
    #[must_use]
    pub fn to_wire(&self) -> wire::IndexHeader {
        self.header.to_wire(&self.signature)
    }

    /// Takes what came over the feed. One that has only the shards and settings that have changed is completed from `base`, the header of
    /// the index that the receiver has; whether that was the right one is what the signature tells.
    pub fn from_wire(wire: wire::IndexHeader, base: Option<&IndexHeader>) -> Result<Self, HeaderError> {
        let shard_bits = u8::try_from(wire.shard_bits).ok().filter(|bits| *bits <= MAX_SHARD_BITS);
        let shard_bits = shard_bits.ok_or(HeaderError::Malformed("too many shards"))?;
        let header = IndexHeader {
            format: wire.format,
            key_check: bytes32(&wire.key_check).ok_or(HeaderError::Malformed("a key check has 32 bytes"))?,
            epoch: wire.epoch,
            shard_bits,
            tokens: wire.tokens,
            kinds: Kinds::from_slice(&wire.kinds).ok_or(HeaderError::Malformed("kinds are a set of 2,048 bytes"))?,
            built_at_ms: wire.built_at_ms,
            shards: sums(&wire, 1 << shard_bits, base)?,
            settings: settings(wire.settings, base)?,
            tenant: wire.tenant,
        };
        let signature = wire.signature.as_slice().try_into().map_err(|_| HeaderError::Malformed("a signature has 64 bytes"))?;
        Ok(Self { header, signature })
    }
}

impl IndexHeader {
    /// As it goes over the feed, with all shards and the settings.
    #[must_use]
    pub fn to_wire(&self, signature: &[u8]) -> wire::IndexHeader {
        wire::IndexHeader {
            format: self.format,
            tenant: self.tenant.clone(),
            key_check: self.key_check.to_vec(),
            epoch: self.epoch,
            shard_bits: u32::from(self.shard_bits),
            tokens: self.tokens,
            kinds: self.kinds.to_bytes(),
            built_at_ms: self.built_at_ms,
            shards: (0..)
                .zip(&self.shards)
                .map(|(shard, sum)| wire::ShardSum { shard, hash: sum.hash.to_vec(), length: sum.length })
                .collect(),
            root: self.root().to_vec(),
            signature: signature.to_vec(),
            settings: Some(self.settings.clone()),
        }
    }
}

/// The sums of all shards: those that came, in the place of those that were there.
fn sums(wire: &wire::IndexHeader, total: usize, base: Option<&IndexHeader>) -> Result<Vec<ShardSum>, HeaderError> {
    if !wire.shards.is_sorted_by(|a, b| a.shard < b.shard) {
        return Err(HeaderError::Malformed("shards are not in order"));
    }
    let mut sums = match base {
        _ if wire.shards.len() == total => vec![ShardSum { hash: [0; 32], length: 0 }; total],
        Some(base) if base.shards.len() == total => base.shards.clone(),
        _ => return Err(HeaderError::Shards { expected: total, got: wire.shards.len() }),
    };
    for changed in &wire.shards {
        let hash = bytes32(&changed.hash).ok_or(HeaderError::Malformed("a hash has 32 bytes"))?;
        let place = usize::try_from(changed.shard).ok().and_then(|place| sums.get_mut(place));
        *place.ok_or(HeaderError::Malformed("a shard is not among those that there are"))? =
            ShardSum { hash, length: changed.length };
    }
    Ok(sums)
}

/// The settings that came, or those that were there.
fn settings(came: Option<Vec<u8>>, base: Option<&IndexHeader>) -> Result<Vec<u8>, HeaderError> {
    let settings = came.or_else(|| base.map(|base| base.settings.clone()));
    settings.filter(|settings| settings.len() <= MAX_SETTINGS).ok_or(HeaderError::Malformed("settings are missing or too large"))
}

fn bytes32(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}

/// Cuts a shard into the parts that carry it.
pub fn parts(epoch: u64, shard: u32, bytes: &[u8]) -> impl Iterator<Item = wire::ShardPart> {
    (0..).step_by(MAX_PART).zip(bytes.chunks(MAX_PART)).map(move |(offset, bytes)| wire::ShardPart {
        epoch,
        shard,
        offset,
        bytes: bytes.to_vec(),
    })
}

#[cfg(test)]
mod tests;
