//! A corpus with seeds that have to be found, all of them, and decoys that must not be, none of them.
//!
//! Every token is made while the test runs.

use std::collections::BTreeSet;
use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use stopleak_detector::{Rules, Tier};
use stopleak_scanner::SourceLocation;

use crate::support::{GITHUB, decoy, scan, texts, token};

/// A way in which a token gets into a file.
type Form = (&'static str, fn(&str) -> Vec<u8>);

const FORMS: &[Form] = &[
    ("plain.env", |text| format!("# settings\n{text}\n").into_bytes()),
    ("base64.yaml", |text| format!("data:\n  value: {}\n", STANDARD.encode(text)).into_bytes()),
    ("base64url.txt", |text| format!("state={}&x=1", URL_SAFE_NO_PAD.encode(text)).into_bytes()),
    ("hex.txt", |text| format!("0x{}\n", hex(text)).into_bytes()),
    ("utf16le.reg", |text| wide(text, u16::to_le_bytes, &[0xff, 0xfe])),
    ("utf16be.txt", |text| wide(text, u16::to_be_bytes, &[0xfe, 0xff])),
    ("utf16-without-mark.txt", |text| wide(text, u16::to_le_bytes, &[])),
    ("notebook.ipynb", notebook),
    ("url-encoded.har", |text| format!("https://host.test/cb?value={}&next=1", percent(text)).into_bytes()),
    ("escaped.json", |text| format!("{{\"value\": \"{}\"}}", each(text, |byte| format!("\\u{byte:04x}"))).into_bytes()),
    ("page.html", |text| format!("<p data-x='{}'></p>", each(text, |byte| format!("&#{byte};"))).into_bytes()),
    ("binary.bin", |text| [&[0_u8, 159, 146, 150, 0], text.as_bytes(), &[0, 255, 1]].concat()),
    ("crlf.ini", |text| format!("[a]\r\n{text}\r\n").into_bytes()),
];

#[test]
fn every_seed_of_every_format_is_found_in_every_form() {
    let rules = Rules::built_in();
    let folder = tempfile::tempdir().unwrap();
    let mut missing = BTreeSet::new();
    for rule in rules.iter().filter(|rule| rule.tier() == Tier::Format) {
        let text = rule.example(77).text;
        for (name, write) in FORMS {
            std::fs::create_dir_all(folder.path().join(rule.id())).unwrap();
            std::fs::write(folder.path().join(rule.id()).join(name), write(&text)).unwrap();
            missing.insert(format!("{}/{name}", rule.id()));
        }
    }
    let seeds = missing.len();
    let (findings, _) = scan(&SourceLocation::Folder(folder.path().into()));
    for finding in &findings {
        let (folder, _) = finding.path.split_once('/').unwrap();
        if finding.rule == folder {
            missing.remove(&finding.path);
        }
    }
    assert!(missing.is_empty(), "{} of {seeds} are not found: {missing:#?}", missing.len());
}

#[test]
fn no_decoy_is_found_in_any_form() {
    let folder = tempfile::tempdir().unwrap();
    let decoys = [
        ("wrong-checksum", decoy()),
        ("placeholder", format!("ghp_{}", "x".repeat(36))),
        ("counting", format!("xoxb-1234567890123-1234567890123-{}", "abcdefghijklmnopqrstuvwx")),
        ("documentation", ["AKIAIOSFODNN7", "EXAMPLE"].concat()),
        ("documented-secret", format!("aws_secret_access_key = {}", ["wJalrXUtnFEMI/K7MDENG/", "bPxRfiCYEXAMPLEKEY"].concat())),
        ("template", "STRIPE_KEY=sk_live_your_secret_key_goes_here".to_owned()),
        ("variable", "token: ${GITHUB_TOKEN_FROM_THE_VAULT_OF_ACME}".to_owned()),
        ("tutorial", tutorial()),
        ("digest", format!("sha256:{}", hex("q8Zr2Lm0Tb6Wc4XvKj7Hn3Pd5Rf8Gs2Y"))),
        ("one-character-short", token(GITHUB, 5)[..39].to_owned()),
    ];
    for (name, text) in &decoys {
        for (form, write) in FORMS {
            std::fs::write(folder.path().join(format!("{name}-{form}")), write(text)).unwrap();
        }
    }
    let (findings, coverage) = scan(&SourceLocation::Folder(folder.path().into()));
    let found: Vec<_> = findings.iter().map(|finding| (&finding.path, &finding.rule)).collect();
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(coverage.scanned, (decoys.len() * FORMS.len()) as u64);
}

#[test]
fn the_place_of_a_decoded_token_is_that_of_the_encoded_text() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("first: 1\nsecond: {}\n", STANDARD.encode(token(GITHUB, 3)));
    std::fs::write(folder.path().join("secret.yaml"), text).unwrap();
    let (findings, _) = scan(&SourceLocation::Folder(folder.path().into()));
    assert_eq!(texts(&findings), [token(GITHUB, 3)]);
    assert_eq!((findings[0].line, findings[0].column), (2, 9));
}

fn hex(text: &str) -> String {
    each(text, |byte| format!("{byte:02x}"))
}

fn percent(text: &str) -> String {
    each(text, |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
}

fn each(text: &str, write: impl Fn(u8) -> String) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "{}", write(byte)).unwrap();
        out
    })
}

fn wide(text: &str, order: fn(u16) -> [u8; 2], mark: &[u8]) -> Vec<u8> {
    let text = format!("[keys]\r\n{text}\r\n");
    mark.iter().copied().chain(text.encode_utf16().flat_map(order)).collect()
}

fn notebook(text: &str) -> Vec<u8> {
    let cell = serde_json::json!({"cell_type": "code", "source": ["import x\n", format!("{text}\n")], "outputs": []});
    serde_json::json!({"cells": [cell], "nbformat": 4}).to_string().into_bytes()
}

/// The token that every tutorial shows.
fn tutorial() -> String {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let claims = r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#;
    format!("{}.{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(claims), part(&"s".repeat(32)))
}
