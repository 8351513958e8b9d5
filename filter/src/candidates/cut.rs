//! One pass over a text that cuts it into pieces and tells the kinds of bytes of each.

#[cfg(target_arch = "wasm32")]
mod block;

use stopleak_contract::index::Classes;

/// At which bytes a text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// What separates the pieces of a list: commas, semicolons, and whatever is no visible ASCII character.
    Separators,
    /// Punctuation within a piece.
    Punctuation,
}

/// The pieces of a text, empty ones included, each with its kinds of bytes.
pub struct Cut<'a> {
    rest: Option<&'a [u8]>,
    at: At,
}

/// Cuts a text. The bytes at which it is cut are in no piece; all of them are [`Classes::OTHER`].
pub fn cut(text: &[u8], at: At) -> Cut<'_> {
    Cut { rest: Some(text), at }
}

/// Whether a byte separates the pieces of a list.
pub fn is_separator(byte: u8) -> bool {
    marks(byte) & SEPARATOR != 0
}

/// Whether a text is cut at a byte anywhere.
pub fn is_mark(byte: u8) -> bool {
    marks(byte) & (SEPARATOR | PUNCTUATION) != 0
}

impl<'a> Iterator for Cut<'a> {
    type Item = (&'a [u8], Classes);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        let (mut length, mut seen) = blocks(text, self.at);
        let mut rest = text.get(length..).unwrap_or_default().iter();
        let is_cut = rest.any(|&byte| {
            let marks = marks(byte);
            let is_cut = marks & self.at.mark() != 0;
            if !is_cut {
                (length, seen) = (length + 1, seen | marks);
            }
            is_cut
        });
        if is_cut {
            self.rest = text.get(length + 1..);
        }
        Some((text.get(..length).unwrap_or_default(), classes(seen)))
    }
}

/// The bytes before the first at which a text is cut, as far as whole blocks tell, and what marks they have.
#[cfg(target_arch = "wasm32")]
#[inline]
fn blocks(text: &[u8], at: At) -> (usize, u8) {
    let (mut length, mut seen) = (0, 0);
    for block in text.as_chunks().0 {
        let (before, marks) = block::look(block, at);
        (length, seen) = (length + before, seen | marks);
        if before < block::SIZE {
            break;
        }
    }
    (length, seen)
}

/// Elsewhere than in a proxy, one byte after the other is fast enough.
#[cfg(not(target_arch = "wasm32"))]
fn blocks(_: &[u8], _: At) -> (usize, u8) {
    (0, 0)
}

impl At {
    fn mark(self) -> u8 {
        match self {
            Self::Separators => SEPARATOR,
            Self::Punctuation => PUNCTUATION,
        }
    }
}

/// Above the six bits of [`Classes`].
const SEPARATOR: u8 = 1 << 6;
const PUNCTUATION: u8 = 1 << 7;
const _: () = assert!(Classes::SETS == SEPARATOR as usize);

fn marks(byte: u8) -> u8 {
    TABLE.get(usize::from(byte)).copied().unwrap_or_default()
}

fn classes(seen: u8) -> Classes {
    Classes::from_bits(seen & (SEPARATOR - 1)).unwrap_or_default()
}

/// For each byte its class, and at what it cuts.
const MARKS: [u8; 256] = table();
static TABLE: [u8; 256] = MARKS;

#[expect(clippy::indexing_slicing, reason = "a const fn: an index out of bounds does not compile")]
const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        let cuts = match byte {
            b',' | b';' => SEPARATOR,
            b'=' | b':' | b'/' | b'?' | b'&' | b'#' | b'@' | b'"' | b'\'' | b'`' | b'(' | b')' | b'<' | b'>' | b'[' | b']'
            | b'{' | b'}' | b'|' | b'\\' => PUNCTUATION,
            byte if !byte.is_ascii_graphic() => SEPARATOR,
            _ => 0,
        };
        table[byte as usize] = cuts | Classes::of_byte(byte).bits();
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
    fn a_text_is_cut_and_its_bytes_are_known() {
        let pieces: Vec<_> = cut(b"ab1, C-d.", At::Separators).collect();
        let expected: [&[u8]; 3] = [b"ab1", b"", b"C-d."];
        assert_eq!(pieces, expected.map(|piece| (piece, Classes::of(piece))));
        assert_eq!(cut(b"", At::Punctuation).count(), 1);
    }

    proptest! {
        #[test]
        fn it_cuts_like_split(text: Vec<u8>) {
            let punctuation = |b: &u8| b"=:/?&#@\"'`()<>[]{}|\\".contains(b);
            let separators = |b: &u8| !b.is_ascii_graphic() || *b == b',' || *b == b';';
            let pieces: Vec<_> = cut(&text, At::Punctuation).collect();
            prop_assert_eq!(pieces, text.split(punctuation).map(|piece| (piece, Classes::of(piece))).collect::<Vec<_>>());
            let pieces: Vec<_> = cut(&text, At::Separators).collect();
            prop_assert_eq!(pieces, text.split(separators).map(|piece| (piece, Classes::of(piece))).collect::<Vec<_>>());
        }

        #[test]
        fn what_cuts_is_of_the_class_other(byte: u8) {
            prop_assert!(marks(byte) & (SEPARATOR | PUNCTUATION) == 0 || Classes::of(&[byte]) == Classes::OTHER);
        }
    }
}
