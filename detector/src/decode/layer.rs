//! A decoded text, and where each byte of it came from.

/// A text that was decoded from a part of another one.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) bytes: Vec<u8>,
    /// In the order of both texts.
    stretches: Vec<Stretch>,
}

/// A stretch of decoded bytes that was written evenly in the outer text.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    inner: usize,
    outer: usize,
    rate: Rate,
}

/// How many bytes of the outer text stand for how many of the inner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    outer: usize,
    inner: usize,
}

impl Rate {
    /// As it is.
    pub(super) const PLAIN: Self = Self { outer: 1, inner: 1 };
    pub(super) const BASE64: Self = Self { outer: 4, inner: 3 };
    pub(super) const HEX: Self = Self { outer: 2, inner: 1 };
    pub(super) const UTF_16: Self = Self { outer: 2, inner: 1 };
    /// Compressed: nobody can say more than where it begins.
    pub(super) const PACKED: Self = Self { outer: 0, inner: 1 };
}

impl Layer {
    /// Says that what is decoded from here on stands at `outer`.
    pub(super) fn mark(&mut self, outer: usize, rate: Rate) {
        self.stretches.push(Stretch { inner: self.bytes.len(), outer, rate });
    }

    /// Where the byte at `inner` came from.
    pub(super) fn outer(&self, inner: usize) -> usize {
        let after = self.stretches.partition_point(|stretch| stretch.inner <= inner);
        let Some(stretch) = after.checked_sub(1).and_then(|place| self.stretches.get(place)) else { return 0 };
        stretch.outer + (inner - stretch.inner) * stretch.rate.outer / stretch.rate.inner
    }
}
