//! The way of a fingerprint through a shard's map.
//!
//! A node of an `fst` map is compact when it has many children, and wastes 256 bytes on a table when it has more than 32. So the first
//! step of a path, which all of a shard share, is as wide as it must be for the second one to have some 12 to 24 children a node,
//! whatever the size of the set. Were paths cut at whole bytes of the fingerprint, an index would take 11.3 bytes a token with one
//! million tokens and 16 with two.

use crate::Fingerprint;

/// The steps of a path, of which a map has as many as tell the fingerprint from all others of the shard.
///
/// The first is a number of up to 8 bits that ends at bit `lead` of the fingerprint: those before it are the same in the whole shard.
/// Each further one is the next 8 bits, up to bit 128.
pub(super) type Steps = [u8; STEPS];

/// The first, and 128 bits in eights.
pub(super) const STEPS: usize = 17;

/// Paths have at least two steps, so that a small set does not weaken the check.
pub(super) const MIN_STEPS: usize = 2;

/// Largest mean number of children of a first step. Measured at 100,000 and 1,000,000 tokens: 12 costs 0.7 bytes a token more, 16 costs
/// 0.02, 20 nothing.
///
/// It bounds the error too: paths have at least 8 bits behind the first step, so at most 24 of 256 fingerprints lead to a key, in
/// whatever shard of up to 6,144 tokens.
const CHILDREN: usize = 24;

/// Most bits of the first step that are not the same in the whole shard: it is one byte.
pub(super) const MAX_WIDTH: u8 = 8;

/// Where the first step ends in a shard of so many fingerprints that share their first `shard_bits` bits.
pub(super) fn lead(shard_bits: u8, fingerprints: usize) -> u8 {
    let width = (0..MAX_WIDTH).find(|&width| fingerprints <= CHILDREN << width).unwrap_or(MAX_WIDTH);
    shard_bits + width
}

/// The steps of a fingerprint in a shard with this `lead`.
pub(super) fn steps(fingerprint: &Fingerprint, lead: u8) -> Steps {
    let [a, b, ..] = fingerprint.words();
    let bits = u128::from(a) << 64 | u128::from(b);
    let lead = u32::from(lead);
    let [.., first] = bits.checked_shr(u128::BITS - lead).unwrap_or(0).to_be_bytes();
    let mut steps = [first; STEPS];
    for (step, byte) in steps.iter_mut().skip(1).zip(bits.checked_shl(lead).unwrap_or(0).to_be_bytes()) {
        *step = byte;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_ends_at_the_lead() {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&[0b1010_1100, 0b0011_0101, 0xff, 0x0f]);
        let fingerprint = Fingerprint::from_stored(&bytes).unwrap();
        for (lead, expected) in [
            (0, [0, 0b1010_1100, 0b0011_0101]),
            (3, [0b101, 0b0110_0001, 0b1010_1111]),
            (8, [0b1010_1100, 0b0011_0101, 0xff]),
            (12, [0b1100_0011, 0b0101_1111, 0b1111_0000]),
        ] {
            assert_eq!(steps(&fingerprint, lead)[..3], expected, "{lead}");
        }
    }

    #[test]
    fn the_first_step_is_as_wide_as_the_shard_is_full() {
        for (fingerprints, width) in [(0, 0), (24, 0), (25, 1), (1_250, 6), (1_536, 6), (2_500, 7), (3_073, 8), (1_000_000, 8)] {
            assert_eq!(lead(9, fingerprints), 9 + width, "{fingerprints}");
        }
    }
}
