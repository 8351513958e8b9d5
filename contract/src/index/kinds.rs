//! Which kinds of tokens an index has: most texts of a request are of another one, and need not be hashed.

use crate::token::{Canonical, Classes, Kind, clamp};

/// A set of pairs of length and [`Classes`], those that the tokens of an index have.
///
/// It answers two questions about a text of a request: may it *be* a token ([`Kinds::hold`]), and may it *contain* one
/// ([`Kinds::may_hold`])? Neither answer is ever a wrong no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// For each length, bit `n` stands for the classes of the number `n`. On the heap: headers are moved about.
    held: Box<[u64; LENGTHS]>,
    /// For each set of classes, the shortest length of a token that has no others; `NEVER` when there is none.
    shortest: [u16; Classes::SETS],
}

/// 0 to [`Kind::LONG`].
const LENGTHS: usize = 256;

/// Longer than any length.
const NEVER: u16 = 256;

impl Kinds {
    /// Bytes on the wire.
    pub const SIZE: usize = LENGTHS * size_of::<u64>();

    /// Takes what came over the feed; `None` unless it has [`Kinds::SIZE`] bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<{ size_of::<u64>() }>() else { return None };
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let mut kinds = Self { held: words.try_into().ok()?, shortest: [NEVER; Classes::SETS] };
        for (length, &sets) in (0..).zip(kinds.held.iter()) {
            note(&mut kinds.shortest, length, sets);
        }
        Some(kinds)
    }

    /// The words of the lengths 0 to 255, little-endian; bit `n` of a word says that there are tokens of that length with the
    /// classes of the number `n`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.held.iter().flat_map(|sets| sets.to_le_bytes()).collect()
    }

    /// Adds a kind; one of unknown classes may have any.
    pub fn add(&mut self, kind: Kind) {
        let sets = sets(kind);
        if let Some(held) = self.held.get_mut(usize::from(kind.length())) {
            *held |= sets;
            note(&mut self.shortest, u16::from(kind.length()), sets);
        }
    }

    /// Whether a token of this kind may be in the index.
    #[must_use]
    #[inline]
    pub fn hold(&self, kind: Kind) -> bool {
        self.of_length(kind.length()) & sets(kind) != 0
    }

    /// The same of a canonical text, which is scanned only when its length is held.
    #[must_use]
    #[inline]
    pub fn hold_text(&self, text: &Canonical<'_>) -> bool {
        self.of_length(clamp(text.length())) != 0 && self.hold(text.kind())
    }

    /// Whether a text of this length and these classes, as it stands in a request, may contain a token of the index.
    ///
    /// Upper-case letters stand for lower-case ones too: hex and UUIDs are lowered.
    #[must_use]
    #[inline]
    pub fn may_hold(&self, length: usize, classes: Classes) -> bool {
        let classes = if classes.contains(Classes::UPPER) { classes.with(Classes::LOWER) } else { classes };
        self.shortest.get(usize::from(classes.bits())).is_some_and(|&shortest| shortest <= clamp(length).into())
    }

    fn of_length(&self, length: u8) -> u64 {
        self.held.get(usize::from(length)).copied().unwrap_or_default()
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self { held: Box::new([0; LENGTHS]), shortest: [NEVER; Classes::SETS] }
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        let mut all = Self::default();
        kinds.into_iter().for_each(|kind| all.add(kind));
        all
    }
}

/// The sets of classes that a kind stands for.
fn sets(kind: Kind) -> u64 {
    kind.classes().map_or(u64::MAX, |classes| 1 << classes.bits())
}

/// Notes that tokens of a length have the given sets of classes.
fn note(shortest: &mut [u16; Classes::SETS], length: u16, sets: u64) {
    for (shortest, subsets) in shortest.iter_mut().zip(SUBSETS) {
        if sets & subsets != 0 {
            *shortest = length.min(*shortest);
        }
    }
}

/// For each set of classes, all sets that are part of it.
const SUBSETS: [u64; Classes::SETS] = subsets();

#[expect(clippy::indexing_slicing, reason = "a const fn: an index out of bounds does not compile")]
const fn subsets() -> [u64; Classes::SETS] {
    let mut table = [0; Classes::SETS];
    let mut set = 0;
    while set < Classes::SETS {
        let mut part = 0;
        while part <= set {
            if part & set == part {
                table[set] |= 1 << part;
            }
            part += 1;
        }
        set += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Token;

    fn any_kind() -> impl Strategy<Value = Kind> {
        let classes = || (0..64_u8).prop_map(|bits| Classes::from_bits(bits).unwrap());
        prop_oneof![
            6 => (0..300_usize, classes()).prop_map(|(length, classes)| Kind::new(length, classes)),
            1 => (0..300_usize).prop_map(Kind::of_length),
        ]
    }

    #[test]
    fn no_kind_is_held_by_nothing() {
        let none = Kinds::default();
        assert!(!none.hold(Kind::of_length(20)));
        assert!(!none.may_hold(usize::MAX, Classes::from_bits(63).unwrap()));
        assert_eq!(none.to_bytes().len(), Kinds::SIZE);
        assert_eq!(Kinds::from_slice(&[0; Kinds::SIZE - 8]), None);
        assert_eq!(Kinds::from_slice(&[0; Kinds::SIZE + 1]), None);
    }

    #[test]
    fn a_text_may_contain_what_is_shorter_and_plainer() {
        let digits = Classes::DIGIT;
        let kinds: Kinds = [Kind::new(10, digits)].into_iter().collect();
        assert!(kinds.hold(Kind::new(10, digits)) && !kinds.hold(Kind::new(11, digits)));
        assert!(kinds.hold(Kind::of_length(10)), "unknown classes may be these");
        assert!(!kinds.may_hold(9, digits));
        assert!(kinds.may_hold(10, digits) && kinds.may_hold(100_000, digits.with(Classes::OTHER)));
        assert!(!kinds.may_hold(100, Classes::LOWER));
    }

    proptest! {
        #[test]
        fn kinds_agree_with_a_list_of_them(kinds in prop::collection::vec(any_kind(), 0..6), probe in any_kind()) {
            let held: Kinds = kinds.iter().copied().collect();
            prop_assert_eq!(Kinds::from_slice(&held.to_bytes()), Some(held.clone()));
            let same = |kind: &Kind| kind.length() == probe.length()
                && kind.classes().zip(probe.classes()).is_none_or(|(held, probe)| held == probe);
            prop_assert_eq!(held.hold(probe), kinds.iter().any(same));
            let Some(classes) = probe.classes() else { return Ok(()) };
            let seen = if classes.contains(Classes::UPPER) { classes.with(Classes::LOWER) } else { classes };
            let inside = |kind: &Kind| kind.length() <= probe.length() && kind.classes().is_none_or(|held| seen.contains(held));
            prop_assert_eq!(held.may_hold(usize::from(probe.length()), classes), kinds.iter().any(inside));
        }

        #[test]
        fn a_text_with_a_token_in_it_is_never_passed_over(
            before in prop::collection::vec(any::<u8>(), 0..9),
            token in prop_oneof!["[!-~]{6,40}", "[0-9A-F]{32,40}", "[0-9A-F]{8}-[0-9A-F]{12}-[0-9A-F]{12}"],
            after in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let canonical = Canonical::of(token.as_bytes());
            prop_assume!(canonical.is_token());
            let kinds: Kinds = [canonical.kind()].into_iter().collect();
            prop_assert!(kinds.hold_text(&canonical));
            let text = [&before, token.as_bytes(), &after].concat();
            prop_assert!(kinds.may_hold(text.len(), Classes::of(&text)));
            let stored = Token::parse(token.as_bytes()).unwrap();
            prop_assert!(kinds.hold(Kind::new(stored.as_bytes().len(), Classes::of(stored.as_bytes()))));
        }
    }
}
