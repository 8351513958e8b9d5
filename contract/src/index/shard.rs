//! One shard: a fixed head, a prefilter, and a map from fingerprint prefixes to packed entries.
//!
//! ```text
//! offset  bytes
//!      0      4  "SLsh"
//!      4      1  version, 2
//!      5      1  kind of prefilter: 1 = xor8, 0 = none: the shard is empty
//!      6      1  lead: where the first step of a path ends, at most 24
//!      7      1  zero
//!      8      4  length of the prefilter, little-endian
//!     12      4  length of the map, little-endian
//!     16         prefilter, then map; nothing after it
//! ```

use std::fmt;

use fst::raw::{Fst, Output};

use super::entry::{self, Hit};
use super::header::ShardSum;
use super::path;
use super::prefilter::Prefilter;
use super::sharding::MAX_SHARD_BITS;
use crate::Fingerprint;

/// A shard, ready for look-ups in bytes of whatever owner.
///
/// `fst` trusts its bytes: on others than those that a builder made, a look-up can panic. What guards it is that the only bytes that
/// get here are those whose hash stands in a signed header. [`Shard::open`] sees to that by itself.
pub struct Shard<B = Vec<u8>> {
    map: Fst<MapOf<B>>,
    /// Where the first step of a path ends.
    lead: u8,
    /// Length of the prefilter between head and map.
    prefilter: usize,
}

/// A shard's bytes, shown to `fst` from where the map begins.
struct MapOf<B> {
    shard: B,
    begin: usize,
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
const VERSION: u8 = 2;
const NO_PREFILTER: u8 = 0;
const XOR8: u8 = 1;
const HEAD: usize = 16;
/// Room for [`path::lead`] of every shard.
const MAX_LEAD: u8 = 24;
const _: () = assert!(MAX_LEAD >= MAX_SHARD_BITS + path::MAX_WIDTH);

impl<B: AsRef<[u8]>> Shard<B> {
    /// Believes the bytes when they are those that the header names.
    pub fn open(sum: &ShardSum, bytes: B) -> Result<Self, ShardError> {
        let (expected, got) = (sum.length as usize, bytes.as_ref().len());
        if got != expected {
            return Err(ShardError::Length { expected, got });
        }
        let got = blake3::hash(bytes.as_ref());
        if got != sum.hash {
            let expected = blake3::Hash::from(sum.hash).to_hex().to_string();
            return Err(ShardError::Hash { expected, got: got.to_hex().to_string() });
        }
        Self::from_verified(bytes)
    }

    /// Takes bytes that were verified before, in this very form: only their layout is looked at.
    pub fn from_verified(bytes: B) -> Result<Self, ShardError> {
        let Layout { lead, prefilter } = Layout::of(bytes.as_ref())?;
        let map = Fst::new(MapOf { shard: bytes, begin: HEAD + prefilter });
        Ok(Self { map: map.map_err(|_| ShardError::Layout("the map is not an fst"))?, lead, prefilter })
    }

    /// What the map says of the fingerprint: walks its steps until a final state, for no key is a prefix of another.
    ///
    /// By itself, it is wrong about a strange fingerprint with a probability below 2⁻⁴⁴; together with the prefilter below 2⁻⁵².
    #[must_use]
    pub fn look_up(&self, fingerprint: &Fingerprint) -> Option<Hit> {
        let mut node = self.map.root();
        let mut value = Output::zero();
        for step in path::steps(fingerprint, self.lead) {
            if node.is_final() {
                break;
            }
            let transition = node.transition(node.find_input(step)?);
            value = value.cat(transition.out);
            node = self.map.node(transition.addr);
        }
        if !node.is_final() {
            return None;
        }
        entry::unpack(value.cat(node.final_output()).value(), fingerprint)
    }

    /// A copy of the prefilter, to be kept where the shard is not.
    #[must_use]
    pub fn prefilter(&self) -> Prefilter {
        self.bytes().get(HEAD..HEAD + self.prefilter).and_then(Prefilter::decode).unwrap_or_default()
    }

    /// The whole shard.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.map.as_inner().shard.as_ref()
    }
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for MapOf<B> {
    fn as_ref(&self) -> &[u8] {
        self.shard.as_ref().get(self.begin..).unwrap_or_default()
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Shard<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shard({} bytes)", self.bytes().len())
    }
}

/// `None` when a part is too large for the head's 32 bits.
pub(super) fn encode(prefilter: &Prefilter, lead: u8, map: &[u8]) -> Option<Vec<u8>> {
    let prefilter = prefilter.encode()?;
    let mut bytes = Vec::with_capacity(HEAD + prefilter.len() + map.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, if prefilter.is_empty() { NO_PREFILTER } else { XOR8 }, lead, 0]);
    bytes.extend_from_slice(&u32::try_from(prefilter.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(map.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(&prefilter);
    bytes.extend_from_slice(map);
    Some(bytes)
}

/// What the head says beside the lengths.
struct Layout {
    lead: u8,
    prefilter: usize,
}

impl Layout {
    /// Of bytes that head, prefilter and map make up as a whole.
    fn of(bytes: &[u8]) -> Result<Self, ShardError> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(ShardError::Layout("shorter than its head"))?;
        let [m0, m1, m2, m3, version, kind, lead, reserved, p0, p1, p2, p3, f0, f1, f2, f3] = *head;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(ShardError::Layout("does not begin with SLsh"));
        }
        if version != VERSION {
            return Err(ShardError::Layout("unknown version"));
        }
        if reserved != 0 || lead > MAX_LEAD {
            return Err(ShardError::Layout("the lead is too large or a reserved byte is not zero"));
        }
        let prefilter = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
        let map = u32::from_le_bytes([f0, f1, f2, f3]) as usize;
        if prefilter.checked_add(map) != Some(rest.len()) {
            return Err(ShardError::Layout("the lengths of prefilter and map do not fit"));
        }
        let fits = match kind {
            NO_PREFILTER => prefilter == 0,
            XOR8 => rest.get(..prefilter).is_some_and(Prefilter::is_encoded_in),
            _ => return Err(ShardError::Layout("unknown kind of prefilter")),
        };
        if fits { Ok(Self { lead, prefilter }) } else { Err(ShardError::Layout("the prefilter's length does not fit")) }
    }
}
