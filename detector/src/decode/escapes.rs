//! Letters written as escapes: `%5F`, `\x5f`, `\u005f`, `\u{5f}`, `&#95;`, `&#x5f;`, `&lowbar;`.

use std::ops::Range;

use super::layer::{Layer, Rate};

/// What the automaton looks for: escapes of ASCII alone, since tokens hold nothing else.
pub(crate) const MARKS: &[&str] = &[
    "%2", "%3", "%4", "%5", "%6", "%7", "\\x2", "\\x3", "\\x4", "\\x5", "\\x6", "\\x7", "\\u00", "\\u{", "&#", "&lowbar;",
    "&hyphen;", "&period;", "&sol;", "&plus;", "&equals;", "&colon;", "&dollar;",
];
/// And how tokens begin in base64 that are shorter than what is taken for base64 otherwise: key IDs of three clouds, and
/// passwords of a database.
pub(crate) const SHORT_MARKS: &[&str] = &["QUtJQ", "QVNJQ", "RE8wM", "U0NX", "bnBnX"];
const NAMED: &[(&str, u8)] = &[
    ("lowbar;", b'_'),
    ("hyphen;", b'-'),
    ("period;", b'.'),
    ("sol;", b'/'),
    ("plus;", b'+'),
    ("equals;", b'='),
    ("colon;", b':'),
    ("dollar;", b'$'),
    ("quot;", b'"'),
    ("apos;", b'\''),
    ("amp;", b'&'),
    ("lt;", b'<'),
    ("gt;", b'>'),
];
/// Escapes that are closer belong together; those that are not leave room for the longest token without one.
const CLOSE: usize = 256;
/// How much of the line in front of an escape is read with it: a name, and what a token begins with.
const BEFORE: usize = 256;
/// How far a token may go on behind its last escape.
const BEHIND: usize = 4_096;
/// No code point has more digits.
const DIGITS_MAX: usize = 8;

/// Where a text has escapes.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    stretches: Vec<Range<usize>>,
    /// Where short texts in base64 begin.
    pub(super) short: Vec<usize>,
}

impl Marks {
    /// Notes what the automaton has found at `offset`: the mark with this number, of [`MARKS`] and then [`SHORT_MARKS`].
    pub(crate) fn note(&mut self, mark: usize, offset: usize) {
        if mark < MARKS.len() { self.add(offset) } else { self.short.push(offset) }
    }

    /// Notes an escape; they come in the order of the text.
    fn add(&mut self, offset: usize) {
        match self.stretches.last_mut() {
            Some(last) if offset < last.end + CLOSE => last.end = last.end.max(offset),
            _ => self.stretches.push(offset..offset),
        }
    }

    /// The parts of the text that are worth decoding.
    pub(super) fn regions<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = Range<usize>> + 't {
        let mut done = 0;
        self.stretches.iter().map(move |stretch| {
            let before = &text[..stretch.start];
            let line = before.iter().rev().take(BEFORE).take_while(|&&byte| byte != b'\n').count();
            let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`<>".contains(byte) || *byte == 0;
            let behind = text[stretch.end..].iter().take(BEHIND).take_while(|&byte| !ends(byte)).count();
            let region = (stretch.start - line).max(done)..stretch.end + behind;
            done = region.end;
            region
        })
    }
}

/// Decodes every escape in the region.
pub(super) fn decode(text: &[u8], region: Range<usize>, budget: usize) -> Option<Layer> {
    if region.len() > budget {
        return None;
    }
    let mut layer = Layer::default();
    layer.mark(region.start, Rate::PLAIN);
    let (mut at, mut changed) = (region.start, false);
    while at < region.end {
        let rest = &text[at..region.end];
        if let Some((byte, length)) = escape(rest) {
            layer.bytes.push(byte);
            at += length;
            layer.mark(at, Rate::PLAIN);
            changed = true;
        } else {
            layer.bytes.push(rest[0]);
            at += 1;
        }
    }
    changed.then_some(layer)
}

/// The byte that an escape at the start of `text` stands for, and the escape's length.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'%', digits @ ..] => hex(digits, 2).map(|byte| (byte, 3)),
        // An escape that is escaped itself is decoded a layer further down.
        [b'\\', b'\\', b'u' | b'x', ..] => Some((b'\\', 2)),
        [b'\\', b'x', digits @ ..] => hex(digits, 2).map(|byte| (byte, 4)),
        [b'\\', b'u', b'{', digits @ ..] => number(digits, 16, b'}').map(|(byte, length)| (byte, length + 3)),
        [b'\\', b'u', digits @ ..] => hex(digits, 4).map(|byte| (byte, 6)),
        [b'&', b'#', b'x' | b'X', digits @ ..] => number(digits, 16, b';').map(|(byte, length)| (byte, length + 3)),
        [b'&', b'#', digits @ ..] => number(digits, 10, b';').map(|(byte, length)| (byte, length + 2)),
        [b'&', rest @ ..] => {
            let named = NAMED.iter().find(|(name, _)| rest.starts_with(name.as_bytes()));
            named.map(|&(name, byte)| (byte, name.len() + 1))
        }
        _ => None,
    }
}

fn hex(text: &[u8], digits: usize) -> Option<u8> {
    text.get(..digits).and_then(|text| value(text, 16)).map(narrow)
}

/// A number that ends with `end`; its length counts that as well.
fn number(text: &[u8], radix: u32, end: u8) -> Option<(u8, usize)> {
    let length = text.iter().take(DIGITS_MAX + 1).position(|&byte| byte == end).filter(|&length| length > 0)?;
    Some((narrow(value(&text[..length], radix)?), length + 1))
}

fn value(digits: &[u8], radix: u32) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, &digit| sum.checked_mul(radix)?.checked_add(char::from(digit).to_digit(radix)?))
}

/// What has no byte of its own must not look like a part of a token.
fn narrow(code: u32) -> u8 {
    u8::try_from(code).unwrap_or(b' ')
}
