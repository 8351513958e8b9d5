//! Which public keys a gateway believes: one, or two while the control plane's signing key is being changed.

use super::PublicKey;

/// One public key, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    first: PublicKey,
    second: Option<PublicKey>,
}

impl Pinned {
    /// Takes one key, or two; `None` otherwise. More would be keys that nobody remembers to take out.
    #[must_use]
    pub fn new(keys: &[PublicKey]) -> Option<Self> {
        match *keys {
            [first] => Some(Self { first, second: None }),
            [first, second] => Some(Self { first, second: Some(second) }),
            _ => None,
        }
    }

    /// Reads one key, or two with a comma between them, each of 64 hexadecimal digits.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::new(&text.split(',').map(PublicKey::from_hex).collect::<Option<Vec<_>>>()?)
    }

    /// Each key, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        [&self.first].into_iter().chain(&self.second)
    }
}

impl From<&PublicKey> for Pinned {
    fn from(first: &PublicKey) -> Self {
        Self::from(*first)
    }
}

impl From<PublicKey> for Pinned {
    fn from(first: PublicKey) -> Self {
        Self { first, second: None }
    }
}
