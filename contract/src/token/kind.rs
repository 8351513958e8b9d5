//! What can be told of a text without hashing it: its length, and which kinds of bytes it has.

/// A set of kinds of bytes: digits, lower-case letters, upper-case letters, `-` or `_`, `.`, and any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Classes(u8);

/// Length and classes of a token's canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Bytes of the canonical form; 255 stands for all from there on.
    length: u8,
    /// `None` of a stored token of which only the length is known.
    classes: Option<Classes>,
}

impl Classes {
    /// No byte at all.
    pub const NONE: Self = Self(0);
    /// `0` to `9`.
    pub const DIGIT: Self = Self(1);
    /// `a` to `z`.
    pub const LOWER: Self = Self(1 << 1);
    /// `A` to `Z`.
    pub const UPPER: Self = Self(1 << 2);
    /// `-` and `_`, the two that base64url adds.
    pub const DASH: Self = Self(1 << 3);
    /// `.`, which joins the parts of a JWT.
    pub const DOT: Self = Self(1 << 4);
    /// Any other byte.
    pub const OTHER: Self = Self(1 << 5);
    /// How many sets there are.
    pub const SETS: usize = 64;

    /// The classes that a text has.
    #[must_use]
    #[inline]
    pub fn of(text: &[u8]) -> Self {
        Self(text.iter().fold(0, |classes, &byte| classes | CLASS.get(usize::from(byte)).copied().unwrap_or_default()))
    }

    /// The class of one byte, for tables.
    #[must_use]
    pub const fn of_byte(byte: u8) -> Self {
        match byte {
            b'0'..=b'9' => Self::DIGIT,
            b'a'..=b'z' => Self::LOWER,
            b'A'..=b'Z' => Self::UPPER,
            b'-' | b'_' => Self::DASH,
            b'.' => Self::DOT,
            _ => Self::OTHER,
        }
    }

    /// Reads back [`Classes::bits`]; `None` unless it is below [`Classes::SETS`].
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        (usize::from(bits) < Self::SETS).then_some(Self(bits))
    }

    /// The set as a number below [`Classes::SETS`], for storing.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// What either has.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What this one has and the other has not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every class of the other is in this one.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Kind {
    /// The length from which on all lengths are one.
    pub const LONG: u8 = u8::MAX;

    /// Of a canonical form.
    #[must_use]
    pub fn new(length: usize, classes: Classes) -> Self {
        Self { length: clamp(length), classes: Some(classes) }
    }

    /// Of a stored token of which nothing but the length is known: it may have any classes.
    #[must_use]
    pub fn of_length(length: usize) -> Self {
        Self { length: clamp(length), classes: None }
    }

    /// Bytes of the canonical form; [`Kind::LONG`] stands for all from there on.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// `None` when they are not known.
    #[must_use]
    pub fn classes(self) -> Option<Classes> {
        self.classes
    }
}

/// A length as kinds count it.
pub(crate) fn clamp(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(Kind::LONG)
}

/// The class of each byte.
static CLASS: [u8; 256] = classes_of_bytes();

#[expect(clippy::indexing_slicing, reason = "a const fn: an index out of bounds does not compile")]
const fn classes_of_bytes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = Classes::of_byte(byte).0;
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_one_class() {
        for (text, class) in [
            ("0123456789", Classes::DIGIT),
            ("az", Classes::LOWER),
            ("AZ", Classes::UPPER),
            ("-_", Classes::DASH),
            (".", Classes::DOT),
            ("/:@[`{ \0\u{ff}", Classes::OTHER),
            ("", Classes::NONE),
        ] {
            assert_eq!(Classes::of(text.as_bytes()), class, "{text:?}");
        }
        assert_eq!(Classes::of(b"sk-1"), Classes::LOWER.with(Classes::DASH).with(Classes::DIGIT));
        assert!((0..=255_u8).all(|byte| Classes::of(&[byte]).bits().is_power_of_two()));
    }

    #[test]
    fn a_set_survives_its_number() {
        for bits in 0..64 {
            assert_eq!(Classes::from_bits(bits).unwrap().bits(), bits);
        }
        assert_eq!(Classes::from_bits(64), None);
    }

    #[test]
    fn long_texts_are_one_kind() {
        assert_eq!(Kind::new(255, Classes::DIGIT), Kind::new(16_384, Classes::DIGIT));
        assert_ne!(Kind::new(254, Classes::DIGIT), Kind::new(255, Classes::DIGIT));
    }
}
