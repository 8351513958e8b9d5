//! A command line in words, as a shell would cut it, and how `curl` encodes them.
//!
//! Quotes of all kinds, escapes and continued lines are what copied commands have. Nothing is expanded: there are no variables here.

use std::iter::Peekable;
use std::str::Chars;

use zeroize::Zeroizing;

use super::request::{Unreadable, unreadable};

/// The words. An unfinished quote is an error.
pub fn split(text: &str) -> Result<Vec<Zeroizing<String>>, Unreadable> {
    let mut words = Vec::new();
    let mut word: Option<Zeroizing<String>> = None;
    let mut rest = text.chars().peekable();
    // Room for all of it: a buffer that grows leaves copies behind.
    let new = || Zeroizing::new(String::with_capacity(text.len().min(MAX_ROOM)));
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('\r') if rest.peek() == Some(&'\n') => {
                    rest.next();
                }
                Some('\n') | None => {}
                Some(c) => word.get_or_insert_with(new).push(c),
            },
            '\'' => until_quote(&mut rest, word.get_or_insert_with(new))?,
            '"' => double_quoted(&mut rest, word.get_or_insert_with(new))?,
            '$' if rest.peek() == Some(&'\'') => {
                rest.next();
                ansi_quoted(&mut rest, word.get_or_insert_with(new))?;
            }
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_with(new).push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Most words are shorter; a longer one grows.
const MAX_ROOM: usize = 4 * 1024;

fn unfinished() -> Unreadable {
    unreadable("has a quote without an end")
}

fn until_quote(rest: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), Unreadable> {
    for c in rest.by_ref() {
        match c {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err(unfinished())
}

fn double_quoted(rest: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), Unreadable> {
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match rest.next() {
                Some('\n') => {}
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err(unfinished())
}

/// `$'…'`, as browsers copy what has an escape in it.
fn ansi_quoted(rest: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), Unreadable> {
    while let Some(c) = rest.next() {
        match c {
            '\'' => return Ok(()),
            '\\' => match rest.next() {
                Some('n') => word.push('\n'),
                Some('r') => word.push('\r'),
                Some('t') => word.push('\t'),
                Some('x') => word.extend(hex(rest, 2)),
                Some('u') => word.extend(hex(rest, 4)),
                Some(c) => word.push(c),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err(unfinished())
}

fn hex(rest: &mut Peekable<Chars<'_>>, most: usize) -> Option<char> {
    let mut value = 0;
    for _ in 0..most {
        let Some(digit) = rest.peek().and_then(|c| c.to_digit(16)) else { break };
        value = value * 16 + digit;
        rest.next();
    }
    char::from_u32(value)
}

/// As `--data-urlencode` does it.
pub fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len() * 3), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap().iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        assert_eq!(
            words("curl  -H 'a: b c' \\\n  \"x\\\"y\\z\"'!' $'\\u0021\\n\\'' ''"),
            ["curl", "-H", "a: b c", "x\"y\\z!", "!\n'", ""]
        );
        assert_eq!(words("a\\ b \\\r\n c\\"), ["a b", "c"]);
        for text in ["'a", "\"a", "$'a", "\"a\\", "$'\\"] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_encoding_is_the_usual_one() {
        assert_eq!(percent_encoded("a b/ü"), "a%20b%2F%C3%BC");
    }
}
