//! Whether a text that has a token's form could be a real one: placeholders, documentation and counting
//! patterns are not.

/// Words that people write where a token belongs. Short words would stand in random tokens by chance.
const STOP_WORDS: &[&[u8]] = &[
    b"example",
    b"changeme",
    b"change_me",
    b"change-me",
    b"placeholder",
    b"redacted",
    b"replace",
    b"sample",
    b"dummy",
    b"yourtoken",
    b"yourkey",
    b"your_",
    b"your-",
    b"insert",
    b"notreal",
    b"not_real",
    b"foobar",
    b"mytoken",
    b"my_token",
    b"secret_here",
    b"key_here",
    b"token_here",
    b"abcdef0123",
    b"0123abcdef",
];
/// A random base-62 token of 40 characters has such a run once in 10¹¹.
const SAME_RUN: usize = 7;
/// Likewise for characters that count up or down.
const COUNTING_RUN: usize = 8;
/// A text that repeats a piece of at most this length was typed, not drawn.
const PERIOD_MAX: usize = 8;
/// Below this length the number of different characters says little about randomness.
const ENTROPY_LEN_MIN: usize = 12;

/// Whether somebody wrote this text by hand to fill a gap.
pub(crate) fn is_placeholder(token: &[u8]) -> bool {
    has_stop_word(token) || longest_run(token, 0) >= SAME_RUN || counts(token) || is_periodic(token)
}

/// Whether the text documents itself as an example; holds for structured tokens too.
pub(crate) fn has_stop_word(token: &[u8]) -> bool {
    let lower = token.to_ascii_lowercase();
    STOP_WORDS.iter().any(|word| lower.windows(word.len()).any(|window| window == *word))
}

/// Whether `body` has at least `min` bits of entropy a character.
pub(crate) fn is_random(body: &[u8], min: f64) -> bool {
    body.len() < ENTROPY_LEN_MIN || entropy(body) >= min
}

/// What a generic value needs besides entropy: random secrets mix letters and digits, words and paths do not.
pub(crate) fn mixes_letters_and_digits(body: &[u8]) -> bool {
    let digits = body.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = body.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    digits >= 2 && letters >= 2
}

/// Shannon's entropy in bits a character.
#[expect(clippy::cast_precision_loss, reason = "a token is far shorter than 2^52 bytes")]
pub(crate) fn entropy(body: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for &byte in body {
        counts[usize::from(byte)] += 1;
    }
    let total = body.len() as f64;
    let shares = counts.iter().filter(|&&count| count > 0).map(|&count| count as f64 / total);
    shares.map(|share| -share * share.log2()).sum()
}

fn counts(token: &[u8]) -> bool {
    longest_run(token, 1) >= COUNTING_RUN || longest_run(token, -1) >= COUNTING_RUN
}

/// The longest run in which each byte is `step` more than the one before.
fn longest_run(token: &[u8], step: i16) -> usize {
    let (mut longest, mut run) = (1, 1);
    for pair in token.windows(2) {
        run = if i16::from(pair[1]) - i16::from(pair[0]) == step { run + 1 } else { 1 };
        longest = longest.max(run);
    }
    longest
}

fn is_periodic(token: &[u8]) -> bool {
    let repeats = |period: usize| token.len() >= 2 * period && token.iter().zip(&token[period..]).all(|(a, b)| a == b);
    (1..=PERIOD_MAX).any(repeats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_fillers_are_placeholders() {
        for filler in
            ["xxxxxxxxxxxxxxxx", "1234567890", "aZ3ABCDEFGHk", "deadbeefdeadbeef", "AKIAEXAMPLE", "your_token", "87654321"]
        {
            assert!(is_placeholder(filler.as_bytes()), "{filler}");
        }
        assert!(!is_placeholder(b"q8Zr2Lm0Tb6Wc4Xv"));
    }

    #[test]
    fn entropy_grows_with_variety() {
        assert!(entropy(b"aaaa") < 0.01);
        assert!((entropy(b"abcd") - 2.0).abs() < 0.01);
        assert!(is_random(b"q8Zr2Lm0Tb6Wc4Xv", 3.5));
        assert!(!is_random(b"aaaaaaaabbbbbbbb", 2.0));
    }
}
