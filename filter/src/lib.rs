//! The filter inside every proxy: the life of a request in a few short files.
//!
//! [`candidates`] finds the texts of a request that may be tokens, [`body`] those of its body. [`verdict`] looks their fingerprints up in the index and
//! says what becomes of the request. [`attempts`] keeps what was seen until the control plane has it. [`subscription`] is the
//! gateway's half of the feed, which brings the index in the first place, and [`link`] the stream under it.
//!
//! All of that is pure and tested natively; `host` is the one module that talks to Envoy.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod request;
pub mod candidates;
pub mod body;
pub mod verdict;
pub mod attempts;
pub mod subscription;
pub mod link;
pub mod counted;
#[cfg(target_os = "wasi")]
mod host;
