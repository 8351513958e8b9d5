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

/// Base64 of text. Anywhere, a word may be base64 by chance, but then its bytes are hardly ever all text.
pub fn base64_text(text: &[u8]) -> Option<Vec<u8>> {
    base64(text).filter(|decoded| {
        decoded.len() >= Token::MIN_LEN && decoded.iter().all(|&b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    })
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
