//! One shard: a fixed head, a prefilter, and a map from fingerprint prefixes to packed entries.
//!
//! ```text
//! offset  bytes
//!      0      4  "SLsh"
//!      4      1  version, 1
//!      5      1  kind of prefilter, 0 = none
//!      6      2  zero
//!      8      4  length of the prefilter, little-endian
//!     12      4  length of the map, little-endian
//!     16         prefilter, then map; nothing after it
//! ```

use std::fmt;

use fst::raw::{Fst, Output};

use super::entry::{self, Hit};
use super::header::ShardSum;
use crate::Fingerprint;

/// A shard whose bytes agree with the header's hash.
pub struct Shard {
    /// The whole shard, head included.
    bytes: Vec<u8>,
    map: Fst<Vec<u8>>,
}

/// Why a shard is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// The header names another number of shards.
    #[error("the header names {expected} shards, {got} came")]
    Count {
        /// Named by the header.
        expected: usize,
        /// Received.
        got: usize,
    },
    /// Truncated, or too long.
    #[error("shard has {got} bytes, its header says {expected}")]
    Length {
        /// Named by the header.
        expected: usize,
        /// Received.
        got: usize,
    },
    /// The bytes are not those that were signed.
    #[error("shard hash is {got}, its header says {expected}")]
    Hash {
        /// Named by the header.
        expected: String,
        /// Of the bytes received.
        got: String,
    },
    /// Signed, but not of a layout that this version reads.
    #[error("shard layout: {0}")]
    Layout(&'static str),
}

const MAGIC: [u8; 4] = *b"SLsh";
const VERSION: u8 = 1;
const NO_PREFILTER: u8 = 0;
const HEAD: usize = 16;

impl Shard {
    pub(super) fn open(sum: &ShardSum, bytes: Vec<u8>) -> Result<Self, ShardError> {
        let expected = sum.length as usize;
        if bytes.len() != expected {
            return Err(ShardError::Length { expected, got: bytes.len() });
        }
        let got = blake3::hash(&bytes);
        if got != sum.hash {
            let expected = blake3::Hash::from(sum.hash).to_hex().to_string();
            return Err(ShardError::Hash { expected, got: got.to_hex().to_string() });
        }
        let map = Fst::new(map_bytes(&bytes)?.to_vec()).map_err(|_| ShardError::Layout("the map is not an fst"))?;
        Ok(Self { bytes, map })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Walks the fingerprint's bytes until a final state: no key is a prefix of another.
    pub(super) fn look_up(&self, fingerprint: &Fingerprint) -> Option<Hit> {
        let mut node = self.map.root();
        let mut value = Output::zero();
        for &byte in fingerprint.as_bytes() {
            if node.is_final() {
                break;
            }
            let transition = node.transition(node.find_input(byte)?);
            value = value.cat(transition.out);
            node = self.map.node(transition.addr);
        }
        if !node.is_final() {
            return None;
        }
        entry::unpack(value.cat(node.final_output()).value(), fingerprint)
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shard({} bytes)", self.bytes.len())
    }
}

/// `None` when the map is too large for the head's 32 bits.
pub(super) fn encode(map: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEAD + map.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, NO_PREFILTER, 0, 0]);
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(map.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(map);
    Some(bytes)
}

fn map_bytes(bytes: &[u8]) -> Result<&[u8], ShardError> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(ShardError::Layout("shorter than its head"))?;
    let [m0, m1, m2, m3, version, prefilter, 0, 0, p0, p1, p2, p3, f0, f1, f2, f3] = *head else {
        return Err(ShardError::Layout("reserved bytes are not zero"));
    };
    if [m0, m1, m2, m3] != MAGIC {
        return Err(ShardError::Layout("does not begin with SLsh"));
    }
    if version != VERSION {
        return Err(ShardError::Layout("unknown version"));
    }
    if prefilter != NO_PREFILTER || u32::from_le_bytes([p0, p1, p2, p3]) != 0 {
        return Err(ShardError::Layout("unknown kind of prefilter"));
    }
    if rest.len() != u32::from_le_bytes([f0, f1, f2, f3]) as usize {
        return Err(ShardError::Layout("the map's length does not fit"));
    }
    Ok(rest)
}
