//! Archives that were made to harm whoever unpacks them: each costs little, is named, and the rest goes on.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use stopleak_scanner::{Cancel, Coverage, Finding, Options, Scan, ScanError, Skipped};

use crate::packing::{entry, gzip, header, seven, tar, zip, zstd};
use crate::support::{GITHUB, NPM, detector, texts, token};

/// Far above what these scans take, far below what the bombs would.
const SOON: Duration = Duration::from_mins(1);
/// What a bomb unpacks to, at least a thousand times its size: far more than is unpacked of a small file.
const BOMB: usize = 64 << 20;

fn scan_bytes(bytes: &[u8]) -> (Vec<Finding>, Coverage) {
    let (mut findings, started) = (Vec::new(), Instant::now());
    let scan = Scan::new(detector(), Options::default());
    let coverage = scan.run_reader("a", &mut { bytes }, &mut findings, &Cancel::default()).unwrap();
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(coverage.discovered, coverage.scanned + coverage.skipped_count(), "{coverage:?}");
    (findings, coverage)
}

/// Numbers that do not pack well.
fn noise() -> Vec<u8> {
    (0..100_000_u64).flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).collect()
}

#[test]
fn a_bomb_is_unpacked_a_little_way_and_what_stands_beside_it_is_read() {
    let bomb = gzip(&vec![b'\n'; BOMB]);
    let (before, after) = (token(GITHUB, 1), token(NPM, 2));
    let (findings, coverage) = scan_bytes(&tar(&[("1", before.as_bytes()), ("bomb.gz", &bomb), ("2", after.as_bytes())]));
    assert_eq!(texts(&findings), [before, after]);
    assert_eq!(coverage.skipped.get(&Skipped::Bomb), Some(&1));
    assert_eq!(coverage.errors[0].path, "a!/bomb.gz");
    assert!(coverage.bytes < BOMB as u64, "{}", coverage.bytes);
}

#[test]
fn a_bomb_in_a_zip_ends_the_zip() {
    let bomb = vec![b'\n'; BOMB];
    let packed = zip(&[("1", token(GITHUB, 1).as_bytes()), ("bomb", &bomb), ("2", &bomb)]);
    let (findings, coverage) = scan_bytes(&tar(&[("0", &noise()), ("a.zip", &packed), ("b", token(NPM, 2).as_bytes())]));
    assert_eq!(texts(&findings), [token(GITHUB, 1), token(NPM, 2)]);
    assert!(coverage.errors.iter().any(|error| error.path == "a!/a.zip"), "{:?}", coverage.errors);
    assert!(coverage.bytes < BOMB as u64, "{}", coverage.bytes);
}

/// Many small bombs, none of which is one alone.
#[test]
fn a_bomb_of_bombs_is_measured_as_a_whole() {
    let bomb = gzip(&vec![b'\n'; 12 << 20]);
    let names: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), bomb.as_slice())).collect();
    let (_, coverage) = scan_bytes(&gzip(&tar(&files)));
    // The whole, and the file that was being read.
    assert_eq!(coverage.skipped.get(&Skipped::Bomb), Some(&2));
    assert!(coverage.bytes < 3 * (12 << 20), "{}", coverage.bytes);
}

#[test]
fn what_is_damaged_is_named_and_what_came_before_it_is_read() {
    let (first, second) = (token(GITHUB, 1), token(NPM, 2));
    let noise = noise();
    let whole = tar(&[("1", first.as_bytes()), ("noise", &noise), ("2", second.as_bytes())]);
    for packed in [gzip(&whole), zstd(&whole), whole.clone()] {
        let (findings, coverage) = scan_bytes(&packed[..packed.len() / 2]);
        assert_eq!(texts(&findings), std::slice::from_ref(&first));
        // The whole, and the file that was being read.
        assert_eq!(coverage.skipped.get(&Skipped::Unreadable), Some(&2));
        assert!(coverage.error_count > 0);
    }
    // Of these, what is inside stands at the end.
    for packed in [zip(&[("1", first.as_bytes())]), seven(&[("1", first.as_bytes())])] {
        let (_, coverage) = scan_bytes(&packed[..packed.len() / 2]);
        assert_eq!(coverage.skipped.get(&Skipped::Unreadable), Some(&1));
    }
    let mut zip = zip(&[("1", &noise), ("2", second.as_bytes())]);
    zip[1_000..2_000].fill(0xff);
    let (findings, _) = scan_bytes(&zip);
    assert_eq!(texts(&findings), [second], "the other files of a zip stand on their own");
}

#[test]
fn sizes_that_are_lies_cost_nothing() {
    let endless = [0xff; 12];
    let huge = [0x80, 0, 0, 0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for (kind, size) in [(b'0', huge), (b'L', huge), (b'x', huge), (b'5', huge), (b'0', endless)] {
        let text = token(GITHUB, 1);
        let bytes = [entry(b"1", b'0', text.as_bytes()), header(b"2", kind, &size), vec![b'x'; 10_000]].concat();
        let (findings, coverage) = scan_bytes(&bytes);
        assert_eq!(texts(&findings), [text]);
        assert!(coverage.skipped.contains_key(&Skipped::Unreadable), "{coverage:?}");
    }
}

/// An input that breaks off is an error of the scan, which can be tried again; what is inside may be as broken as it likes.
#[test]
fn an_input_that_breaks_off_is_no_damaged_archive() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let text = token(GITHUB, 1);
    for start in
        [gzip(text.as_bytes()), zip(&[("1", text.as_bytes())]), tar(&[("1", text.as_bytes())]), text.clone().into_bytes()]
    {
        let mut input = start[..start.len() / 2].chain(Broken);
        let outcome = Scan::new(detector(), Options::default()).run_reader("a", &mut input, &mut Vec::new(), &Cancel::default());
        assert!(matches!(outcome, Err(ScanError::Unreadable { .. })), "{outcome:?}");
    }
}
