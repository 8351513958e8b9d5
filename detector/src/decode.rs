//! Tokens inside encoded text: in base64, hex, escapes, UTF-16 or gzip, and in each of these inside another.
//!
//! What is decoded is a [`Layer`], a text of its own that knows where each of its bytes came from, and is searched like any other, for
//! tokens and for further layers. In ordinary text hardly anything can be decoded, and finding that out costs next to nothing: escapes are
//! noticed by the automaton that looks for keywords anyway, runs of base64 a block at a time, UTF-16 by its zeros.

mod escapes;
mod gzip;
mod layer;
mod runs;
mod wide;

use std::collections::HashSet;

use crate::{Detector, Match, Reason};
pub(crate) use escapes::{MARKS, Marks, SHORT_MARKS};
use layer::Layer;
pub(crate) use runs::{LINE_MIN, is_letter};

/// A secret in base64 in a compressed file in base64 is the deepest that anybody has good reason for.
const DEPTH_MAX: usize = 3;
/// Everything that is decoded from a text together may be so many times as large,
const BUDGET_FACTOR: usize = 4;
/// and this much more, since even a short text may hold a large one in gzip.
const BUDGET_LEAST: usize = 4 << 20;

impl Detector {
    /// Calls `found` for every token in `bytes` and in what can be decoded from it, with the token's text. A match in decoded text has
    /// the place of what it was decoded from; such matches come after the others.
    pub fn scan_decoded<'d>(&'d self, bytes: &[u8], found: &mut dyn FnMut(Match<'d>, &[u8])) {
        let mut work = Work {
            detector: self,
            budget: BUDGET_LEAST.saturating_add(bytes.len().saturating_mul(BUDGET_FACTOR)),
            seen: HashSet::new(),
            found,
        };
        work.text(bytes, 0, &|offset| offset);
    }
}

/// What goes through all layers of a text.
struct Work<'d, 'f> {
    detector: &'d Detector,
    /// How many bytes may still be decoded.
    budget: usize,
    /// Which rule has found something where: what is found as it is, is found again in the layer that decodes an escape beside it.
    seen: HashSet<(usize, &'d str)>,
    found: &'f mut dyn FnMut(Match<'d>, &[u8]),
}

impl Work<'_, '_> {
    /// Searches a text; `place` tells where its bytes are in the outermost one.
    fn text(&mut self, bytes: &[u8], depth: usize, place: &dyn Fn(usize) -> usize) {
        let mut marks = Marks::default();
        for mut hit in self.detector.matches(bytes, &mut marks) {
            let token = &bytes[hit.span.clone()];
            if depth > 0 {
                hit.decoded = true;
                hit.reasons.push(Reason::Decoded);
            }
            hit.span = place(hit.span.start)..place(hit.span.end.saturating_sub(1)) + 1;
            if self.seen.insert((hit.span.start, hit.rule.id())) {
                (self.found)(hit, token);
            }
        }
        if depth == DEPTH_MAX {
            return;
        }
        let inner = |work: &mut Self, layer: Layer| {
            work.budget = work.budget.saturating_sub(layer.bytes.len());
            work.text(&layer.bytes, depth + 1, &|offset| place(layer.outer(offset)));
        };
        for region in marks.regions(bytes) {
            if let Some(layer) = escapes::decode(bytes, region, self.budget) {
                inner(self, layer);
            }
        }
        let mut at = 0;
        let noticed = std::iter::from_fn(|| runs::next(bytes, at).inspect(|run| at = run.end));
        for run in marks.short.iter().filter_map(|&offset| runs::around(bytes, offset)).chain(noticed) {
            if let Some(layer) = runs::decode(bytes, run, self.budget) {
                inner(self, layer);
            }
        }
        let mut at = 0;
        while let Some((layers, end)) = wide::next(bytes, at, self.budget) {
            at = end;
            for layer in layers {
                inner(self, layer);
            }
        }
    }
}

#[cfg(test)]
mod tests;
