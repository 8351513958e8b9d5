//! The fuzz targets in the normal test command: the checked-in seeds, and mutations of them that are the same in every run.
//!
//! `just fuzz` lets the fuzzer itself at the same functions.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

#[path = "../../fuzz/src/random.rs"]
mod random;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use random::Random;

#[test]
fn headers() {
    smoke("headers", targets::headers, 3_000);
}

#[test]
fn body() {
    smoke("body", targets::body, 6_000);
}

#[test]
fn shard() {
    smoke("shard", targets::shard, 3_000);
}

#[test]
fn feed() {
    smoke("feed", targets::feed, 1_000);
}

#[test]
fn config() {
    smoke("config", targets::config, 20_000);
}

/// `mutations` are what takes about a second without optimisation.
fn smoke(name: &str, target: fn(&[u8]), mutations: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(seeds.len() >= 10, "only {} seeds in {}", seeds.len(), folder.display());

    let mut random = Random(0x5eed);
    let mutated = (0..mutations).map(|_| random.mutated(&seeds, &WORDS)).collect::<Vec<_>>();
    for input in seeds.iter().chain(&mutated) {
        let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
        assert!(outcome.is_ok(), "{name} fails, see above, for the input {:?}", String::from_utf8_lossy(input));
    }
}

/// What a fuzzer puts into inputs because bytes by chance hardly ever make it.
const WORDS: [&[u8]; 20] = [
    b"\x01",
    b"\x02",
    b"%01",
    b"\nauthorization: Bearer \x01",
    b"\ncookie: a=\x01; ",
    b"\nx-bin: ",
    b"Basic ",
    b"%",
    b"%41",
    b"\\",
    b"=",
    b"&",
    b";",
    b"/",
    b"\n",
    b"\xff",
    b"\0\0\0\0",
    b"aaaaaa",
    b"\"cluster\"",
    b"[]",
];
