//! See `fuzz/src/body.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stopleak_fuzz::body(data));
