//! The one form in which a token is fingerprinted, whatever the spelling.

use std::fmt;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Classes, Kind, Token};

/// A text in canonical form, borrowed: what [`Token`] owns, without a copy and whatever its length.
///
/// This is what runs on every candidate of every request, so it looks no closer than it must.
#[derive(Clone, Copy)]
pub struct Canonical<'a> {
    /// The part of the text that counts.
    text: &'a [u8],
    /// What is left to do with it.
    form: Form,
}

/// How the bytes of a text become canonical.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    AsItIs,
    /// In lower case.
    Hex,
    /// In lower case and without dashes.
    Uuid,
}

const UUID_DIGITS: usize = 32;

/// `{"alg":""}` in base64, a dot, and a payload of a character.
const SHORTEST_JWT: usize = 17;

impl<'a> Canonical<'a> {
    /// Brings a text into canonical form.
    #[must_use]
    pub fn of(text: &'a [u8]) -> Self {
        let text = trim(text);
        // Most texts of a request are short, and need no closer look.
        if text.len() < SHORTEST_JWT.min(UUID_DIGITS) {
            return Self { text, form: Form::AsItIs };
        }
        match jwt_signing_input(text) {
            Some(text) => Self { text, form: Form::AsItIs },
            None => Self { text, form: hex_form(text) },
        }
    }

    /// Bytes of the canonical form.
    #[must_use]
    pub fn length(&self) -> usize {
        match self.form {
            Form::AsItIs | Form::Hex => self.text.len(),
            Form::Uuid => UUID_DIGITS,
        }
    }

    /// Kinds of bytes of the canonical form.
    #[must_use]
    pub fn classes(&self) -> Classes {
        let classes = Classes::of(self.text);
        match self.form {
            Form::AsItIs => classes,
            Form::Hex | Form::Uuid if classes.contains(Classes::UPPER) => {
                classes.without(Classes::UPPER).without(Classes::DASH).with(Classes::LOWER)
            }
            Form::Hex | Form::Uuid => classes.without(Classes::DASH),
        }
    }

    /// What the index can tell of it without a fingerprint.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::new(self.length(), self.classes())
    }

    /// Whether [`Token::parse`] would take it: neither too short nor too long.
    #[must_use]
    pub fn is_token(&self) -> bool {
        (Token::MIN_LEN..=Token::MAX_LEN).contains(&self.length())
    }

    /// The bytes of the canonical form, when they are there as they are.
    pub(crate) fn as_it_is(&self) -> Option<&'a [u8]> {
        (self.form == Form::AsItIs).then_some(self.text)
    }

    /// The bytes of the canonical form, one by one.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = u8> {
        let form = self.form;
        self.text.iter().filter(move |&&byte| form != Form::Uuid || byte != b'-').map(move |&byte| match form {
            Form::AsItIs => byte,
            Form::Hex | Form::Uuid => byte.to_ascii_lowercase(),
        })
    }
}

impl fmt::Debug for Canonical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canonical({} bytes, redacted)", self.length())
    }
}

/// Whether a text is a UUID, a hex key, or neither: most texts say so with their first bytes.
fn hex_form(text: &[u8]) -> Form {
    if text.len() < UUID_DIGITS || !text.iter().all(|&b| b.is_ascii_hexdigit() || b == b'-') {
        return Form::AsItIs;
    }
    match text.iter().filter(|&&b| b != b'-').count() {
        UUID_DIGITS => Form::Uuid,
        digits if digits == text.len() => Form::Hex,
        _ => Form::AsItIs,
    }
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
    // In base64, an object begins with `e`, and white space in front of it with one of the others.
    if !matches!(text, [b'e' | b'I' | b'C' | b'D', ..]) {
        return None;
    }
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
