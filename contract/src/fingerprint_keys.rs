//! The fingerprint keys that are in force: one, or two while a tenant's key is being changed.
//!
//! What came in under the old key cannot be brought under the new one without the tokens, which nobody has. So fingerprints of both are in
//! the index during the change, and whoever recognises tokens hashes each text under both keys.

use zeroize::Zeroizing;

use crate::FingerprintKey;

/// One key, or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FingerprintKeys {
    /// Under which new tokens are hashed.
    pub first: FingerprintKey,
    /// Under which others still are.
    pub second: Option<FingerprintKey>,
}

const LENGTH: usize = 32;

impl FingerprintKeys {
    /// Takes what came over the feed; `None` unless it is as long as one key or two.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (first, second) = bytes.split_at_checked(LENGTH)?;
        let second = if second.is_empty() { None } else { Some(FingerprintKey::from_slice(second)?) };
        Some(Self { first: FingerprintKey::from_slice(first)?, second })
    }

    /// The secrets, for the feed's Welcome.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // With room for all: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * LENGTH));
        self.iter().for_each(|key| bytes.extend_from_slice(key.as_bytes()));
        bytes
    }

    /// What tells these keys from others without telling them: of two, it is of both, so that a gateway which has one of them does not
    /// believe an index of which it would miss a part.
    #[must_use]
    pub fn check(&self) -> [u8; 32] {
        match &self.second {
            None => self.first.check(),
            Some(second) => {
                let mut hasher = blake3::Hasher::new_derive_key("stopleak check of two fingerprint keys v1");
                hasher.update(&self.first.check()).update(&second.check());
                *hasher.finalize().as_bytes()
            }
        }
    }

    /// Each key, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &FingerprintKey> {
        [&self.first].into_iter().chain(&self.second)
    }
}

impl From<FingerprintKey> for FingerprintKeys {
    fn from(first: FingerprintKey) -> Self {
        Self { first, second: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> FingerprintKey {
        FingerprintKey::new([byte; 32])
    }

    #[test]
    fn one_key_or_two_go_over_the_feed_and_nothing_else() {
        let one = FingerprintKeys::from(key(1));
        let two = FingerprintKeys { first: key(1), second: Some(key(2)) };
        for keys in [one, two] {
            assert_eq!(FingerprintKeys::from_slice(&keys.to_bytes()), Some(keys));
        }
        for length in [0, 31, 33, 63, 65, 96] {
            assert_eq!(FingerprintKeys::from_slice(&vec![1; length]), None, "{length}");
        }
    }

    #[test]
    fn the_check_is_of_all_keys_and_their_order() {
        let of = |first, second: Option<u8>| FingerprintKeys { first: key(first), second: second.map(key) }.check();
        assert_eq!(of(1, None), key(1).check(), "of one key it is as it was when there was but one");
        let checks = [of(1, None), of(2, None), of(1, Some(2)), of(2, Some(1)), of(1, Some(3))];
        for (at, check) in checks.iter().enumerate() {
            assert!(!checks[..at].contains(check), "{at}");
        }
    }
}
