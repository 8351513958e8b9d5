//! How an index is cut into shards.

use crate::Fingerprint;

/// Enough for 40 million tokens in shards of [`LARGEST`]; bounds what a header can make a reader allocate.
pub const MAX_SHARD_BITS: u8 = 14;

/// The mean number of tokens of a shard above which there are more shards.
const LARGEST: u64 = 2_500;

/// The mean number of tokens of a shard below which there are fewer shards. Well under half of [`LARGEST`]: a set that hovers at a
/// border is not cut anew, and so sent anew, with each change.
const SMALLEST: u64 = 800;

/// The number of leading bits that the fingerprints of a shard should share, for an index with so many tokens that has `current`
/// such bits now.
#[must_use]
pub fn shard_bits(tokens: u64, current: Option<u8>) -> u8 {
    if let Some(current) = current.filter(|&bits| bits <= MAX_SHARD_BITS) {
        let shards = 1 << current;
        let too_large = tokens > LARGEST * shards && current < MAX_SHARD_BITS;
        let too_small = tokens < SMALLEST * shards && current > 0;
        if !too_large && !too_small {
            return current;
        }
    }
    (0..MAX_SHARD_BITS).find(|&bits| tokens <= LARGEST << bits).unwrap_or(MAX_SHARD_BITS)
}

/// The first bits of a fingerprint as a number.
pub(super) fn shard_of(fingerprint: &Fingerprint, shard_bits: u8) -> usize {
    let [first, ..] = fingerprint.words();
    let number = first.checked_shr(u64::BITS - u32::from(shard_bits.min(MAX_SHARD_BITS))).unwrap_or(0);
    usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fresh_index_has_shards_of_1_250_to_2_500() {
        for (tokens, bits) in
            [(0, 0), (2_500, 0), (2_501, 1), (5_000, 1), (5_001, 2), (100_000, 6), (1_000_000, 9), (10_000_000, 12)]
        {
            assert_eq!(shard_bits(tokens, None), bits, "{tokens}");
        }
        assert_eq!(shard_bits(u64::MAX, None), MAX_SHARD_BITS);
        assert_eq!(shard_bits(1_000_000, Some(200)), 9, "no such number of bits");
    }

    #[test]
    fn the_shard_is_the_first_bits() {
        let fingerprint = Fingerprint::from_stored(&[0b1011_0001; 32]).unwrap();
        for (bits, shard) in [
            (0, 0),
            (1, 1),
            (2, 0b10),
            (8, 0b1011_0001),
            (9, 0b1_0110_0011),
            (14, 0b10_1100_0110_1100),
            (255, 0b10_1100_0110_1100),
        ] {
            assert_eq!(shard_of(&fingerprint, bits), shard, "{bits}");
        }
    }

    proptest! {
        #[test]
        fn what_was_just_cut_stays_while_it_changes_by_a_third(tokens in 0..=LARGEST << MAX_SHARD_BITS, percent in 65..=135_u64, before in 0..=MAX_SHARD_BITS) {
            let cut = shard_bits(tokens, Some(before));
            if cut == before {
                prop_assert!(tokens <= 2_500 << before && (tokens >= 800 << before || before == 0));
                return Ok(());
            }
            let fresh = shard_bits(tokens, None);
            prop_assert_eq!(cut, fresh);
            let mean = tokens >> fresh;
            prop_assert!(mean <= 2_500 && (mean >= 1_250 || fresh == 0));
            // Growth from just over a border ends at 1,250 a shard, shrinking from just under one at some 1,600.
            let (grew, shrank) = (before < cut && tokens < (2_500 << before) * 101 / 100, before > cut && tokens > (800 << before) * 99 / 100);
            if grew || shrank {
                prop_assert_eq!(shard_bits(tokens * percent / 100, Some(cut)), cut);
            }
        }
    }
}
