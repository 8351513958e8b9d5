//! The keyed hash that stands for a token everywhere but in the request itself.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Canonical, Token};

/// A tenant's secret key: without it, a list of fingerprints cannot be tested against guesses.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct FingerprintKey([u8; 32]);

/// BLAKE3 keyed hash of a canonical token under a tenant's key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// Holds a UUID and most hex keys: a block of BLAKE3.
const BUFFER: usize = 64;

impl FingerprintKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Takes what came over the feed; `None` unless it has 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// What tells this key from others without telling it: signed with the index, so that a gateway notices a key that does not belong
    /// to it.
    #[must_use]
    pub fn check(&self) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, b"stopleak fingerprint key check v1").as_bytes()
    }

    /// The secret, for the feed's Welcome and for key files.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(redacted)")
    }
}

impl Fingerprint {
    /// The fingerprint of a token.
    #[must_use]
    pub fn of(key: &FingerprintKey, token: &Token) -> Self {
        Self(*blake3::keyed_hash(&key.0, token.as_bytes()).as_bytes())
    }

    /// The same of a text in canonical form, without a copy on the heap.
    ///
    /// It is that of a token only where [`Canonical::is_token`] says so.
    #[must_use]
    pub fn of_canonical(key: &FingerprintKey, text: &Canonical<'_>) -> Self {
        if let Some(bytes) = text.as_it_is() {
            return Self(*blake3::keyed_hash(&key.0, bytes).as_bytes());
        }
        let mut bytes = text.bytes();
        let mut buffer = Zeroizing::new([0_u8; BUFFER]);
        if text.length() <= BUFFER {
            // At once: a hasher that takes more, piece by piece, is two kilobytes of state.
            let filled = fill(&mut buffer, &mut bytes);
            return Self(*blake3::keyed_hash(&key.0, buffer.get(..filled).unwrap_or_default()).as_bytes());
        }
        let mut hasher = blake3::Hasher::new_keyed(&key.0);
        loop {
            let filled = fill(&mut buffer, &mut bytes);
            hasher.update(buffer.get(..filled).unwrap_or_default());
            if filled < BUFFER {
                return Self(*hasher.finalize().as_bytes());
            }
        }
    }

    /// Reads back a fingerprint that was made by [`Fingerprint::of`] and stored; `None` unless it has 32 bytes.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// For storing and for the index.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Fingerprint {
    /// Its four parts as numbers; the first bytes of a part are its highest.
    pub(crate) fn words(&self) -> [u64; 4] {
        let word = |n: usize| self.0.as_chunks::<8>().0.get(n).map_or(0, |bytes| u64::from_be_bytes(*bytes));
        [word(0), word(1), word(2), word(3)]
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Fingerprint({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// Puts as many bytes into the buffer as there are and fit, and says how many.
fn fill(buffer: &mut [u8; BUFFER], bytes: &mut impl Iterator<Item = u8>) -> usize {
    buffer.iter_mut().zip(bytes).map(|(place, byte)| *place = byte).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_token_has_the_same_fingerprint_under_one_key_only() {
        let (one, other) = (FingerprintKey::new([1; 32]), FingerprintKey::new([2; 32]));
        let token = |text: &[u8]| Token::parse(text).unwrap();
        assert_eq!(Fingerprint::of(&one, &token(b"abcdef-1")), Fingerprint::of(&one, &token(b" 'abcdef-1' ")));
        assert_ne!(Fingerprint::of(&one, &token(b"abcdef-1")), Fingerprint::of(&other, &token(b"abcdef-1")));
        assert_ne!(Fingerprint::of(&one, &token(b"abcdef-1")), Fingerprint::of(&one, &token(b"abcdef-2")));
    }

    /// Fingerprints are stored: this value may never change within a contract version.
    #[test]
    fn the_hash_is_pinned() {
        let fingerprint = Fingerprint::of(&FingerprintKey::new([7; 32]), &Token::parse(b"pinned-token").unwrap());
        assert_eq!(blake3::Hash::from(*fingerprint.as_bytes()).to_hex().as_str(), PINNED);
    }

    const PINNED: &str = "f5013ee78ff3354ce562bf8fa9240df590442822157a688c90b1a0e7f1af85c0";

    #[test]
    fn a_key_never_shows_itself() {
        assert_eq!(format!("{:?}", FingerprintKey::new([7; 32])), "FingerprintKey(redacted)");
    }
}
