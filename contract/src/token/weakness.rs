//! What makes a token dangerous to block.

use zeroize::Zeroizing;

/// What is part of ordinary requests: blocking it would block everybody.
pub fn is_ordinary(text: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 9] =
        [b"mozilla/", b"application/", b"text/", b"image/", b"multipart/", b"http://", b"https://", b"max-age=", b"www."];
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    !text.iter().any(u8::is_ascii_digit) || BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning))
}

/// Covers the documented example keys of the large providers too: they contain the word "example".
pub fn is_placeholder(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 7] = [b"changeme", b"change_me", b"change-me", b"example", b"placeholder", b"xxxx", b"your_"];
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    WORDS.iter().any(|word| lower.windows(word.len()).any(|w| w == *word))
}

/// Shannon entropy in bits for each byte.
pub fn entropy(text: &[u8]) -> f64 {
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
