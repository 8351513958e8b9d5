//! The fuzz targets in the normal test command: the checked-in seeds, and mutations of them that are the same in every run.
//!
//! `just fuzz` lets the fuzzer itself at the same functions.

#[path = "../../fuzz/src/random.rs"]
mod random;
#[path = "../../fuzz/src/scanning.rs"]
mod targets;

#[path = "scan/packing.rs"]
mod packing;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use random::Random;

#[test]
fn text() {
    smoke(
        "text",
        targets::text,
        &seeds("text"),
        4_000,
        &[b"\\u00", b"%5f", b"&#x", b"eyJ", b"-----BEGIN PRIVATE KEY-----", b"\0", b"H4sI", b"\n", b"ghp_", b"\\\\"],
    );
}

#[test]
fn archive() {
    let file = [("a", b"some text\n".as_slice()), ("b/c", &[0; 300])];
    let mut seeds = seeds("archive");
    // What no small program writes.
    seeds.extend([
        packing::seven(&file),
        packing::xz(b"some text\n"),
        packing::zstd(b"some text\n"),
        packing::zip(&file),
        packing::gzip(&packing::tar(&file)),
    ]);
    smoke(
        "archive",
        targets::archive,
        &seeds,
        4_000,
        &[
            b"PK\x01\x02",
            b"PK\x03\x04",
            b"PK\x05\x06",
            b"\x1f\x8b\x08",
            b"ustar\0",
            b"7z\xbc\xaf\x27\x1c",
            b"\xff\xff\xff\xff",
            b"\0\0\0\0",
            b"\x28\xb5\x2f\xfd",
            b"\xfd7zXZ\0",
        ],
    );
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "only {} seeds in {}", paths.len(), folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn smoke(name: &str, target: fn(&[u8]), seeds: &[Vec<u8>], mutations: usize, words: &[&[u8]]) {
    let mut random = Random(0x5eed);
    let mutated = (0..mutations).map(|_| random.mutated(seeds, words)).collect::<Vec<_>>();
    for input in seeds.iter().chain(&mutated) {
        let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
        assert!(outcome.is_ok(), "{name} fails, see above, for the input {:?}", String::from_utf8_lossy(input));
    }
}
