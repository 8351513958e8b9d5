//! What the fuzzer throws bytes at in the scanner: what decodes text, and what unpacks archives.
//!
//! `cargo fuzz` calls these from `fuzz_targets/`; `scanner/tests/fuzz.rs` includes this very file, and runs the seeds and mutations of
//! them in the normal test command.

use std::ops::Range;
use std::sync::OnceLock;

use stopleak_detector::{Detector, Rules};
use stopleak_scanner::{Cancel, Finding, Options, Scan};

const PLANTED: &str = "github-personal-access-token";

fn detector() -> &'static Detector {
    static DETECTOR: OnceLock<Detector> = OnceLock::new();
    DETECTOR.get_or_init(|| Detector::new(&Rules::built_in()))
}

fn planted() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| Rules::built_in().get(PLANTED).expect("the format exists").example(1).token().to_owned())
}

/// How many tokens a text has, in what it encodes as well; each has its place in the text.
fn tokens(text: &[u8]) -> usize {
    let mut count = 0;
    detector().scan_decoded(text, &mut |found, token| {
        assert!(found.span.start < found.span.end && found.span.end <= text.len(), "{:?} of {}", found.span, text.len());
        assert!(!token.is_empty());
        count += 1;
    });
    count
}

/// Text: whatever stands in front of it, a token on a line of its own is found; and what a change makes is noticed at the change.
pub fn text(data: &[u8]) {
    tokens(data);
    let with = [data, b"\n", planted().as_bytes(), b"\n"].concat();
    let mut found = false;
    detector().scan_decoded(&with, &mut |hit, token| found |= hit.rule.id() == PLANTED && token == planted().as_bytes());
    assert!(found, "the token behind it is not found");

    // The first bytes say what was put in.
    let Some((&[from, length], after)) = data.split_first_chunk::<2>() else { return };
    let start = usize::from(from).min(after.len());
    let change: Range<usize> = start..(start + usize::from(length)).min(after.len());
    let before = [&after[..change.start], &after[change.end..]].concat();
    if tokens(&before) == 0 {
        assert_eq!(detector().stays_clean(after, std::slice::from_ref(&change)), tokens(after) == 0, "{change:?}");
    }
}

/// Archives: nothing is counted twice or forgotten, work has a bound, and a bad file does not hide the one behind it.
pub fn archive(data: &[u8]) {
    let (_, unpacked) = scan(data);
    let allowed = data.len() as u64 * 400 + (64 << 20);
    assert!(unpacked <= allowed, "{unpacked} of {}", data.len());
    let around = [member("a", data), member("b", planted().as_bytes()), vec![0; 1_024]].concat();
    let (findings, _) = scan(&around);
    assert!(findings.iter().any(|finding| finding.path == "x!/b"), "the file behind it is not read");
}

fn scan(data: &[u8]) -> (Vec<Finding>, u64) {
    let mut findings = Vec::new();
    let outcome = Scan::new(detector(), Options::default()).run_reader("x", &mut { data }, &mut findings, &Cancel::default());
    let coverage = outcome.expect("bytes in memory can be read");
    assert_eq!(coverage.discovered, coverage.scanned + coverage.skipped_count(), "{coverage:?}");
    (findings, coverage.bytes)
}

/// A file in a tar.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    bytes[148..156].fill(b' ');
    bytes[156] = b'0';
    let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
    bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}
