//! What a token's own text proves: checksums that some providers build into their tokens, and structures that
//! must decode.

use serde::Deserialize;

use crate::jwt;

/// How a format can be checked without asking anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// The text proves nothing.
    #[default]
    None,
    /// The last six characters are the CRC32 of what stands between the prefix and them, in base 62
    /// (GitHub, npm, Stopleak).
    Crc32Base62,
    /// After the last `_`, the CRC32 of everything before it, little endian, in hex (Grafana).
    Crc32Hex,
    /// After the last `_`, the CRC32 of everything before it, in base 62 (Matrix).
    Crc32Base62Parts,
    /// In base 32, of which the last two bytes are the CRC16 of those before, little endian (NATS, Stellar).
    Crc16Base32,
    /// The last six characters are the checksum of a Bech32 string (age, Nostr).
    Bech32,
    /// Three base64url parts, of which the first is a JSON object with `alg`, the second a JSON object.
    Jwt,
}

/// What a check says of one match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The checksum is right: chance alone would need a billion tries.
    Certain,
    /// The structure is right, or there was nothing to check.
    Plausible,
    /// This is no token, however much it looks like one.
    Wrong,
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const BECH32_GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// Both base-62 and Bech32 checksums take six characters.
const CHECKSUM_LEN: usize = 6;

/// The CRC32 of `body` as six base-62 digits: the checksum that GitHub, npm and Stopleak append to their tokens.
#[must_use]
pub fn crc32_base62(body: &[u8]) -> String {
    let mut rest = crc32fast::hash(body) as usize;
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[rest % 62];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

impl Checksum {
    /// Checks `token`, whose first `prefix` bytes are the format's fixed prefix.
    pub(crate) fn prove(self, token: &[u8], prefix: usize) -> Proof {
        let right = match self {
            Self::None => return Proof::Plausible,
            Self::Jwt => return if jwt::read(token).is_some() { Proof::Plausible } else { Proof::Wrong },
            Self::Crc32Base62 => is_crc32_base62(token, prefix),
            Self::Crc32Base62Parts => is_crc32_base62_parts(token),
            Self::Crc32Hex => is_crc32_hex(token),
            Self::Crc16Base32 => is_crc16_base32(token),
            Self::Bech32 => is_bech32(token),
        };
        if right { Proof::Certain } else { Proof::Wrong }
    }
}

/// The checksum of Grafana's tokens, for `before` up to but without the last `_`.
pub(crate) fn crc32_hex(before: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(before).swap_bytes())
}

/// Appends the Bech32 checksum to `data`, given in the Bech32 alphabet, under the lower-case `name`.
pub(crate) fn bech32(name: &str, data: &str) -> String {
    let values: Vec<u8> = data.bytes().filter_map(bech32_value).collect();
    let remainder = polymod(name.as_bytes(), values.iter().copied().chain([0; CHECKSUM_LEN])) ^ 1;
    let checksum = (0..CHECKSUM_LEN).map(|place| {
        let shift = 5 * (CHECKSUM_LEN - 1 - place);
        char::from(BECH32[(remainder >> shift) as usize & 31])
    });
    format!("{name}1{data}{}", checksum.collect::<String>())
}

fn is_crc32_base62(token: &[u8], prefix: usize) -> bool {
    let Some(rest) = token.get(prefix..) else { return false };
    let Some((body, checksum)) = rest.split_last_chunk::<CHECKSUM_LEN>() else { return false };
    crc32_base62(body).as_bytes() == checksum
}

fn is_crc32_base62_parts(token: &[u8]) -> bool {
    let Some(cut) = token.iter().rposition(|&byte| byte == b'_') else { return false };
    crc32_base62(&token[..cut]).as_bytes() == &token[cut + 1..]
}

fn is_crc32_hex(token: &[u8]) -> bool {
    let Some(cut) = token.iter().rposition(|&byte| byte == b'_') else { return false };
    crc32_hex(&token[..cut]).as_bytes().eq_ignore_ascii_case(&token[cut + 1..])
}

fn is_crc16_base32(token: &[u8]) -> bool {
    let bytes = from_base32(token);
    let Some((body, sum)) = bytes.split_last_chunk::<2>() else { return false };
    crc16(body).to_le_bytes() == *sum
}

/// Ends a text in base 32, whose last characters are replaced, so that [`Checksum::Crc16Base32`] holds: for examples.
pub(crate) fn crc16_base32(text: &str) -> String {
    // Four characters are the least that hold sixteen bits; the first of them may share bits with the text, so it is searched for.
    let letters = || BASE32.iter().map(|&letter| char::from(letter));
    let with = |ending: &[char]| text.chars().chain(ending.iter().copied()).collect::<String>();
    for first in letters() {
        let bytes = from_base32(with(&[first, 'A', 'A', 'A']).as_bytes());
        let Some((body, _)) = bytes.split_last_chunk::<2>() else { continue };
        let whole: Vec<u8> = body.iter().copied().chain(crc16(body).to_le_bytes()).collect();
        let encoded = to_base32(&whole);
        if encoded.starts_with(text) && encoded[text.len()..].starts_with(first) {
            return encoded[text.len()..].to_owned();
        }
    }
    String::new()
}

pub(crate) fn from_base32(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for value in text.iter().filter_map(|&letter| BASE32.iter().position(|&other| other == letter)) {
        bits = bits << 5 | u32::try_from(value).unwrap_or_default();
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

fn to_base32(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut held) = (String::new(), 0_u32, 0);
    for &byte in bytes {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(BASE32[(bits >> held & 31) as usize]));
        }
    }
    if held > 0 {
        text.push(char::from(BASE32[(bits << (5 - held) & 31) as usize]));
    }
    text
}

/// The CRC16 that is called XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, &byte| {
        (0..8).fold(sum ^ u16::from(byte) << 8, |sum, _| if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 })
    })
}

fn is_bech32(token: &[u8]) -> bool {
    let lower = token.to_ascii_lowercase();
    let Some(cut) = lower.iter().rposition(|&byte| byte == b'1') else { return false };
    let values: Option<Vec<u8>> = lower[cut + 1..].iter().map(|&byte| bech32_value(byte)).collect();
    values.is_some_and(|values| polymod(&lower[..cut], values) == 1)
}

fn bech32_value(letter: u8) -> Option<u8> {
    let place = BECH32.iter().position(|&other| other == letter)?;
    u8::try_from(place).ok()
}

fn polymod(name: &[u8], values: impl IntoIterator<Item = u8>) -> u32 {
    let high = name.iter().map(|byte| byte >> 5);
    let low = name.iter().map(|byte| byte & 31);
    high.chain([0]).chain(low).chain(values).fold(1, |state, value| {
        let shifted = (state & 0x01ff_ffff) << 5 ^ u32::from(value);
        BECH32_GENERATORS.iter().enumerate().fold(
            shifted,
            |sum, (bit, generator)| {
                if state >> 25 >> bit & 1 == 1 { sum ^ generator } else { sum }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn the_crc32_is_padded_with_zeros() {
        let short = (0_u32..9_999).map(|n| crc32_base62(&n.to_le_bytes())).find(|sum| sum.starts_with('0'));
        assert_eq!(short.map(|sum| sum.len()), Some(6));
    }

    #[test]
    fn a_token_shorter_than_its_checksum_is_wrong() {
        assert_eq!(Checksum::Crc32Base62.prove(b"ghp_ab", 4), Proof::Wrong);
        assert_eq!(Checksum::Crc32Base62.prove(b"gh", 4), Proof::Wrong);
        assert_eq!(Checksum::Crc32Hex.prove(b"glsa", 4), Proof::Wrong);
        assert_eq!(Checksum::Bech32.prove(b"AGE", 0), Proof::Wrong);
    }

    #[test]
    fn bech32_agrees_with_a_vector_of_its_specification() {
        assert_eq!(Checksum::Bech32.prove(b"A12UEL5L", 0), Proof::Certain);
        assert_eq!(bech32("a", ""), "a12uel5l");
    }

    #[test]
    fn crc16_agrees_with_the_known_check_value() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        let seed = format!("SUAOB{}", "C3".repeat(25));
        let seed = &seed[..54];
        let whole = format!("{seed}{}", crc16_base32(seed));
        assert_eq!((whole.len(), Checksum::Crc16Base32.prove(whole.as_bytes(), 3)), (58, Proof::Certain), "{whole}");
    }

    #[test]
    fn a_jwt_must_say_its_algorithm() {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let jwt = |header: &str, claims: &str| format!("{}.{}.c2ln", part(header), part(claims));
        let prove = |text: String| Checksum::Jwt.prove(text.as_bytes(), 0);
        assert_eq!(prove(jwt(r#"{"alg": "HS256"}"#, r#"{"sub":"7"}"#)), Proof::Plausible);
        assert_eq!(prove(jwt(r#"{"typ":"JWT"}"#, r#"{"sub":"7"}"#)), Proof::Wrong);
        assert_eq!(prove(jwt(r#"{"alg":"HS256"}"#, "no object")), Proof::Wrong);
        assert_eq!(prove(jwt(r#"{"alg":"HS256"}"#, r#"{"sub":"1234567890","name":"John Doe"}"#)), Proof::Wrong);
    }
}
