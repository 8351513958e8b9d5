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

use crate::index::{HeaderError, IndexHeader, Kinds, SealedHeader, ShardSum};

/// Envoy reaches the service by these two names.
pub const SERVICE: &str = "stopleak.feed.v1.Feed";
/// The one method of [`SERVICE`].
pub const METHOD: &str = "Subscribe";

/// Largest part of a shard in one message: a larger message would stall the worker that receives it.
pub const MAX_PART: usize = 1024 * 1024;

/// Largest message that either side accepts: a part and its frame.
pub const MAX_MESSAGE: usize = MAX_PART + 64 * 1024;

impl From<&SealedHeader> for wire::IndexHeader {
    fn from(sealed: &SealedHeader) -> Self {
        let header = &sealed.header;
        Self {
            format: header.format,
            tenant: header.tenant.clone(),
            key_check: header.key_check.to_vec(),
            epoch: header.epoch,
            shard_bits: u32::from(header.shard_bits),
            tokens: header.tokens,
            kinds: header.kinds.to_bytes(),
            built_at_ms: header.built_at_ms,
            shards: (0..)
                .zip(&header.shards)
                .map(|(shard, sum)| wire::ShardSum { shard, hash: sum.hash.to_vec(), length: sum.length })
                .collect(),
            root: header.root().to_vec(),
            signature: sealed.signature.to_vec(),
        }
    }
}

impl TryFrom<wire::IndexHeader> for SealedHeader {
    type Error = HeaderError;

    fn try_from(wire: wire::IndexHeader) -> Result<Self, HeaderError> {
        let shards = (0..)
            .zip(&wire.shards)
            .map(|(place, sum): (u32, _)| {
                if sum.shard != place {
                    return Err(HeaderError::Malformed("shards are not in order"));
                }
                let hash = bytes32(&sum.hash).ok_or(HeaderError::Malformed("a hash has 32 bytes"))?;
                Ok(ShardSum { hash, length: sum.length })
            })
            .collect::<Result<_, _>>()?;
        let header = IndexHeader {
            format: wire.format,
            tenant: wire.tenant,
            key_check: bytes32(&wire.key_check).ok_or(HeaderError::Malformed("a key check has 32 bytes"))?,
            epoch: wire.epoch,
            shard_bits: u8::try_from(wire.shard_bits).map_err(|_| HeaderError::Malformed("too many shards"))?,
            tokens: wire.tokens,
            kinds: Kinds::from_slice(&wire.kinds).ok_or(HeaderError::Malformed("kinds have 2048 bytes"))?,
            built_at_ms: wire.built_at_ms,
            shards,
        };
        let signature = wire.signature.as_slice().try_into().map_err(|_| HeaderError::Malformed("a signature has 64 bytes"))?;
        Ok(Self { header, signature })
    }
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
