//! Where a rule has to look: around its keywords, each byte at most once.

use std::ops::Range;

/// The stretches of text that wait for their rule, at most one a rule.
///
/// Keywords that stand close together share a stretch, so that a text full of keywords is read once, not once for
/// each of them.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    pending: Vec<(usize, Range<usize>)>,
}

impl Windows {
    /// Adds a stretch for `rule`; returns an earlier one that this one does not touch, which is ready to be read.
    ///
    /// Stretches of a rule come in the order of their ends, as the automaton reports keywords.
    pub(crate) fn add(&mut self, rule: usize, stretch: Range<usize>) -> Option<Range<usize>> {
        let Some((_, pending)) = self.pending.iter_mut().find(|(other, _)| *other == rule) else {
            self.pending.push((rule, stretch));
            return None;
        };
        if stretch.start <= pending.end {
            pending.start = pending.start.min(stretch.start);
            pending.end = pending.end.max(stretch.end);
            return None;
        }
        Some(std::mem::replace(pending, stretch))
    }

    /// What still waits when the text has ended.
    pub(crate) fn finish(self) -> impl Iterator<Item = (usize, Range<usize>)> {
        self.pending.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_stretches_merge_and_distant_ones_are_handed_out() {
        let mut windows = Windows::default();
        assert_eq!(windows.add(1, 0..10), None);
        assert_eq!(windows.add(1, 5..20), None);
        assert_eq!(windows.add(2, 7..9), None);
        assert_eq!(windows.add(1, 30..40), Some(0..20));
        assert_eq!(windows.finish().collect::<Vec<_>>(), [(1, 30..40), (2, 7..9)]);
    }
}
