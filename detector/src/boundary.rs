//! Where a token may begin and end: not in the middle of a longer word.

/// Whether a token may begin at `start`.
///
/// An escape sequence in front of it ends in letters or digits (`\n`, `%22`, `\u0022`) and is no part of a word. What begins with
/// anything but a letter or digit, as a host's name behind its first dot does, cannot be in the middle of one.
pub(crate) fn begins(bytes: &[u8], start: usize, extra: &[u8]) -> bool {
    if bytes.get(start).is_some_and(|&byte| !is_word(byte, extra)) {
        return true;
    }
    let before = &bytes[..start.min(bytes.len())];
    // An equals sign ends a token of base64, and in front of one it assigns it.
    before.last().is_none_or(|&byte| byte == b'=' || !is_word(byte, extra)) || ends_with_escape(before)
}

/// Whether a token may end at `end`.
pub(crate) fn ends(bytes: &[u8], end: usize, extra: &[u8]) -> bool {
    bytes.get(end).is_none_or(|&byte| !is_word(byte, extra))
}

fn is_word(byte: u8, extra: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || extra.contains(&byte)
}

fn ends_with_escape(before: &[u8]) -> bool {
    let letter = matches!(before, [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'0' | b'a' | b'e']);
    letter || after_marker(before, b"%", 2) || after_marker(before, b"\\x", 2) || after_marker(before, b"\\u", 4)
}

/// Whether the text ends with `marker` and then `count` hex digits.
fn after_marker(before: &[u8], marker: &[u8], count: usize) -> bool {
    let Some(cut) = before.len().checked_sub(count) else { return false };
    before[..cut].ends_with(marker) && before[cut..].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_continue_and_escapes_do_not() {
        let start = |before: &str| begins(format!("{before}t").as_bytes(), before.len(), b"");
        assert!(start(""));
        assert!(start("key="));
        assert!(start("line\\n"));
        assert!(start("q=%22"));
        assert!(start("q=\\u0022"));
        assert!(start("q=\\x3d"));
        assert!(!start("a"));
        assert!(!start("22"));
        assert!(!start("u0022"));
        assert!(begins(b"k=t", 2, b"+/=") && !begins(b"k+t", 2, b"+/="));
        assert!(begins(b"a.b", 1, b"") && !begins(b"a-b", 1, b"-"));
        assert!(ends(b"ab&c", 2, b""));
        assert!(!ends(b"ab&c", 2, b"&"));
        assert!(!ends(b"abc", 2, b""));
        assert!(ends(b"ab", 2, b""));
    }
}
