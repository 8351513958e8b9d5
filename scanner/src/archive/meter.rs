//! How much is unpacked, for how much was packed: what ends a bomb.

use std::cell::Cell;
use std::io::{self, Read};

use crate::Cancel;

/// Text packs to a tenth, logs to a hundredth; only what was made to be large packs to less.
const RATIO_MAX: u64 = 200;
/// A small file may unpack to this much whatever it packs to: as much as a file that is not packed may have.
const UNPACKED_LEAST: u64 = crate::Options::BLOB_LIMIT;
/// The largest images of containers have less in all their layers.
const UNPACKED_MAX: u64 = 64 << 30;

/// What one packed file costs. What is unpacked inside counts for those around it as well, so that a bomb of bombs is one too.
pub(super) struct Meter<'o> {
    outer: Option<&'o Self>,
    packed: Cell<u64>,
    unpacked: Cell<u64>,
}

impl<'o> Meter<'o> {
    pub(super) fn outermost() -> Self {
        Self { outer: None, packed: Cell::new(0), unpacked: Cell::new(0) }
    }

    /// For something packed that is inside.
    pub(super) fn inside(outer: &'o Self) -> Self {
        Self { outer: Some(outer), packed: Cell::new(0), unpacked: Cell::new(0) }
    }

    /// Counts what was read.
    pub(super) fn packed(&self, bytes: usize) {
        self.packed.set(self.packed.get().saturating_add(bytes as u64));
    }

    /// Counts what came out of it; fails when that is too much, for this file or one around it.
    fn unpacked(&self, bytes: usize) -> io::Result<()> {
        let mut meter = Some(self);
        while let Some(this) = meter {
            this.unpacked.set(this.unpacked.get().saturating_add(bytes as u64));
            meter = this.outer;
        }
        if self.is_over() || self.is_outer_over() {
            return Err(io::Error::other(format!("it unpacks to more than {RATIO_MAX} times its size: the rest is not read")));
        }
        Ok(())
    }

    /// Says that this file and all around it were read far enough.
    pub(super) fn exhaust(&self) {
        let mut meter = Some(self);
        while let Some(this) = meter {
            this.unpacked.set(u64::MAX);
            meter = this.outer;
        }
    }

    /// Whether too much has come out of this file.
    pub(super) fn is_over(&self) -> bool {
        let allowed = self.packed.get().saturating_mul(RATIO_MAX).saturating_add(UNPACKED_LEAST);
        self.unpacked.get() > allowed.min(UNPACKED_MAX)
    }

    /// Whether too much has come out of a file around this one.
    pub(super) fn is_outer_over(&self) -> bool {
        self.outer.is_some_and(|outer| outer.is_over() || outer.is_outer_over())
    }
}

/// Counts what is read of something packed.
pub(super) struct Packed<'m, R> {
    pub(super) input: R,
    pub(super) meter: &'m Meter<'m>,
}

/// Counts what is unpacked, and ends it when it is too much or nobody wants it any more.
pub(super) struct Unpacked<'m, R> {
    pub(super) output: R,
    pub(super) meter: &'m Meter<'m>,
    pub(super) cancel: &'m Cancel,
}

impl<R: Read> Read for Packed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer).inspect(|&read| self.meter.packed(read))
    }
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("the scan was cancelled"));
        }
        let read = self.output.read(buffer)?;
        self.meter.unpacked(read)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_counts_for_those_around() {
        let outer = Meter::outermost();
        outer.packed(1_000);
        let inner = Meter::inside(&outer);
        inner.packed(1 << 20);
        assert!(inner.unpacked(8 << 20).is_ok());
        assert!(inner.unpacked(9 << 20).is_err());
        assert!(!inner.is_over() && inner.is_outer_over());
    }

    #[test]
    fn enough_is_enough_whatever_the_size() {
        let meter = Meter::outermost();
        meter.packed(usize::MAX);
        assert!(meter.unpacked(1 << 36).is_ok());
        assert!(meter.unpacked(1).is_err());
    }
}
