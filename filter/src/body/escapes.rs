//! Escapes behind a backslash (JSON, JavaScript, GraphQL) and behind an ampersand (XML, HTML), read as leniently as any server does.

use std::borrow::Cow;

/// Resolves `\u0067`, `\u{67}`, `\x67`, `\n` and their like, and takes the backslash away from in front of anything else. Binary data is
/// full of backslashes that are none, so there only a letter that makes sense behind one counts.
pub fn backslashes(text: &[u8]) -> Cow<'_, [u8]> {
    let is_binary = |b: &u8| *b < b' ' && !b"\t\r\n".contains(b);
    let is_escape = |pair: &[u8]| {
        matches!(
            pair,
            [b'\\', b'u' | b'x' | b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'"' | b'/' | b'\'' | b'\\' | b'\n' | b'\r']
        )
    };
    if !text.contains(&b'\\') || (text.iter().any(is_binary) && !text.windows(2).any(is_escape)) {
        return Cow::Borrowed(text);
    }
    let mut resolved = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&b| b == b'\\') {
        let (plain, escape) = rest.split_at(at);
        resolved.extend_from_slice(plain);
        rest = match escape {
            [_, b'u', b'{', after @ ..] if let Some((code, after)) = braced(after) => {
                push(code, &mut resolved);
                after
            }
            [_, b'u', after @ ..] if let Some((code, after)) = digits(after, 4) => surrogate(code, after, &mut resolved),
            [_, b'x', after @ ..] if let Some((code, after)) = digits(after, 2) => {
                push(code, &mut resolved);
                after
            }
            // A line that goes on in the next one.
            [_, b'\r', b'\n', after @ ..] | [_, b'\r' | b'\n', after @ ..] => after,
            [_, letter, after @ ..] => {
                resolved.push(named(*letter));
                after
            }
            [..] => b"",
        };
    }
    resolved.extend_from_slice(rest);
    Cow::Owned(resolved)
}

/// Resolves `&#103;`, `&#x67;` and the five names of XML; leaves everything else as it is.
pub fn entities(text: &[u8]) -> Cow<'_, [u8]> {
    let mut resolved = Vec::new();
    let (mut rest, mut found) = (text, false);
    while let Some(at) = rest.iter().position(|&b| b == b'&') {
        let (plain, reference) = rest.split_at(at);
        resolved.extend_from_slice(plain);
        rest = if let Some((code, after)) = entity(reference) {
            found = true;
            push(code, &mut resolved);
            after
        } else {
            resolved.push(b'&');
            reference.get(1..).unwrap_or_default()
        };
    }
    if !found {
        return Cow::Borrowed(text);
    }
    resolved.extend_from_slice(rest);
    Cow::Owned(resolved)
}

/// Digits of a reference; more are leading zeros that nobody writes.
const MAX_DIGITS: usize = 10;

/// The code point of a reference at the start, and what follows.
fn entity(reference: &[u8]) -> Option<(u32, &[u8])> {
    const NAMES: [(&[u8], char); 5] = [(b"&amp;", '&'), (b"&lt;", '<'), (b"&gt;", '>'), (b"&quot;", '"'), (b"&apos;", '\'')];
    if let Some(number) = reference.strip_prefix(b"&#") {
        let end = number.iter().take(MAX_DIGITS + 2).position(|&b| b == b';')?;
        let (number, after) = (number.get(..end)?, number.get(end + 1..)?);
        let code = match number {
            [b'x' | b'X', hex @ ..] => u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16),
            decimal => std::str::from_utf8(decimal).ok()?.parse(),
        };
        return Some((code.ok()?, after));
    }
    NAMES.iter().find_map(|(name, letter)| Some((u32::from(*letter), reference.strip_prefix(*name)?)))
}

fn named(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        b'v' => 11,
        other => other,
    }
}

/// A number of exactly `count` hexadecimal digits at the start, and what follows.
fn digits(text: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (digits, after) = text.split_at_checked(count)?;
    let code = digits.iter().try_fold(0, |code, &b| Some(code << 4 | char::from(b).to_digit(16)?))?;
    Some((code, after))
}

/// Up to six hexadecimal digits and a closing brace.
fn braced(text: &[u8]) -> Option<(u32, &[u8])> {
    let end = text.iter().take(7).position(|&b| b == b'}')?;
    let (code, _) = digits(text, end)?;
    Some((code, text.get(end + 1..)?))
}

/// Half of a character beyond U+FFFF may have its other half behind it.
fn surrogate<'t>(code: u32, after: &'t [u8], resolved: &mut Vec<u8>) -> &'t [u8] {
    if (0xd800..0xdc00).contains(&code)
        && let Some((low @ 0xdc00..0xe000, after)) = after.strip_prefix(b"\\u").and_then(|after| digits(after, 4))
    {
        push(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), resolved);
        return after;
    }
    push(code, resolved);
    after
}

/// As UTF-8; what is no character becomes the one that stands for such.
fn push(code: u32, resolved: &mut Vec<u8>) {
    let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    resolved.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(resolved: Cow<'_, [u8]>) -> String {
        String::from_utf8(resolved.into_owned()).unwrap()
    }

    #[test]
    fn backslashes_are_resolved() {
        for (escaped, expected) in [
            (r"\u0067hp", "ghp"),
            (r"\u006A\u006a", "jj"),
            (r"\u{67}\u{1F600}", "g\u{1F600}"),
            (r"\x67\/\\\q", "g/\\q"),
            (r"\ud83d\ude00", "\u{1F600}"),
            (r"\ud83dx", "\u{fffd}x"),
            (r"\ud83d\u0067", "\u{fffd}g"),
            ("a\\\nb\\\r\nc", "abc"),
            (r"\n\t", "\n\t"),
            (r"\u12", "u12"),
            (r"\u{zz}", "u{zz}"),
            ("a\\", "a"),
        ] {
            assert_eq!(text(backslashes(escaped.as_bytes())), expected, "{escaped}");
        }
        assert!(matches!(backslashes(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn entities_are_resolved() {
        for (escaped, expected) in [
            ("&#103;&#x68;&#X70;", "ghp"),
            ("&lt;&gt;&amp;&quot;&apos;", "<>&\"'"),
            ("&amp;lt;&nbsp;&", "&lt;&nbsp;&"),
            ("&#0000000103;&#;&#x;&#xzz;", "g&#;&#x;&#xzz;"),
            ("&#99999999;&#12", "\u{fffd}&#12"),
            ("&#x68", "&#x68"),
        ] {
            let resolved = entities(escaped.as_bytes());
            assert_eq!(text(resolved), expected, "{escaped}");
        }
        assert!(matches!(entities(b"a&b&c;"), Cow::Borrowed(_)));
    }
}
