//! The one form in which a token is fingerprinted, whatever the spelling.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// How the bytes of a text become canonical.
#[derive(Clone, Copy)]
pub enum Form {
    /// As they are.
    AsItIs,
    /// In lower case.
    Hex,
    /// In lower case and without dashes.
    Uuid,
}

impl Form {
    /// Bytes of the canonical form.
    pub fn length(self, text: &[u8]) -> usize {
        match self {
            Self::AsItIs | Self::Hex => text.len(),
            Self::Uuid => UUID_DIGITS,
        }
    }
}

const UUID_DIGITS: usize = 32;

/// `{"alg":""}` in base64, a dot, and a payload of a character.
const SHORTEST_JWT: usize = 17;

/// The part of a text that counts, and what is left to do with it.
pub fn canonical(text: &[u8]) -> (&[u8], Form) {
    let text = trim(text);
    // Most texts of a request are short, and need no closer look.
    if text.len() < SHORTEST_JWT.min(UUID_DIGITS) {
        return (text, Form::AsItIs);
    }
    let text = jwt_signing_input(text).unwrap_or(text);
    let (digits, dashes) = text.iter().fold((0, 0), |(digits, dashes), b| match b {
        b'-' => (digits, dashes + 1),
        b if b.is_ascii_hexdigit() => (digits + 1, dashes),
        _ => (digits, dashes),
    });
    let form = match digits {
        UUID_DIGITS if digits + dashes == text.len() => Form::Uuid,
        UUID_DIGITS.. if digits == text.len() => Form::Hex,
        _ => Form::AsItIs,
    };
    (text, form)
}

/// Removes what servers trim and wrapping quotes until neither is left, so that trimming twice changes nothing.
fn trim(mut text: &[u8]) -> &[u8] {
    loop {
        if let [first, .., last] = text
            && first.is_ascii_alphanumeric()
            && last.is_ascii_alphanumeric()
        {
            return text;
        }
        let before = text.len();
        text = trim_controls(text);
        if let [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] | [b'`', inner @ .., b'`'] = text {
            text = inner;
        }
        text = BLANKS.iter().find_map(|blank| text.strip_prefix(*blank)).unwrap_or(text);
        text = BLANKS.iter().find_map(|blank| text.strip_suffix(*blank)).unwrap_or(text);
        if text.len() == before {
            return text;
        }
    }
}

/// Takes ASCII white space and control characters off both ends.
fn trim_controls(text: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| *b <= b' ' || *b == 0x7f;
    let start = text.iter().position(|b| !is_blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_blank(b)).map_or(start, |at| at + 1);
    text.get(start..end).unwrap_or_default()
}

/// White space outside of ASCII, as UTF-8 before Latin-1, and the byte-order mark: some servers trim all of it.
const BLANKS: [&[u8]; 14] = [
    b"\xc2\x85",
    b"\xc2\xa0",
    b"\xe2\x80\x82",
    b"\xe2\x80\x83",
    b"\xe2\x80\x89",
    b"\xe2\x80\x8a",
    b"\xe2\x80\x8b",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
    b"\xe2\x80\xaf",
    b"\xe3\x80\x80",
    b"\xef\xbb\xbf",
    b"\x85",
    b"\xa0",
];

/// `header.payload` of `header.payload.signature`, when the header is a JSON object in base64 that names an algorithm.
fn jwt_signing_input(text: &[u8]) -> Option<&[u8]> {
    let mut dots = text.iter().enumerate().filter(|&(_, &b)| b == b'.').map(|(i, _)| i);
    let (first, second) = (dots.next()?, dots.next()?);
    if dots.next().is_some() {
        return None;
    }
    let (header, payload) = (text.get(..first)?, text.get(first + 1..second)?);
    let is_base64url = |part: &[u8]| part.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if payload.is_empty() || !is_base64url(header) || !is_base64url(payload) {
        return None;
    }
    let header = LENIENT.decode(header).ok()?;
    let header = header.trim_ascii();
    let is_object = header.starts_with(b"{") && header.ends_with(b"}");
    (is_object && header.windows(5).any(|window| window == b"\"alg\"")).then(|| text.get(..second))?
}

/// Some JWT libraries ignore the unused bits of the last character.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);
