//! Well-formed fake tokens, made at run time.
//!
//! A token that is written down in a repository sets off every scanner that reads it. So examples are templates:
//! `ghp_{alnum:30}{crc32}` becomes a token with a right checksum, the same one for the same seed. Text around the
//! token is kept apart by marking the token: `key = "<sk_live_{alnum:24}>"`.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::{Rules, checksum};

const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const UPPER_HEX: &str = "0123456789ABCDEF";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ALNUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE32_LOWER: &str = "abcdefghijklmnopqrstuvwxyz234567";
const BASE58: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const PEM_BYTES: usize = 600;
const PEM_LINE: usize = 64;

/// A fake token with the text around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The whole text.
    pub text: String,
    /// Where the token stands in it.
    pub span: Range<usize>,
}

/// Makes a well-formed fake token of the built-in rule `rule`, or `None` when there is no such rule.
///
/// It compiles no pattern but reads every rule, so keep a [`Rules`] and use [`crate::Rule::example`] in a loop.
#[must_use]
pub fn token(rule: &str, seed: u64) -> Option<String> {
    Rules::built_in().get(rule).map(|rule| rule.example(seed).token().to_owned())
}

impl Example {
    /// The token alone.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.text[self.span.clone()]
    }

    pub(crate) fn expand(template: &str, seed: u64) -> Self {
        let salt = u64::from(crc32fast::hash(template.as_bytes()));
        let mut maker =
            Maker { random: Random(seed ^ salt << 32 ^ salt), text: String::new(), last: 0..0, start: None, end: None };
        let mut rest = template;
        while let Some(cut) = rest.find(['{', '<', '>']) {
            maker.text.push_str(&rest[..cut]);
            let mark = rest.as_bytes()[cut];
            rest = &rest[cut + 1..];
            match mark {
                b'<' => maker.start = Some(maker.text.len()),
                b'>' => maker.end = Some(maker.text.len()),
                _ => {
                    let (field, after) = rest.split_once('}').unwrap_or((rest, ""));
                    maker.field(field);
                    rest = after;
                }
            }
        }
        maker.text.push_str(rest);
        let span = maker.start.unwrap_or(0)..maker.end.unwrap_or(maker.text.len());
        Self { text: maker.text, span }
    }

    /// The first field of these templates that [`Example::expand`] would not know.
    pub(crate) fn first_unknown<'t>(templates: impl Iterator<Item = &'t String>) -> Option<String> {
        let fields = templates.flat_map(|template| template.split('{').skip(1));
        let names = fields.map(|field| field.split(['}', ':']).next().unwrap_or_default());
        let known = |name: &str| alphabet(name).is_some() || OTHER_FIELDS.contains(&name);
        names.into_iter().find(|name| !known(name)).map(str::to_owned)
    }
}

/// The fields that are no alphabet: see [`Maker::field`].
const OTHER_FIELDS: &[&str] =
    &["lit", "uuid", "crc32", "crc32_hex", "crc32_parts", "crc16", "bech32", "bech32_lower", "jwt", "pem", "base64_of"];

struct Maker {
    random: Random,
    text: String,
    /// The last random stretch, over which a checksum is made.
    last: Range<usize>,
    start: Option<usize>,
    end: Option<usize>,
}

impl Maker {
    fn field(&mut self, field: &str) {
        let (name, argument) = field.split_once(':').unwrap_or((field, ""));
        let from = self.text.len();
        let token_from = self.start.unwrap_or(0);
        let piece = match name {
            // Keeps a text from being written down as other scanners look for it.
            "lit" => argument.to_owned(),
            "uuid" => [8, 4, 4, 4, 12].map(|len| self.random.draw(HEX, len)).join("-"),
            "crc32" => checksum::crc32_base62(self.text[self.last.clone()].as_bytes()),
            "crc32_hex" => checksum::crc32_hex(self.text[token_from..].trim_end_matches('_').as_bytes()),
            "crc32_parts" => checksum::crc32_base62(self.text[token_from..].trim_end_matches('_').as_bytes()),
            "bech32" => {
                let data = self.random.draw(BECH32, 52);
                checksum::bech32(argument, &data).to_uppercase()
            }
            "bech32_lower" => checksum::bech32(argument, &self.random.draw(BECH32, 52)),
            "crc16" => checksum::crc16_base32(&self.text[token_from..]),
            "jwt" => self.jwt(),
            "pem" => self.pem(argument),
            "base64_of" => URL_SAFE_NO_PAD.encode(argument),
            alphabetic => {
                let letters = alphabet(alphabetic).unwrap_or(ALNUM);
                self.random.draw(letters, argument.parse().unwrap_or(0))
            }
        };
        self.text.push_str(&piece);
        if alphabet(name).is_some() {
            self.last = from..self.text.len();
        }
    }

    fn jwt(&mut self) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = format!(r#"{{"sub":"{}","iat":1700000000}}"#, self.random.draw(LOWER, 16));
        format!("{header}.{}.{}", URL_SAFE_NO_PAD.encode(claims), self.random.draw(BASE64URL, 43))
    }

    fn pem(&mut self, label: &str) -> String {
        let bytes: Vec<u8> = (0..PEM_BYTES).map(|_| self.random.next().to_le_bytes()[0]).collect();
        let body = STANDARD.encode(bytes);
        let lines: Vec<_> = body.as_bytes().chunks(PEM_LINE).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"))
    }
}

fn alphabet(name: &str) -> Option<&'static str> {
    Some(match name {
        "digits" => DIGITS,
        "hex" => HEX,
        "upper_hex" => UPPER_HEX,
        "lower" => LOWER,
        "upper" => UPPER,
        "letters" => LETTERS,
        "alnum" => ALNUM,
        "base32" => BASE32,
        "base32_lower" => BASE32_LOWER,
        "base58" => BASE58,
        "base64" => BASE64,
        "base64url" => BASE64URL,
        _ => return None,
    })
}

/// `SplitMix64`: tiny, and good enough to look random. Nothing secret comes from it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn draw(&mut self, alphabet: &str, len: usize) -> String {
        let letters = alphabet.as_bytes();
        let pick = |number: u64| char::from(letters[usize::try_from(number >> 33).unwrap_or_default() % letters.len()]);
        (0..len).map(|_| pick(self.next())).collect()
    }
}
