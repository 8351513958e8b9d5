//! Puts an index together from a verified header and the parts that follow it.

use super::wire;
use crate::index::{Index, IndexHeader, ShardError};

/// An index on its way in. It holds no more bytes than its verified header announced.
#[derive(Debug)]
pub struct Assembly {
    header: IndexHeader,
    shards: Vec<Vec<u8>>,
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
    #[error("shard {got_shard} at offset {got_offset} came, shard {shard} at offset {offset} was expected")]
    Order {
        /// The shard that is being received.
        shard: usize,
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
        shard: usize,
        /// Announced.
        expected: u32,
    },
    /// The bytes are not those of the header.
    #[error(transparent)]
    Shard(#[from] ShardError),
}

impl Assembly {
    /// Starts with a header that was verified.
    #[must_use]
    pub fn new(header: IndexHeader) -> Self {
        Self { header, shards: Vec::new() }
    }

    /// The header that the parts belong to.
    #[must_use]
    pub fn header(&self) -> &IndexHeader {
        &self.header
    }

    /// Takes the next part.
    pub fn push(&mut self, part: &wire::ShardPart) -> Result<(), PushError> {
        if part.epoch != self.header.epoch {
            return Err(PushError::Epoch { expected: self.header.epoch, got: part.epoch });
        }
        let complete = |(bytes, sum): (&Vec<u8>, &crate::index::ShardSum)| bytes.len() >= sum.length as usize;
        if self.shards.last().zip(self.header.shards.get(self.shards.len().wrapping_sub(1))).is_none_or(complete) {
            self.shards.push(Vec::new());
        }
        let shard = self.shards.len() - 1;
        let offset = self.shards.last().map_or(0, Vec::len);
        let out_of_order = PushError::Order { shard, offset, got_shard: part.shard, got_offset: part.offset };
        if part.shard as usize != shard || part.offset as usize != offset {
            return Err(out_of_order);
        }
        let (Some(bytes), Some(sum)) = (self.shards.last_mut(), self.header.shards.get(shard)) else {
            return Err(out_of_order);
        };
        if offset + part.bytes.len() > sum.length as usize {
            return Err(PushError::TooLong { shard, expected: sum.length });
        }
        bytes.extend_from_slice(&part.bytes);
        Ok(())
    }

    /// Whether every byte that the header announced is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.shards.len() == self.header.shards.len()
            && self.shards.iter().zip(&self.header.shards).all(|(bytes, sum)| bytes.len() == sum.length as usize)
    }

    /// Checks the hashes and opens the index.
    pub fn finish(self) -> Result<Index, PushError> {
        Ok(Index::open(self.header, self.shards)?)
    }
}
