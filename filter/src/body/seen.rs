//! Which bytes a text has, as far as it depends on them how it is read: what reads escapes that are not there is not even tried.

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen(u16);

impl Seen {
    pub const QUOTE: Self = Self(1);
    pub const APOSTROPHE: Self = Self(1 << 1);
    pub const BACKTICK: Self = Self(1 << 2);
    pub const BACKSLASH: Self = Self(1 << 3);
    pub const AMPERSAND: Self = Self(1 << 4);
    pub const EQUALS: Self = Self(1 << 5);
    pub const COLON: Self = Self(1 << 6);
    pub const PERCENT: Self = Self(1 << 7);
    pub const PLUS: Self = Self(1 << 8);
    pub const LESS: Self = Self(1 << 9);
    /// The end of a line.
    pub const BREAK: Self = Self(1 << 10);
    /// No text has it.
    pub const CONTROL: Self = Self(1 << 11);
    /// Either case, for `quoted-printable`.
    pub const Q: Self = Self(1 << 12);
    /// For `base64`.
    pub const SIX: Self = Self(1 << 13);

    /// The bytes of a text.
    pub fn of(text: &[u8]) -> Self {
        Self(text.iter().fold(0, |seen, &byte| seen | bit(byte)))
    }

    /// What either has.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one of the others is among these.
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// What lies between two double quotes, or between one and an end, each with its bytes and the quote that ends it. A quote behind a
/// backslash does not count; which of them open and which close is not asked, so that an odd one changes nothing.
pub struct Segments<'a> {
    rest: Option<&'a [u8]>,
}

/// Cuts a text at its double quotes.
pub fn segments(text: &[u8]) -> Segments<'_> {
    Segments { rest: Some(text) }
}

impl<'a> Iterator for Segments<'a> {
    type Item = (&'a [u8], Seen);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        let mut seen = 0;
        let mut bytes = text.iter().enumerate();
        while let Some((at, &byte)) = bytes.next() {
            let bit = bit(byte);
            seen |= bit;
            if bit & Seen::QUOTE.0 != 0 {
                self.rest = text.get(at + 1..);
                return Some((text.get(..at).unwrap_or_default(), Seen(seen)));
            }
            if bit & Seen::BACKSLASH.0 != 0
                && let Some((_, &escaped)) = bytes.next()
            {
                seen |= self::bit(escaped);
            }
        }
        Some((text, Seen(seen)))
    }
}

fn bit(byte: u8) -> u16 {
    BITS.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The set of each byte alone.
static BITS: [u16; 256] = table();

#[expect(clippy::indexing_slicing, reason = "a const fn: an index out of bounds does not compile")]
const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        let seen = match byte {
            b'"' => Seen::QUOTE,
            b'\'' => Seen::APOSTROPHE,
            b'`' => Seen::BACKTICK,
            b'\\' => Seen::BACKSLASH,
            b'&' => Seen::AMPERSAND,
            b'=' => Seen::EQUALS,
            b':' => Seen::COLON,
            b'%' => Seen::PERCENT,
            b'+' => Seen::PLUS,
            b'<' => Seen::LESS,
            b'\n' | b'\r' => Seen::BREAK,
            b'q' | b'Q' => Seen::Q,
            b'6' => Seen::SIX,
            b'\t' => Seen(0),
            0..b' ' => Seen::CONTROL,
            _ => Seen(0),
        };
        table[byte as usize] = seen.0;
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_cut_unless_they_are_escaped() {
        let found: Vec<_> = segments(br#"a:"b\"c=\\"&"#).collect();
        let cut = |text: &'static [u8], bytes: &[u8]| (text, Seen::of(bytes));
        let expected: [(&[u8], _); 3] = [cut(b"a:", b":\""), cut(br#"b\"c=\\"#, b"\\\"="), cut(b"&", b"&")];
        assert_eq!(found, expected);
        assert_eq!(segments(b"").count(), 1);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in "[\\\\\"a%&]{0,30}") {
            let parts: Vec<&[u8]> = segments(text.as_bytes()).map(|(segment, _)| segment).collect();
            prop_assert_eq!(parts.join(&b'"'), text.as_bytes());
            let seen = segments(text.as_bytes()).fold(Seen::default(), |seen, (_, bytes)| seen.with(bytes));
            prop_assert_eq!(seen, Seen::of(text.as_bytes()));
        }
    }
}
