//! Bounds that take too many files for a test that runs the scanner as it is.

use stopleak_detector::Rules;

use super::*;
use crate::Coverage;

#[test]
fn more_files_than_any_archive_has_end_it() {
    let mut header = vec![0; kind::HEAD];
    header[0] = b'x';
    header[124..136].copy_from_slice(b"00000000000\0");
    // The sum of all bytes, with spaces in its own place.
    header[148..156].copy_from_slice(format!("{:06o}\0 ", 8 * 32 + 11 * 48 + 120).as_bytes());
    let reading = Reading { detector: &Detector::new(&Rules::built_in()), cancel: Cancel::default(), temporary_folder: None };
    let mut coverage = Coverage::default();
    read(&reading, &mut header.repeat(1_010).as_slice(), &mut |part| drop(coverage.part("a", part))).unwrap();
    assert_eq!((coverage.discovered, coverage.scanned), (1_000, 1_000));
    assert_eq!(coverage.skipped.get(&Skipped::Bomb), Some(&1));
    assert!(coverage.errors[0].problem.contains("more than 1000 files"), "{:?}", coverage.errors);
}
