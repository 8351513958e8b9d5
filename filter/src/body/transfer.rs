//! Encodings of a whole body or of a part of a multipart body: wide characters, quoted-printable, base64 in lines.

use super::seen::Seen;
use crate::candidates::decode;

/// UTF-16 and UTF-32 of either order without the zeros: what is left of ASCII is ASCII. Told by the first bytes, as JSON and XML readers do.
pub fn wide(text: &[u8]) -> Option<Vec<u8>> {
    let is_wide = matches!(text, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]);
    is_wide.then(|| text.iter().copied().filter(|&b| b != 0).collect())
}

/// Quoted-printable (RFC 2045), when the text speaks of it somewhere: a part of a multipart body does so in its head.
pub fn quoted_printable(text: &[u8], seen: Seen) -> Option<Vec<u8>> {
    if !seen.has(Seen::Q) || !speaks_of(text, b"", b"quoted-printable") {
        return None;
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&b| b == b'=') {
        let (plain, escape) = rest.split_at(at);
        decoded.extend_from_slice(plain);
        rest = match escape {
            [_, b'\r', b'\n', after @ ..] | [_, b'\n', after @ ..] => after,
            [_, a, b, after @ ..] if let (Some(a), Some(b)) = (hex(*a), hex(*b)) => {
                decoded.push(a << 4 | b);
                after
            }
            [_, after @ ..] => {
                decoded.push(b'=');
                after
            }
            [] => b"",
        };
    }
    decoded.extend_from_slice(rest);
    Some(decoded)
}

/// What runs of base64 say, line breaks in them left out, when the text speaks of base64 somewhere: part heads and data URLs do.
pub fn base64(text: &[u8], seen: Seen) -> Option<Vec<u8>> {
    if !seen.has(Seen::SIX) || !speaks_of(text, b"base", b"64") {
        return None;
    }
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(&b);
    let mut decoded = Vec::new();
    for run in text.split(|&b| !is_base64(b)).filter(|run| run.len() >= 8) {
        // A blank line ends a part's head, whose last word would otherwise be part of the body.
        for block in blocks(run) {
            decoded.extend_from_slice(&decode::basic(block));
            decoded.push(b'\n');
        }
    }
    Some(decoded)
}

/// What lies between blank lines.
fn blocks(run: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut breaks = 0;
    run.split(move |&b| {
        breaks = match b {
            b'\n' => breaks + 1,
            b'\r' => breaks,
            _ => 0,
        };
        breaks == 2
    })
}

/// Whether a word in two halves, the second of which begins with a rare character, is somewhere, in any case.
fn speaks_of(text: &[u8], start: &[u8], end: &[u8]) -> bool {
    let rare = end.first().copied().unwrap_or_default();
    let mut from = 0;
    while let Some(rest) = text.get(from..)
        && let Some(at) = rest.iter().position(|&b| b | 0x20 == rare)
    {
        let (before, after) = text.split_at_checked(from + at).unwrap_or_default();
        let begins = |text: Option<&[u8]>, word: &[u8]| text.is_some_and(|text| text.eq_ignore_ascii_case(word));
        if begins(after.get(..end.len()), end)
            && begins(before.len().checked_sub(start.len()).and_then(|at| before.get(at..)), start)
        {
            return true;
        }
        from += at + 1;
    }
    false
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(text: &[u8], part: &str) -> bool {
        text.windows(part.len()).any(|window| window == part.as_bytes())
    }

    #[test]
    fn wide_characters_become_narrow() {
        let text = r#"{"a":"b"}"#;
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        assert_eq!(wide(&utf16).unwrap(), text.as_bytes());
        assert_eq!(wide(&utf32).unwrap(), text.as_bytes());
        assert_eq!(wide(&[&[0xff, 0xfe], &utf16[..]].concat()).unwrap()[2..], *text.as_bytes());
        assert!(wide(text.as_bytes()).is_none() && wide(b"").is_none());
    }

    #[test]
    fn parts_of_a_multipart_body_are_decoded() {
        let quoted = b"Content-Transfer-Encoding: Quoted-Printable\r\n\r\nfk=5F9a=\r\nQ7=zz=";
        assert!(contains(&quoted_printable(quoted, Seen::of(quoted)).unwrap(), "fk_9aQ7=zz"));
        assert!(quoted_printable(b"a=5F", Seen::of(b"a=5F")).is_none());
        // `fk_9aQ7zLm2Xw4RtB8v` over three lines
        let lines = b"Content-Transfer-Encoding: BASE64\r\n\r\nZmtfOW\r\nFRN3pMb\r\nTJYdzRSdEI4dg==\r\n\r\n--b--";
        assert!(contains(&base64(lines, Seen::of(lines)).unwrap(), "fk_9aQ7zLm2Xw4RtB8v"));
        assert!(base64(b"Zmtf", Seen::of(b"Zmtf")).is_none());
    }
}
