//! Sixteen bytes at once, with the instructions that Wasm has for it.

use std::arch::wasm32::{
    i8x16_bitmask, i8x16_lt, i8x16_shl, i8x16_splat, i8x16_swizzle, u8x16, u8x16_lt, u8x16_splat, u8x16_sub, u64x2,
    u64x2_extract_lane, v128, v128_and, v128_or,
};

use super::{At, MARKS};

/// Bytes of a block.
pub const SIZE: usize = 16;

/// How many bytes are before the first at which a text is cut, all when there is none, and what [`MARKS`] says of them.
#[inline]
pub fn look(block: &[u8; SIZE], at: At) -> (usize, u8) {
    let bytes = load(block);
    // As signed numbers, all bytes outside of ASCII are below the first printable one, and have the marks of those that are.
    let mut marks = v128_and(i8x16_lt(bytes, i8x16_splat(FIRST.cast_signed())), u8x16_splat(UNPRINTABLE));
    // A byte is looked up in each row of the table, and is in one of them: the others answer 0.
    let mut place = u8x16_sub(bytes, u8x16_splat(FIRST));
    for row in ROWS {
        marks = v128_or(marks, i8x16_swizzle(row, place));
        place = u8x16_sub(place, u8x16_splat(SIZE_U8));
    }
    let cuts = match at {
        At::Separators => i8x16_bitmask(i8x16_shl(marks, 1)),
        At::Punctuation => i8x16_bitmask(marks),
    };
    match u8::try_from(cuts.trailing_zeros()) {
        Ok(before) if before < SIZE_U8 => {
            let is_before = u8x16_lt(NUMBERS, u8x16_splat(before));
            (before.into(), any(v128_and(marks, is_before)))
        }
        _ => (SIZE, any(marks)),
    }
}

/// The first printable byte.
const FIRST: u8 = b' ';
const UNPRINTABLE: u8 = MARKS[0];
const SIZE_U8: u8 = 16;
const NUMBERS: v128 = u8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

/// The marks of the printable bytes, and of the one behind them.
const ROWS: [v128; 6] = [row::<0>(), row::<1>(), row::<2>(), row::<3>(), row::<4>(), row::<5>()];

#[expect(clippy::panic, reason = "a const fn: a table that is too short does not compile")]
const fn row<const N: usize>() -> v128 {
    let (_, printable) = MARKS.split_at(FIRST as usize);
    let (_, rest) = printable.split_at(N * SIZE);
    let Some([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]) = rest.first_chunk() else { panic!("the table has fewer rows") };
    u8x16(*a, *b, *c, *d, *e, *f, *g, *h, *i, *j, *k, *l, *m, *n, *o, *p)
}

fn load(bytes: &[u8; SIZE]) -> v128 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
    u64x2(u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p]))
}

/// All of them in one.
fn any(marks: v128) -> u8 {
    let halves = u64x2_extract_lane::<0>(marks) | u64x2_extract_lane::<1>(marks);
    halves.to_le_bytes().into_iter().fold(0, |all, marks| all | marks)
}
