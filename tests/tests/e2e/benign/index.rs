//! An index in which neither length nor kind saves a request: only its own text does.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stopleak_contract::Token;
use stopleak_detector::Rules;
use stopleak_tests::Message;

/// Tokens to patch.
pub struct Hard {
    /// Of every rule, of every length, and of the kinds that real requests are full of.
    pub others: Vec<String>,
    /// Almost what the requests carry.
    pub near: Vec<String>,
}

/// Tokens of each rule.
const OF_EACH_RULE: u64 = 20;

/// Near misses: more would only make the test slower.
const MAX_NEAR: usize = 20_000;

const HEX: &[u8] = b"0123456789abcdef";
const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Made for these requests.
pub fn hard<'r>(requests: impl Iterator<Item = &'r Message>) -> Hard {
    let said: Vec<Vec<u8>> = requests.map(everything_said).collect();
    let values: BTreeSet<&[u8]> = said.iter().flat_map(|said| values(said)).collect();
    let texts = values.iter().copied().chain(values.iter().flat_map(|value| around_dots(value)));
    let canonical: BTreeSet<Vec<u8>> = texts.filter_map(parsed).collect();
    // Something that a request does say is no near miss.
    let unsaid = |text: &String| parsed(text.as_bytes()).is_some_and(|token| !canonical.contains(&token));
    let mut seen = BTreeSet::new();
    let mut distinct = |text: &String| parsed(text.as_bytes()).is_some_and(|token| seen.insert(token));
    let others = others().into_iter().filter(&unsaid).filter(&mut distinct).collect();
    let all: Vec<String> = values.iter().flat_map(|value| near_misses(value)).filter(unsaid).filter(&mut distinct).collect();
    let step = all.len().div_ceil(MAX_NEAR).max(1);
    Hard { others, near: all.into_iter().step_by(step).collect() }
}

impl Hard {
    /// The tokens that a request may be taken to carry, to explain a failure.
    pub fn within(&self, request: &Message) -> Vec<&str> {
        let said = String::from_utf8_lossy(&everything_said(request)).to_lowercase();
        self.near.iter().chain(&self.others).map(String::as_str).filter(|token| said.contains(&token.to_lowercase())).collect()
    }
}

fn parsed(text: &[u8]) -> Option<Vec<u8>> {
    Token::parse(text).ok().map(|token| token.as_bytes().to_vec())
}

/// Head and body, as they stand and with percent escapes and base64 resolved.
fn everything_said(message: &Message) -> Vec<u8> {
    let mut said = message.target.clone().into_bytes();
    for (_, value) in &message.headers {
        said.push(b'\n');
        said.extend_from_slice(value);
    }
    said.push(b'\n');
    said.extend_from_slice(&message.body);
    let plain = unescaped(&said);
    let words = plain.split(|b| !b.is_ascii_alphanumeric() && !b"+/=-_".contains(b));
    let decoded: Vec<u8> = words.filter_map(decode).flat_map(|decoded| [&b"\n"[..], &decoded].concat()).collect();
    [&said[..], b"\n", &plain, &decoded].concat()
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let byte = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let (b'%', Some(byte)) = (first, byte) {
            plain.push(byte);
            rest = &after[2..];
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    plain
}

fn decode(word: &[u8]) -> Option<Vec<u8>> {
    let word: Vec<u8> = word
        .iter()
        .filter(|b| **b != b'=')
        .map(|b| {
            if *b == b'+' {
                b'-'
            } else if *b == b'/' {
                b'_'
            } else {
                *b
            }
        })
        .collect();
    URL_SAFE_NO_PAD.decode(word).ok().filter(|decoded| decoded.len() >= Token::MIN_LEN)
}

/// Words at every grain: between white space, between the usual separators, and of letters and digits only.
fn values(said: &[u8]) -> impl Iterator<Item = &[u8]> {
    let at = |separators: &'static [u8]| said.split(move |b| !b.is_ascii_graphic() || separators.contains(b));
    at(b"")
        .chain(at(b",;"))
        .chain(at(b",;&?=:"))
        .chain(at(b",;&?=:/\"'(){}[]<>@"))
        .chain(at(b",;&?=:/\"'(){}[]<>@.-_%+~!*|$"))
        .filter(|word| (Token::MIN_LEN..=400).contains(&word.len()))
}

/// What precedes and follows the first and the last dot of a word.
fn around_dots(word: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = [word.iter().position(|&b| b == b'.'), word.iter().rposition(|&b| b == b'.')];
    dots.into_iter().flatten().flat_map(|at| [&word[..at], &word[at + 1..]])
}

/// One character changed, one cut, one added, and the case turned.
fn near_misses(value: &[u8]) -> Vec<String> {
    let Ok(value) = std::str::from_utf8(value) else { return Vec::new() };
    // What is cut or added next to punctuation would be another text of the request.
    let (Some(last), true) = (value.chars().next_back(), value.is_ascii()) else { return Vec::new() };
    let mut near = Vec::new();
    for at in [value.len() / 2, value.len() - 1, 0] {
        let changed = |b: u8| match b {
            b'0'..=b'8' | b'a'..=b'e' | b'A'..=b'E' | b'f'..=b'y' | b'F'..=b'Y' => b + 1,
            b'9' => b'0',
            b'z' => b'a',
            b'Z' => b'A',
            other => other,
        };
        let mut bytes = value.as_bytes().to_vec();
        bytes[at] = changed(bytes[at]);
        near.extend(String::from_utf8(bytes));
    }
    if last.is_ascii_alphanumeric() {
        near.push(format!("{value}7"));
        let cut = &value[..value.len() - 1];
        near.extend(cut.ends_with(|c: char| c.is_ascii_alphanumeric()).then(|| cut.to_owned()));
    }
    near.push(
        value.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect(),
    );
    near
}

fn others() -> Vec<String> {
    let rules = Rules::built_in();
    let mut others: Vec<String> =
        rules.iter().flat_map(|rule| (0..OF_EACH_RULE).map(|seed| rule.example(seed).token().to_owned())).collect();
    let mut state = 1_u64;
    let mut random = |alphabet: &[u8], length: usize| -> String {
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(alphabet[(state >> 33) as usize % alphabet.len()])
            })
            .collect()
    };
    for _ in 0..300 {
        others.push([8, 4, 4, 4, 12].map(|length| random(HEX, length)).join("-"));
        others.extend([32, 40, 64].map(|length| random(HEX, length)));
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{}"}}"#, random(ALNUM, 12)));
        others.push(format!("{}.{claims}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#), random(ALNUM, 43)));
    }
    // From 255 on all lengths are one.
    others.extend((Token::MIN_LEN..=260).map(|length| random(ALNUM, length)));
    others
}
