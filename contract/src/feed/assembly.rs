//! Puts shards together from the parts that follow a verified header.

use super::wire;
use crate::index::{IndexHeader, Shard, ShardError};

/// A push on its way in. It holds one shard at a time, and no more bytes of it than its verified header announced.
#[derive(Debug)]
pub struct Assembly {
    header: IndexHeader,
    /// The shards that follow, in order, and how many of them are there.
    expected: Vec<u32>,
    arrived: usize,
    bytes: Vec<u8>,
}

/// Why a push is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Another epoch than the header's.
    #[error("a part of epoch {got} came while epoch {expected} was being sent")]
    Epoch {
        /// Of the header.
        expected: u64,
        /// Of the part.
        got: u64,
    },
    /// Reordered, repeated or missing.
    #[error("shard {got_shard} at offset {got_offset} came, shard {shard:?} at offset {offset} was expected")]
    Order {
        /// The shard that is being received; none when all are there.
        shard: Option<u32>,
        /// Bytes of it that are there.
        offset: usize,
        /// The part's shard.
        got_shard: u32,
        /// The part's offset.
        got_offset: u32,
    },
    /// More than the header announced.
    #[error("shard {shard} has more than the {expected} bytes of its header")]
    TooLong {
        /// The shard that is being received.
        shard: u32,
        /// Announced.
        expected: u32,
    },
    /// The bytes are not those of the header.
    #[error(transparent)]
    Shard(#[from] ShardError),
}

impl Assembly {
    /// Starts with a header that was verified, and the shards of it that follow.
    #[must_use]
    pub fn new(header: IndexHeader, expected: Vec<u32>) -> Self {
        Self { header, expected, arrived: 0, bytes: Vec::new() }
    }

    /// The header that the parts belong to.
    #[must_use]
    pub fn header(&self) -> &IndexHeader {
        &self.header
    }

    /// Takes the next part. A shard that it completes is verified and handed over, with its place in the header.
    pub fn push(&mut self, part: &wire::ShardPart) -> Result<Option<(usize, Shard)>, PushError> {
        if part.epoch != self.header.epoch {
            return Err(PushError::Epoch { expected: self.header.epoch, got: part.epoch });
        }
        let shard = self.expected.get(self.arrived).copied();
        let out_of_order = PushError::Order { shard, offset: self.bytes.len(), got_shard: part.shard, got_offset: part.offset };
        if shard != Some(part.shard) || part.offset as usize != self.bytes.len() {
            return Err(out_of_order);
        }
        let place = part.shard as usize;
        let Some(sum) = self.header.shards.get(place) else { return Err(out_of_order) };
        let expected = sum.length as usize;
        if self.bytes.len() + part.bytes.len() > expected {
            return Err(PushError::TooLong { shard: part.shard, expected: sum.length });
        }
        self.bytes.extend_from_slice(&part.bytes);
        if self.bytes.len() < expected {
            return Ok(None);
        }
        let shard = Shard::open(sum, std::mem::take(&mut self.bytes))?;
        self.arrived += 1;
        Ok(Some((place, shard)))
    }

    /// Whether every shard that was announced is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.arrived == self.expected.len()
    }

    /// The header, when all is there.
    #[must_use]
    pub fn into_header(self) -> IndexHeader {
        self.header
    }
}
