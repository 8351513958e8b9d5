//! See `fuzz/src/feed.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stopleak_fuzz::feed(data));
