//! Where a token that the filter has found stands in what was sent. The token itself is not known: its fingerprint and its length are.

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::{Canonical, Fingerprint, FingerprintKeys};

use super::request::ParsedRequest;

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Span {
    /// The first.
    pub start: usize,
    /// Behind the last.
    pub end: usize,
}

/// What is looked for.
pub struct Needle {
    keys: FingerprintKeys,
    fingerprint: Fingerprint,
    /// Lengths that the text of the token may have.
    lengths: Vec<usize>,
}

/// Bytes that are hashed to find it: some tens of milliseconds.
pub const MAX_HASHED: usize = 32 * 1024 * 1024;
/// BLAKE3 works on blocks.
const BLOCK: usize = 64;
/// A UUID of 32 digits is written with four dashes.
const UUID_DIGITS: usize = 32;
const UUID_DASHES: usize = 4;
/// Longer names are no names, and may be anything.
const MAX_NAME: usize = 64;
/// From this length on, a run of letters and digits is taken for a secret and not shown.
const SECRET_LEN: usize = 16;

impl Needle {
    /// A token with this fingerprint, whose canonical form has so many bytes.
    pub fn new(keys: FingerprintKeys, fingerprint: Fingerprint, length: usize) -> Self {
        let mut lengths = vec![length];
        if length == UUID_DIGITS {
            lengths.push(UUID_DIGITS + UUID_DASHES);
        }
        Self { keys, fingerprint, lengths }
    }

    /// Its first place in a text, as far as that can be told with bounded work. The ends of words are tried first.
    pub fn find(&self, text: &[u8]) -> Option<Span> {
        let mut left = MAX_HASHED;
        for only_at_words in [true, false] {
            for &length in &self.lengths {
                if let Some(start) = self.next(text, 0, length, only_at_words, &mut left) {
                    return Some(Span { start, end: start + length });
                }
            }
        }
        None
    }

    /// Writes over it wherever it stands, and says whether it did. One way through the text for all places: a text may consist of nothing
    /// but this token. `left` is how many bytes may still be hashed, [`MAX_HASHED`] for all of a request.
    pub fn blank(&self, text: &mut [u8], left: &mut usize) -> bool {
        let mut blanked = false;
        for only_at_words in [true, false] {
            for &length in &self.lengths {
                let mut from = 0;
                while let Some(start) = self.next(text, from, length, only_at_words, left) {
                    from = start + length;
                    text[start..from].fill(b'.');
                    blanked = true;
                }
            }
        }
        blanked
    }

    /// Its first place from there on.
    fn next(&self, text: &[u8], from: usize, length: usize, only_at_words: bool, left: &mut usize) -> Option<usize> {
        for (start, window) in text.windows(length.max(1)).enumerate().skip(from) {
            let before = start.checked_sub(1).and_then(|at| text.get(at));
            if only_at_words && before.is_some_and(u8::is_ascii_alphanumeric) {
                continue;
            }
            *left = left.checked_sub(length.max(BLOCK))?;
            if self.is(window) {
                return Some(start);
            }
        }
        None
    }

    fn is(&self, window: &[u8]) -> bool {
        let text = Canonical::of(window);
        text.is_token() && self.keys.iter().any(|key| Fingerprint::of_canonical(key, &text) == self.fingerprint)
    }

    /// Whether it stands there, as it is or percent-encoded.
    fn is_in(&self, text: &[u8]) -> bool {
        self.find(text).is_some() || (text.contains(&b'%') && self.find(&percent_decoded(text)).is_some())
    }
}

/// The name of the cookie that has it.
pub fn cookie(request: &ParsedRequest, needle: &Needle) -> Option<String> {
    let values = request.headers.iter().filter(|(name, _)| name == "cookie");
    values.flat_map(|(_, value)| value.split(|b| *b == b';')).find_map(|pair| name_of(pair.trim_ascii(), needle))
}

/// The name of the query's parameter that has it.
pub fn parameter(request: &ParsedRequest, needle: &Needle) -> Option<String> {
    let (_, query) = request.target.split_once('?')?;
    query.split(['&', ';']).find_map(|pair| name_of(pair.as_bytes(), needle))
}

/// Which segment of the path has it, counted from 1.
pub fn segment(request: &ParsedRequest, needle: &Needle) -> Option<usize> {
    let path = request.target.split('?').next()?;
    path.split('/').skip(1).position(|segment| needle.is_in(segment.as_bytes())).map(|place| place + 1)
}

/// What stands before `=` in a pair whose value has the token.
fn name_of(pair: &[u8], needle: &Needle) -> Option<String> {
    let at = pair.iter().position(|b| *b == b'=')?;
    let (name, value) = pair.split_at(at);
    let is_shown = name.len() <= MAX_NAME
        && name.iter().all(u8::is_ascii_graphic)
        && name.split(|b| !b.is_ascii_alphanumeric()).all(|run| run.len() < SECRET_LEN);
    (needle.is_in(value) && is_shown).then(|| String::from_utf8_lossy(name).into_owned())
}

/// `%41` is `A`; what is no escape stays.
pub fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            decoded.push(high << 4 | low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            decoded.push(*first);
            rest = tail;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use stopleak_contract::Token;

    use super::*;

    fn needle(token: &str) -> Needle {
        let key = stopleak_contract::FingerprintKey::new([7; 32]);
        let (key, token) = (key, Token::parse(token.as_bytes()).unwrap());
        Needle::new(key.clone().into(), Fingerprint::of(&key, &token), token.as_bytes().len())
    }

    #[test]
    fn a_token_is_found_where_it_stands() {
        for (token, text, expected) in [
            ("fake-token-0001", "a fake-token-0001.", Some((2, 17))),
            ("fake-token-0001", "botfake-token-0001", Some((3, 18))),
            ("fake-token-0001", "fake-token-0002", None),
            ("00112233-4455-6677-8899-aabbccddeeff", "id=00112233-4455-6677-8899-AABBCCDDEEFF&", Some((3, 39))),
            ("fake-token-0001", "short", None),
        ] {
            let span = expected.map(|(start, end)| Span { start, end });
            assert_eq!(needle(token).find(text.as_bytes()), span, "{text}");
        }
    }

    #[test]
    fn names_are_told_unless_they_may_be_secrets() {
        let needle = needle("fake-token-0001");
        let mut request = ParsedRequest::default();
        request.target = "/a/fake%2dtoken-0001/b?q=1&api_key=fake-token-0001".to_owned();
        request.header("Cookie", b"a=b; session=fake-token-0001").unwrap();
        assert_eq!(cookie(&request, &needle).as_deref(), Some("session"));
        assert_eq!(parameter(&request, &needle).as_deref(), Some("api_key"));
        assert_eq!(segment(&request, &needle), Some(2));
        request.target = "/?abcdefgh01234567=fake-token-0001".to_owned();
        assert_eq!(parameter(&request, &needle), None);
    }

    #[test]
    fn a_text_of_nothing_but_the_token_is_gone_through_once() {
        let token = "fake-token-0001";
        for text in [format!("{token} "), token.to_owned(), format!("x{token}")] {
            let mut text = text.repeat(super::super::MAX_TEXT / text.len()).into_bytes();
            let mut left = MAX_HASHED;
            assert!(needle(token).blank(&mut text, &mut left));
            assert_eq!(needle(token).find(&text), None, "some are left");
            assert!(!needle(token).blank(&mut text, &mut left));
        }
    }

    #[test]
    fn the_work_is_bounded() {
        let long = vec![b'-'; super::super::MAX_TEXT];
        assert_eq!(Needle { lengths: vec![16_000], ..needle("fake-token-0001") }.find(&long), None);
    }
}
