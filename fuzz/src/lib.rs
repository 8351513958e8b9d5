//! What the fuzzer throws bytes at. Each target is a function that panics when something does not hold.
//!
//! `cargo fuzz` calls them from `fuzz_targets/`; `filter/tests/fuzz.rs` includes this very file, and runs the seeds and some thousand
//! mutations of them in the normal test command.

mod bytes;
mod world;

mod config;
mod feed;
mod headers;
mod shard;

pub use config::config;
pub use feed::feed;
pub use headers::headers;
pub use shard::shard;
