//! The fuzz targets in the normal test command: the checked-in seeds, and mutations of them that are the same in every run.
//!
//! `just fuzz` lets the fuzzer itself at the same functions.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Longer inputs are left to the fuzzer.
const MAX_LEN: usize = 4 * 1024;

#[test]
fn headers() {
    smoke("headers", targets::headers, 6_000);
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
    let mutated = (0..mutations).map(|_| random.mutated(&seeds)).collect::<Vec<_>>();
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

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }

    fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(input.len() + 1);
            match self.below(7) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 if at < input.len() => input[at] = u8::try_from(self.below(256)).unwrap_or_default(),
                2 => drop(input.drain(at..(at + self.below(16)).min(input.len()))),
                3 => drop(input.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
                4 => {
                    let end = (at + self.below(64)).min(input.len());
                    let copy = input[at..end].repeat(1 + self.below(8));
                    drop(input.splice(at..at, copy));
                }
                5 => {
                    let other = &seeds[self.below(seeds.len())];
                    input.truncate(at);
                    input.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
                _ => input.truncate(at),
            }
        }
        input.truncate(MAX_LEN);
        input
    }
}
