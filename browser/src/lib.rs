//! What the console does with tokens in an administrator's own browser: it reads what was pasted, makes of each token what the control
//! plane may know of it, and the token stays there.
//!
//! [`read`] is the work, the same Rust as everywhere: formats are the [detector](stopleak_detector)'s, the canonical form and the
//! fingerprint the [contract](stopleak_contract)'s. [`Hasher`] is what a page's script sees of it.

mod lines;

pub use lines::{AT_ONCE, Line, Reader, State};

use stopleak_contract::FingerprintKeys;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::{Zeroize as _, Zeroizing};

/// Reads what was pasted, under the keys of one tenant.
#[wasm_bindgen]
pub struct Hasher(Reader);

#[wasm_bindgen]
impl Hasher {
    /// Takes the tenant's keys; nothing when they are none. `with_hashes`: the tenant has public checks, for which a SHA-256 is kept.
    #[must_use]
    pub fn under(keys: Vec<u8>, with_hashes: bool) -> Option<Self> {
        let keys = Zeroizing::new(keys);
        FingerprintKeys::from_slice(&keys).map(|keys| Self(Reader::new(keys, with_hashes)))
    }

    /// What the lines are, as JSON; no token is in it.
    #[must_use]
    pub fn read(&self, text: String) -> String {
        let mut text = text;
        let lines = self.0.read(&text);
        text.zeroize();
        // Lines are texts and numbers, which can always be written as JSON.
        serde_json::to_string(&lines).unwrap_or_default()
    }
}
