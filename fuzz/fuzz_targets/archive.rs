//! See `fuzz/src/scanning.rs`.
#![no_main]

#[path = "../src/scanning.rs"]
mod scanning;

libfuzzer_sys::fuzz_target!(|data: &[u8]| scanning::archive(data));
