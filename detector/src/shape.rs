//! Formats by their parts: most tokens are a prefix, an alphabet and a length, and need no expression of their own.
//!
//! From the parts come the pattern, the keywords, and examples on both sides of the border.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::Checksum;

/// What a name has in it when the value beside it is a secret; `linode_token` has, `linode_commit` has not.
const SECRET_WORDS: &str = "key|token|secret|passw|auth|pat|pwd|cred";
/// A checksum in base 62 takes this much of the length.
const CRC32_LEN: usize = 6;
/// A name, its quotes, an equals sign and a prefix.
const CONTEXT_REACH: usize = 96;
/// A name of the provider says that a value is its secret; the value's letters have to look drawn all the same.
const CONTEXT_ENTROPY: f64 = 3.4;
/// Sixteen letters reach four bits a character at best.
const CONTEXT_ENTROPY_HEX: f64 = 3.0;

/// The parts of a format, as a rule's file spells them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape<'r> {
    pub(crate) prefixes: Vec<&'r str>,
    pub(crate) alphabet: &'r str,
    pub(crate) length: Option<Length>,
    pub(crate) suffix: &'r str,
    pub(crate) context: &'r [String],
    pub(crate) checksum: Checksum,
}

/// One text or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Texts {
    One(String),
    Many(Vec<String>),
}

/// How many characters follow the prefix: a number, or the least and the most.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Length {
    Exactly(usize),
    Between(usize, usize),
}

/// What a rule needs besides, made from its parts.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) pattern: String,
    pub(crate) keywords: Vec<String>,
    /// Between the word of the context and the end of the token.
    pub(crate) window: Option<usize>,
    pub(crate) boundary: &'static str,
    pub(crate) min_entropy: Option<f64>,
    pub(crate) examples: Vec<String>,
    pub(crate) negative_examples: Vec<String>,
}

impl Texts {
    pub(crate) fn all(&self) -> Vec<&str> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

impl Length {
    const fn bounds(self) -> (usize, usize) {
        match self {
            Self::Exactly(length) => (length, length),
            Self::Between(least, most) => (least, most),
        }
    }
}

impl Shape<'_> {
    /// The error says which key is wrong, and why.
    pub(crate) fn make(&self) -> Result<Made, (&'static str, String)> {
        let Some(letters) = class(self.alphabet) else {
            return Err((
                "alphabet",
                format!("`{}` is none: use a name that templates use, such as alnum or hex", self.alphabet),
            ));
        };
        let Some((least, most)) = self.length.map(Length::bounds).filter(|&(least, most)| 0 < least && least <= most) else {
            return Err(("length", "give the number of characters after the prefix, or [least, most]".into()));
        };
        if self.context.is_empty() && self.prefixes.is_empty() {
            return Err(("prefix", "without one, a `context` has to say whose token it is".into()));
        }
        let token = self.token(letters, least, most);
        let (pattern, keywords) = if self.context.is_empty() {
            (token, self.prefixes.iter().map(|&prefix| prefix.to_owned()).collect())
        } else {
            (self.assigned(&token), self.context.to_vec())
        };
        Ok(Made {
            pattern,
            keywords,
            window: (!self.context.is_empty()).then_some(most + CONTEXT_REACH),
            boundary: match self.alphabet {
                "base64url" => "-",
                "base64" => "+/",
                _ => "",
            },
            min_entropy: self.min_entropy(),
            examples: vec![self.example(most, true)],
            negative_examples: self.negative_examples(least, most),
        })
    }

    fn token(&self, letters: &str, least: usize, most: usize) -> String {
        let escaped: Vec<_> = self.prefixes.iter().map(|prefix| regex::escape(prefix)).collect();
        let prefix = match escaped.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            many => format!("(?:{})", many.join("|")),
        };
        format!("{prefix}[{letters}]{{{least},{most}}}{}", regex::escape(self.suffix))
    }

    /// Quotes may be escaped, as they are in a notebook. The token as the value of a name that has one of the words of the context in it, and a word for secrets.
    fn assigned(&self, token: &str) -> String {
        let words: Vec<_> = self.context.iter().map(|word| regex::escape(word)).collect();
        format!(
            r#"(?i:{})[0-9A-Za-z_. -]{{0,24}}(?i:{SECRET_WORDS})[0-9A-Za-z_]{{0,12}}(?:\\?["'\]]){{0,2}}\s{{0,4}}(?:=>|:=|[=:,])\s{{0,4}}\\?["']?({token})"#,
            words.join("|")
        )
    }

    fn min_entropy(&self) -> Option<f64> {
        if self.context.is_empty() {
            return None;
        }
        Some(match self.alphabet {
            "hex" | "upper_hex" => CONTEXT_ENTROPY_HEX,
            "digits" => 0.0,
            _ => CONTEXT_ENTROPY,
        })
    }

    /// A template of a token with so many characters after its prefix, and a checksum that is right or by chance only.
    fn example(&self, length: usize, proved: bool) -> String {
        let mut token = self.prefixes.first().copied().unwrap_or_default().to_owned();
        // Writing to a string cannot fail.
        let _ = match self.checksum {
            Checksum::Crc32Base62 if proved => {
                write!(token, "{{{}:{}}}{{crc32}}", self.alphabet, length.saturating_sub(CRC32_LEN))
            }
            _ => write!(token, "{{{}:{length}}}", self.alphabet),
        };
        token.push_str(self.suffix);
        match self.context.first() {
            Some(word) => format!("{word}_api_key = \"<{token}>\""),
            None => token,
        }
    }

    /// One character less, and one more.
    fn negative_examples(&self, least: usize, most: usize) -> Vec<String> {
        let mut lengths = vec![most + 1];
        lengths.extend((least > 1).then_some(least - 1));
        lengths.extend((self.checksum == Checksum::Crc32Base62).then_some(least));
        lengths.into_iter().map(|length| self.example(length, false)).collect()
    }
}

/// The letters of an alphabet as an expression's class, under the names that templates use.
fn class(alphabet: &str) -> Option<&'static str> {
    Some(match alphabet {
        "digits" => "0-9",
        "hex" => "0-9a-f",
        "upper_hex" => "0-9A-F",
        "lower" => "0-9a-z",
        "upper" => "0-9A-Z",
        "letters" => "A-Za-z",
        "alnum" => "0-9A-Za-z",
        "base32" => "A-Z2-7",
        "base32_lower" => "a-z2-7",
        "base58" => "1-9A-HJ-NP-Za-km-z",
        "base64" => "0-9A-Za-z+/",
        "base64url" => "0-9A-Za-z_-",
        _ => return None,
    })
}
