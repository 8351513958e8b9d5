//! A token's text, in the one form that is fingerprinted.

use std::fmt;

use zeroize::Zeroizing;

/// The secret bytes of a token in canonical form.
///
/// Two texts that an upstream would accept as the same token have the same canonical form:
/// - ASCII white space around it and wrapping quotes are gone;
/// - a JWT is its signing input, `header.payload`: the signature can be varied without becoming invalid;
/// - UUIDs and plain hex of 32 or more digits are lower-case;
/// - anything else stays as it is.
///
/// The bytes are overwritten when the token is dropped, and neither `Debug` nor any serialisation shows them.
pub struct Token(Zeroizing<Vec<u8>>);

/// Why a text is not taken as a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A shorter text would match by accident in ordinary traffic.
    #[error("too_short: a token needs at least {min} bytes, this one has {got}", min = Token::MIN_LEN)]
    TooShort {
        /// Bytes after trimming.
        got: usize,
    },
    /// The work for one candidate has to be bounded.
    #[error("too_long: a token has at most {max} bytes, this one has {got}", max = Token::MAX_LEN)]
    TooLong {
        /// Bytes after trimming.
        got: usize,
    },
}

/// Why a token must not be blocked before somebody confirmed that it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// 6 to 11 bytes.
    Short,
    /// A text that documentation and templates use in a token's place.
    Placeholder,
    /// Too few different characters to be random.
    LowEntropy,
}

impl Token {
    /// Shorter texts are refused.
    pub const MIN_LEN: usize = 6;
    /// Longer texts are refused: more than any header that servers commonly accept.
    pub const MAX_LEN: usize = 16 * 1024;
    /// Shorter tokens have [`Weakness::Short`].
    const COMFORTABLE_LEN: usize = 12;
    /// Bits for each character below which a text is not random; plain hex has 4, English words have about 3.
    const MIN_ENTROPY: f64 = 2.5;

    /// Brings a text into canonical form.
    pub fn parse(text: &[u8]) -> Result<Self, TokenError> {
        let text = canonical(text);
        match text.len() {
            got if got < Self::MIN_LEN => return Err(TokenError::TooShort { got }),
            got if got > Self::MAX_LEN => return Err(TokenError::TooLong { got }),
            _ => {}
        }
        let mut bytes = Zeroizing::new(text.to_vec());
        if is_case_insensitive(&bytes) {
            bytes.make_ascii_lowercase();
        }
        Ok(Self(bytes))
    }

    /// How many bytes the canonical form of a text has, also when it would be refused.
    #[must_use]
    pub fn canonical_length(text: &[u8]) -> usize {
        canonical(text).len()
    }

    /// The secret itself: for hashing and for searching, never for showing.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What people may see of the token, such as `ghp_…x9Q2`: at most 4 characters of either end and never over a third in all.
    #[must_use]
    pub fn preview(&self) -> String {
        let shown = (self.0.len() / 6).min(4);
        let visible =
            |bytes: &[u8]| -> String { bytes.iter().map(|&b| if b.is_ascii_graphic() { char::from(b) } else { '·' }).collect() };
        let head = self.0.get(..shown).map(visible).unwrap_or_default();
        let tail = self.0.get(self.0.len() - shown..).map(visible).unwrap_or_default();
        format!("{head}…{tail}")
    }

    /// What makes the token dangerous to block, if anything.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        if is_placeholder(&self.0) {
            Some(Weakness::Placeholder)
        } else if self.0.len() < Self::COMFORTABLE_LEN {
            Some(Weakness::Short)
        } else if entropy(&self.0) < Self::MIN_ENTROPY {
            Some(Weakness::LowEntropy)
        } else {
            None
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes, redacted)", self.0.len())
    }
}

impl Weakness {
    /// The word for API and database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Placeholder => "placeholder",
            Self::LowEntropy => "low_entropy",
        }
    }
}

/// The part of a text that is its canonical form, but for the case of letters.
fn canonical(text: &[u8]) -> &[u8] {
    let text = trim(text);
    jwt_signing_input(text).unwrap_or(text)
}

/// Removes white space and wrapping quotes until neither is left, so that trimming twice changes nothing.
fn trim(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii();
        match text {
            [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] | [b'`', inner @ .., b'`'] => text = inner,
            _ => return text,
        }
    }
}

/// `header.payload` of `header.payload.signature`. A JWT's header is a JSON object, so it begins with `{"` in base64: `eyJ`.
fn jwt_signing_input(text: &[u8]) -> Option<&[u8]> {
    if !text.starts_with(b"eyJ") {
        return None;
    }
    let mut dots = text.iter().enumerate().filter(|&(_, &b)| b == b'.').map(|(i, _)| i);
    let (first, second) = (dots.next()?, dots.next()?);
    if dots.next().is_some() {
        return None;
    }
    let (header, payload) = (text.get(..first)?, text.get(first + 1..second)?);
    let is_base64url = |part: &[u8]| part.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (!payload.is_empty() && is_base64url(header) && is_base64url(payload)).then(|| text.get(..second))?
}

/// Servers accept UUIDs and hex keys in either case.
fn is_case_insensitive(text: &[u8]) -> bool {
    let plain_hex = text.len() >= 32 && text.iter().all(u8::is_ascii_hexdigit);
    let uuid = text.len() == 36
        && text.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    plain_hex || uuid
}

/// Covers the documented example keys of the large providers too: they contain the word "example".
fn is_placeholder(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 7] = [b"changeme", b"change_me", b"change-me", b"example", b"placeholder", b"xxxx", b"your_"];
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    WORDS.iter().any(|word| lower.windows(word.len()).any(|w| w == *word))
}

/// Shannon entropy in bits for each byte.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in text {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a token has at most 16 KiB")]
    let total = text.len() as f64;
    counts.iter().filter(|&&c| c > 0).map(|&c| f64::from(c) / total).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(Token::parse(text.as_bytes()).unwrap().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn white_space_and_wrapping_quotes_do_not_count() {
        for text in ["abcdef-1", " abcdef-1\r\n", "\"abcdef-1\"", "' abcdef-1 '", "`\"abcdef-1\"`"] {
            assert_eq!(canonical(text), "abcdef-1", "{text:?}");
        }
        assert_eq!(canonical("\"abcdef"), "\"abcdef", "a single quote belongs to the token");
    }

    #[test]
    fn a_jwt_is_its_signing_input() {
        for signature in ["c2ln", "c2lo", "c2ln==", ""] {
            assert_eq!(canonical(&format!("eyJhbGciOiJ.eyJzdWIi.{signature}")), "eyJhbGciOiJ.eyJzdWIi");
        }
        assert_eq!(canonical("eyJhbG.eyJzdW.iv.ct.tag"), "eyJhbG.eyJzdW.iv.ct.tag", "five parts are an encrypted token");
        assert_eq!(canonical("a.b.c.d.e.f"), "a.b.c.d.e.f");
        assert_eq!(canonical("host.name.example"), "host.name.example");
    }

    #[test]
    fn uuids_and_hex_keys_are_lower_case_and_nothing_else() {
        assert_eq!(canonical("0A1B2C3D-0A1B-0A1B-0A1B-0A1B2C3D4E5F"), "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f");
        assert_eq!(canonical("0123456789ABCDEF0123456789ABCDEF"), "0123456789abcdef0123456789abcdef");
        assert_eq!(canonical("0123456789ABCDEF"), "0123456789ABCDEF", "short hex may be case-sensitive");
        assert_eq!(canonical("AbCdEfGhIj"), "AbCdEfGhIj");
    }

    #[test]
    fn five_bytes_are_too_short_and_six_are_not() {
        assert_eq!(Token::parse(b" 12345 ").unwrap_err(), TokenError::TooShort { got: 5 });
        assert!(Token::parse(b"123456").is_ok());
        let long = vec![b'a'; Token::MAX_LEN + 1];
        assert_eq!(Token::parse(&long).unwrap_err(), TokenError::TooLong { got: Token::MAX_LEN + 1 });
    }

    #[test]
    fn a_token_never_shows_itself() {
        let token = Token::parse(b"sk_fake_0123456789").unwrap();
        assert_eq!(format!("{token:?}"), "Token(18 bytes, redacted)");
        assert_eq!(token.preview(), "sk_…789");
        assert_eq!(Token::parse(&[b'a'; 48]).unwrap().preview(), "aaaa…aaaa");
        assert_eq!(Token::parse(b"abcdef").unwrap().preview(), "a…f");
        assert_eq!(Token::parse(b"\xffbcde\n\x01").unwrap().preview(), "·…·");
    }

    #[test]
    fn weak_tokens_are_recognised() {
        let weakness = |text: &str| Token::parse(text.as_bytes()).unwrap().weakness();
        assert_eq!(weakness("s3cr3t-pw"), Some(Weakness::Short));
        assert_eq!(weakness("ChangeMe"), Some(Weakness::Placeholder));
        assert_eq!(weakness("AKIA-SOMETHING-EXAMPLE"), Some(Weakness::Placeholder));
        assert_eq!(weakness("key-xxxxxxxxxxxxxxxx"), Some(Weakness::Placeholder));
        assert_eq!(weakness("abababababababab"), Some(Weakness::LowEntropy));
        assert_eq!(weakness("fk_9aQ7zLm2Xw4RtB8v"), None);
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own_canonical_form(text in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(once) = Token::parse(&text) {
                prop_assert_eq!(Token::canonical_length(&text), once.as_bytes().len());
                let twice = Token::parse(once.as_bytes()).unwrap();
                prop_assert_eq!(once.as_bytes(), twice.as_bytes());
            }
        }

        #[test]
        fn a_preview_shows_a_third_at_most(text in "[!-~]{6,200}") {
            if let Ok(token) = Token::parse(text.as_bytes()) {
                prop_assert!((token.preview().chars().count() - 1) * 3 <= token.as_bytes().len());
            }
        }
    }
}
