//! See `fuzz/src/shard.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stopleak_fuzz::shard(data));
