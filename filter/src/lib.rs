//! The filter inside every proxy: the life of a request in a few short files.
//!
//! A [`header_map`] is what the host hands over, and a [`request`] a view of it. [`candidates`] finds the texts of it that may be tokens,
//! [`body`] those of what follows. [`verdict`] looks their
//! fingerprints up in the index and says what becomes of the request, by the [`circumstances`] that a virtual patch may depend on. [`attempts`] keeps what was seen until the control plane has it.
//!
//! The other files bring the index. [`enforced`] is the index as one VM sees it, its pages in the [`records`] that all VMs of an Envoy
//! share. A [`gateway`] is one VM: one of them, by its [`lease`], leads; its [`subscription`] takes what the control plane sends over the
//! [`link`], and the others follow.
//!
//! All of that is pure and tested natively, around what a [`proxy`] has to offer; `host` is the one module that talks to Envoy.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod header_map;
pub mod request;
pub mod candidates;
pub mod body;
pub mod circumstances;
pub mod verdict;
pub mod attempts;
pub mod enforced;
pub mod records;
pub mod gateway;
pub mod lease;
pub mod subscription;
pub mod link;
pub mod counted;
pub mod proxy;
#[cfg(target_os = "wasi")]
mod host;
