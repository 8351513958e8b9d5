//! Percent escapes and base64, read as leniently as any server does.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use stopleak_contract::Token;

/// Resolves the escapes that are well-formed and leaves the others as they are. Borrowed when there is none.
pub fn percent(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%'
            && let [high, low, after @ ..] = after
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            decoded.push(high << 4 | low);
            rest = after;
        } else {
            decoded.push(*first);
        }
    }
    Cow::Owned(decoded)
}

/// Base64 of either alphabet, with or without padding.
pub fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);

    let text = text.trim_ascii();
    if text.len() > 2 * Token::MAX_LEN || !text.iter().all(|&b| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b)) {
        return None;
    }
    let standard: Vec<u8> = text
        .iter()
        .map(|&b| match b {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    ENGINE.decode(standard).ok()
}

/// What Basic encodes. Some servers skip bytes that are not base64, so all of them are skipped here; what cannot be decoded at the end
/// is left out.
pub fn basic(text: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = text.iter().copied().filter_map(digit).collect();
    digits.chunks(4).flat_map(|group| group_bytes(group).into_iter().take(group.len().saturating_sub(1))).collect()
}

/// The bytes of up to four digits; what is missing counts as zero.
fn group_bytes(digits: &[u8]) -> [u8; 3] {
    let bits =
        digits.iter().fold(0_u32, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * 4_usize.saturating_sub(digits.len()));
    let [_, a, b, c] = bits.to_be_bytes();
    [a, b, c]
}

/// The value of a digit of either alphabet.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Resolves `\ooo`, a byte in octal, and takes the backslash away from in front of anything else.
pub fn backslashes(text: &[u8]) -> Vec<u8> {
    let mut resolved = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                resolved.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                resolved.push(*escaped);
                rest = after;
            }
            _ => resolved.push(*first),
        }
    }
    resolved
}

/// Base64 of text. Anywhere, a word may be base64 by chance, but then its bytes are hardly ever all text.
pub fn base64_text(text: &[u8]) -> Option<Vec<u8>> {
    // The first bytes rule most texts out, before anything is allocated.
    for &[a, b, c, d] in text.trim_ascii().as_chunks().0 {
        let (Some(a), Some(b), Some(c), Some(d)) = (digit(a), digit(b), digit(c), digit(d)) else { break };
        if !group_bytes(&[a, b, c, d]).into_iter().all(is_text) {
            return None;
        }
    }
    base64(text).filter(|decoded| decoded.len() >= Token::MIN_LEN && decoded.iter().copied().all(is_text))
}

/// The most bytes that a text can be base64 of: three for four digits, and two for what is left over.
pub fn decoded_length(text: &[u8]) -> usize {
    text.len() / 4 * 3 + 2
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
