//! UTF-16 without a byte-order mark, in files that hold other things as well.

use std::ops::Range;

use memchr::memchr;

use super::layer::{Layer, Rate};

/// Fewer letters hold no token.
const UNITS_MIN: usize = 16;

/// The next stretch of letters with a zero between each and the next, as the texts that it may be, and where it ends.
pub(super) fn next(bytes: &[u8], from: usize, budget: usize) -> Option<(Vec<Layer>, usize)> {
    let mut at = from;
    loop {
        let zero = at + memchr(0, bytes.get(at..)?)?;
        // Most zeros stand among others, or alone.
        if bytes.get(zero + 1) == Some(&0) || bytes.get(zero + 2) != Some(&0) {
            at = zero + 1 + bytes[zero + 1..].iter().take_while(|&&byte| byte == 0).count();
            continue;
        }
        // In one byte order the first zero stands behind its letter, in the other before it.
        let start = if zero > from && bytes[zero - 1] != 0 { zero - 1 } else { zero + 1 };
        let pairs = bytes.get(start..)?.chunks_exact(2).take_while(|pair| pair[0] != 0 && pair[1] == 0);
        let count = pairs.take(budget / 2).count();
        let end = start + 2 * count;
        if count >= UNITS_MIN {
            let mut layers = vec![layer(bytes, start..end)];
            // In the big-endian order the last letter has no zero behind it, and the first may belong to what stands in front.
            if bytes.get(end).is_some_and(|&byte| byte != 0) {
                layers.push(layer(bytes, start..end + 1));
            }
            return Some((layers, end));
        }
        at = end.max(zero + 1);
    }
}

fn layer(bytes: &[u8], stretch: Range<usize>) -> Layer {
    let mut layer = Layer::default();
    layer.mark(stretch.start, Rate::UTF_16);
    layer.bytes.extend(bytes[stretch].iter().step_by(2));
    layer
}
