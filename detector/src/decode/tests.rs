//! Every encoding alone and inside others, with the place of what was decoded.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::Rules;

fn shared() -> &'static (Rules, Detector) {
    static SHARED: OnceLock<(Rules, Detector)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let rules = Rules::built_in();
        let detector = Detector::new(&rules);
        (rules, detector)
    })
}

/// The tokens in a text, and where they begin.
fn found(text: &[u8]) -> Vec<(String, usize)> {
    let mut all = Vec::new();
    shared().1.scan_decoded(text, &mut |found, token| {
        all.push((String::from_utf8_lossy(token).into_owned(), found.span.start));
    });
    all
}

fn token(seed: u64) -> String {
    shared().0.get("github-personal-access-token").unwrap().example(seed).token().to_owned()
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into_bytes()
}

fn each_letter(text: &[u8], write: impl Fn(&mut String, u8)) -> Vec<u8> {
    let mut written = String::new();
    for &byte in text {
        write(&mut written, byte);
    }
    written.into_bytes()
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    each_letter(bytes, |out, byte| write!(out, "{byte:02x}").unwrap())
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    each_letter(bytes, |out, byte| write!(out, "%{byte:02X}").unwrap())
}

fn wide(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|&byte| [byte, 0]).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    base64(&packed.finish().unwrap())
}

/// An encoding by its name.
type Encoding = (&'static str, fn(&[u8]) -> Vec<u8>);
const ENCODINGS: &[Encoding] = &[
    ("base64", base64),
    ("base64url", |bytes| URL_SAFE_NO_PAD.encode(bytes).into_bytes()),
    ("hex", hex),
    ("upper-case hex", |bytes| hex(bytes).to_ascii_uppercase()),
    ("percent", percent),
    ("\\u", |bytes| each_letter(bytes, |out, byte| write!(out, "\\u{byte:04x}").unwrap())),
    ("\\u{}", |bytes| each_letter(bytes, |out, byte| write!(out, "\\u{{{byte:x}}}").unwrap())),
    ("\\x", |bytes| each_letter(bytes, |out, byte| write!(out, "\\x{byte:02x}").unwrap())),
    ("decimal entities", |bytes| each_letter(bytes, |out, byte| write!(out, "&#{byte};").unwrap())),
    ("hex entities", |bytes| each_letter(bytes, |out, byte| write!(out, "&#x{byte:X};").unwrap())),
    ("UTF-16", wide),
    ("big-endian UTF-16", |bytes| bytes.iter().flat_map(|&byte| [0, byte]).collect()),
    ("gzip", gzip),
];

#[test]
fn every_encoding_is_read_and_the_place_is_that_of_the_encoded_text() {
    for seed in 0..50 {
        for (name, encode) in ENCODINGS {
            let token = token(seed);
            let mut text = b"first line\nkey: \"".to_vec();
            let start = text.len();
            text.extend(encode(token.as_bytes()));
            text.extend(b"\" # the end\n");
            // Big-endian UTF-16 begins with a zero, which is no letter.
            let place = start + usize::from(*name == "big-endian UTF-16");
            assert_eq!(found(&text), [(token, place)], "{name}, seed {seed}");
        }
    }
}

#[test]
fn encodings_are_read_inside_each_other_three_deep() {
    for (outer, encode_outer) in ENCODINGS {
        for (inner, encode_inner) in ENCODINGS {
            // Wider still is nothing that exists.
            if inner.ends_with("UTF-16") && outer.ends_with("UTF-16") {
                continue;
            }
            let text = encode_outer(&encode_inner(token(1).as_bytes()));
            assert!(found(&text).iter().any(|(text, _)| *text == token(1)), "{inner} in {outer}");
        }
    }
    let three = base64(&gzip(&percent(token(2).as_bytes())));
    assert!(!found(&three).is_empty());
    assert!(found(&base64(&three)).is_empty(), "four are too many");
}

#[test]
fn the_place_inside_an_encoded_file_is_the_tokens_own() {
    let file = format!("{}\nTOKEN={}\n", "# comment ".repeat(30), token(1));
    let at = file.find("ghp_").unwrap();
    let lone = format!("data: {}\n", STANDARD.encode(&file));
    assert_eq!(found(lone.as_bytes()), [(token(1), 6 + at * 4 / 3)]);
    let lines: Vec<_> = STANDARD.encode(&file).into_bytes().chunks(64).map(<[u8]>::to_vec).collect();
    let wrapped = [b"data: |\n  ".to_vec(), lines.join(b"\n  ".as_slice())].concat();
    let [(text, place)] = found(&wrapped).try_into().unwrap();
    assert_eq!((text, place), (token(1), 10 + at * 4 / 3 + 3 * (at * 4 / 3 / 64)));
}

#[test]
fn letters_in_front_of_an_encoded_text_do_not_hide_it() {
    for before in ["data/", "a/b/c/", "https://host/v1/", "prefix_", "x-", "key=", "Bearer ", "/"] {
        let text = format!("{before}{}", STANDARD.encode(token(1)));
        assert_eq!(found(text.as_bytes()).len(), 1, "{before}");
    }
}

#[test]
fn a_key_id_of_aws_is_read_though_it_is_short() {
    for prefix in ["AKIA", "ASIA"] {
        let id = format!("{prefix}Q7ZR2LM6TB5WC4XV");
        let text = format!("data:\n  id: {}\n", STANDARD.encode(&id));
        assert_eq!(found(text.as_bytes()), [(id, 12)]);
    }
}

#[test]
fn a_name_in_front_of_an_encoded_value_counts() {
    let secret = "q8Zr2Lm0Tb6Wc4XvKj7Hn3Pd5Rf8Gs2Yt6Ua9Me4";
    let text = format!("data:\n  AWS_SECRET_ACCESS_KEY: {}\n", STANDARD.encode(secret));
    assert_eq!(found(text.as_bytes()).first().map(|(text, _)| text.as_str()), Some(secret));
}

#[test]
fn single_letters_may_be_escaped() {
    let token = token(3);
    for escaped in ["ghp%5F", "ghp\\u005f", "ghp\\x5F", "ghp&#95;", "ghp&lowbar;", "g%68p_", "ghp\\\\u005f"] {
        let text = format!("https://host/?a=1&key={}&b=2", token.replace("ghp_", escaped));
        let places: Vec<_> = found(text.as_bytes()).into_iter().filter(|(text, _)| *text == token).collect();
        assert_eq!(places, [(token.clone(), 22)], "{escaped}");
    }
}

#[test]
fn a_wrong_checksum_is_wrong_in_every_encoding() {
    let mut wrong = token(4);
    wrong.replace_range(20..21, if &wrong[20..21] == "a" { "b" } else { "a" });
    for (name, encode) in ENCODINGS {
        assert!(found(&encode(wrong.as_bytes())).is_empty(), "{name}");
    }
}

#[test]
fn a_bomb_and_a_text_of_nothing_but_encodings_cost_their_length() {
    let bomb = gzip(&vec![b'a'; 16 << 20]);
    let nested = (0..6).fold(token(1).into_bytes(), |text, _| base64(&text));
    let texts = [
        bomb.repeat(2),
        nested.repeat(200),
        b"%41".repeat(1 << 17),
        b"\\u0041".repeat(1 << 16),
        b"&#65;".repeat(1 << 16),
        b"a\0".repeat(1 << 18),
        b"aB3/".repeat(1 << 17),
        b"aB3/aB3/aB3/aB3/aB3/aB3/aB3/aB3/ %41".repeat(1 << 14),
        (0..1 << 15)
            .flat_map(|n: u32| {
                [b"A1b2C3d4E5f6G7h8I9j0K1l2M3n4".as_slice(), if n.is_multiple_of(2) { b"\n" } else { b" " }].concat()
            })
            .collect(),
    ];
    for (number, text) in texts.iter().enumerate() {
        let started = Instant::now();
        found(text);
        assert!(started.elapsed().as_secs() < 20, "text {number} took {:?}", started.elapsed());
    }
}

proptest! {
    #[test]
    fn whatever_is_decoded_has_a_place_in_the_text(pieces in proptest::collection::vec((0..ENCODINGS.len(), any::<u64>(), ".{0,40}"), 0..8), cut in any::<usize>(), flip in any::<(usize, u8)>()) {
        let mut text = Vec::new();
        for (encoding, seed, plain) in pieces {
            text.extend(plain.as_bytes());
            text.extend(ENCODINGS[encoding].1(token(seed).as_bytes()));
        }
        text.push(b' ');
        let place = flip.0 % text.len();
        text[place] = flip.1;
        text.truncate(1 + cut % text.len());
        shared().1.scan_decoded(&text, &mut |found, _| assert!(found.span.start < found.span.end && found.span.end <= text.len(), "{found:?}"));
    }
}
