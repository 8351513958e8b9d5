//! A token's text, in the one form that is fingerprinted.

mod canonical;
mod kind;
mod weakness;

use std::fmt;

use zeroize::Zeroizing;

pub use self::canonical::Canonical;
pub(crate) use self::kind::clamp;
pub use self::kind::{Classes, Kind};
use self::weakness::{entropy, is_ordinary, is_placeholder};

/// The secret bytes of a token in canonical form.
///
/// Two texts that an upstream would accept as the same token have the same canonical form:
/// - white space, control characters and wrapping quotes around it are gone;
/// - a JWT is its signing input, `header.payload`: the signature can be varied without becoming invalid;
/// - a UUID is its 32 hex digits: servers read it with dashes anywhere or nowhere;
/// - plain hex of 32 or more digits is lower-case;
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
    /// Without a digit, or of the kind that every other request has: a media type, a directive, a product, a host.
    Ordinary,
    /// Too few different characters to be random.
    LowEntropy,
}

impl Token {
    /// Shorter texts are refused.
    pub const MIN_LEN: usize = 6;
    /// Longer texts are refused: more than any header that servers commonly accept.
    pub const MAX_LEN: usize = 16 * 1024;
    /// Shorter tokens have [`Weakness::Short`].
    pub const COMFORTABLE_LEN: usize = 12;
    /// Bits for each character below which a text is not random; plain hex has 4, English words have about 3.
    const MIN_ENTROPY: f64 = 2.5;

    /// Brings a text into canonical form.
    pub fn parse(text: &[u8]) -> Result<Self, TokenError> {
        let canonical = Canonical::of(text);
        match canonical.length() {
            got if got < Self::MIN_LEN => Err(TokenError::TooShort { got }),
            got if got > Self::MAX_LEN => Err(TokenError::TooLong { got }),
            length => {
                // With room for all of it: growing would leave copies behind that are not overwritten.
                let mut bytes = Zeroizing::new(Vec::with_capacity(length));
                bytes.extend(canonical.bytes());
                Ok(Self(bytes))
            }
        }
    }

    /// What the index can tell of it without its fingerprint.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::new(self.0.len(), Classes::of(&self.0))
    }

    /// The secret itself: for hashing and for searching, never for showing.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What people may see of the token, such as `ghp_…x9Q2`: at most 4 characters of either end and never over a third in all.
    #[must_use]
    pub fn preview(&self) -> String {
        let shown = Self::shown_at_each_end(self.0.len());
        let visible =
            |bytes: &[u8]| -> String { bytes.iter().map(|&b| if b.is_ascii_graphic() { char::from(b) } else { '·' }).collect() };
        let head = self.0.get(..shown).map(visible).unwrap_or_default();
        let tail = self.0.get(self.0.len() - shown..).map(visible).unwrap_or_default();
        format!("{head}…{tail}")
    }

    /// Bytes of either end that a preview shows of a token of this length.
    #[must_use]
    pub const fn shown_at_each_end(length: usize) -> usize {
        if length < 24 { length / 6 } else { 4 }
    }

    /// What makes the token dangerous to block, if anything.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        if is_placeholder(&self.0) {
            Some(Weakness::Placeholder)
        } else if self.0.len() < Self::COMFORTABLE_LEN {
            Some(Weakness::Short)
        } else if is_ordinary(&self.0) {
            Some(Weakness::Ordinary)
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
            Self::Ordinary => "ordinary",
            Self::LowEntropy => "low_entropy",
        }
    }
}

#[cfg(test)]
mod tests;
