//! What the control plane and the filter must agree on. No IO.
//!
//! A leaked text becomes a [`Token`] in canonical form, and a token becomes a keyed [`Fingerprint`]. The control plane builds
//! an [`index`] of fingerprints and signs its header, with the [`settings`] that say how it is enforced; the [`feed`] carries header and shards to the gateways; the filter, set up
//! by its [`PluginConfig`], looks each candidate's fingerprint up in the last index that it could verify.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod token;
mod fingerprint;
mod fingerprint_keys;
pub mod index;
pub mod feed;
pub mod settings;
mod plugin_config;

pub use fingerprint::{Fingerprint, FingerprintKey};
pub use fingerprint_keys::FingerprintKeys;
pub use plugin_config::{BodySetting, HeaderSelection, OnNotReady, OnOverflow, PluginConfig, PluginConfigError};
pub use token::{Canonical, Token, TokenError, Weakness};

/// The version of everything in this crate that crosses the feed.
///
/// A control plane that meets another version refuses the stream and names both: a filter that canonicalises or hashes
/// differently would let leaked tokens pass in silence.
pub const CONTRACT_VERSION: u32 = 2;
