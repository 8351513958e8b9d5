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

/// The long stretches that an anchored rule has matched already, the latest of each rule.
///
/// A text such as `-key_-key_-key_…` matches at each keyword up to its end, which costs its length squared; but what begins
/// inside a long match is the same run of letters again.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    ends: Vec<(usize, usize)>,
}

impl Matched {
    /// Shorter matches cost too little to remember, and a real token may begin inside a refused one.
    pub(crate) const LONG: usize = 512;

    /// Whether `rule` has matched a stretch that goes on at `offset`.
    pub(crate) fn covers(&self, rule: usize, offset: usize) -> bool {
        self.ends.iter().any(|&(other, end)| other == rule && offset < end)
    }

    /// Remembers that `rule` matched `span`.
    pub(crate) fn add(&mut self, rule: usize, span: &Range<usize>) {
        if span.len() < Self::LONG {
            return;
        }
        match self.ends.iter_mut().find(|(other, _)| *other == rule) {
            Some((_, end)) => *end = span.end,
            None => self.ends.push((rule, span.end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_matches_cover_what_begins_inside_them() {
        let mut matched = Matched::default();
        matched.add(1, &(0..Matched::LONG));
        matched.add(2, &(0..Matched::LONG - 1));
        assert!(matched.covers(1, 5) && !matched.covers(1, Matched::LONG));
        assert!(!matched.covers(2, 5));
    }

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
