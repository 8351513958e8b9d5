//! What the database keeps and nobody may read there: other people's secrets that Stopleak has to use again, such as the address
//! of a chat channel. Encrypted and authenticated with ChaCha20-Poly1305 under a key of the tenant.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// A tenant's key for what it keeps sealed.
pub struct SealingKey {
    key: LessSafeKey,
    /// That what is there was sealed under, while the key is being changed.
    other: Option<LessSafeKey>,
}

/// Why something sealed cannot be read: it was changed, belongs elsewhere, or was sealed under another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed in the database cannot be opened: it was changed, or sealed under another key")]
pub struct Unopenable;

impl SealingKey {
    /// From 32 bytes that serve no other purpose.
    ///
    /// # Panics
    ///
    /// Never: the algorithm refuses keys of another length only.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: algorithm(key), other: None }
    }

    /// The same, for opening what was sealed under another key too.
    #[must_use]
    pub fn opening_also(self, other: &[u8; 32]) -> Self {
        Self { other: Some(algorithm(other)), ..self }
    }

    /// Seals a text for one purpose: a random nonce, the encrypted text and its tag.
    ///
    /// # Panics
    ///
    /// Never: the algorithm refuses texts of over 256 GiB only.
    pub fn seal(&self, purpose: &str, text: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
        // 96 random bits: under one key, billions of texts can be sealed before two nonces are likely to be the same.
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let mut encrypted = Zeroizing::new(text.to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut encrypted)
            .expect("a text in memory is shorter than the algorithm's limit of 256 GiB");
        Ok([&nonce, encrypted.as_slice(), tag.as_ref()].concat())
    }

    /// Opens what was sealed for that purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopenable> {
        let (nonce, encrypted) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Unopenable)?;
        let open = |key: &LessSafeKey| {
            let mut buffer = Zeroizing::new(encrypted.to_vec());
            let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(purpose), &mut buffer);
            let length = opened.ok()?.len();
            buffer.truncate(length);
            Some(buffer)
        };
        open(&self.key).or_else(|| self.other.as_ref().and_then(open)).ok_or(Unopenable)
    }
}

fn algorithm(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the algorithm's keys have 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_purpose_open_what_was_not_changed() {
        let (key, other) = (SealingKey::new(&[1; 32]), SealingKey::new(&[2; 32]));
        let sealed = key.seal("slack", b"https://hooks.example/T0").unwrap();
        assert_eq!(key.open("slack", &sealed).unwrap().as_slice(), b"https://hooks.example/T0");
        assert!(!sealed.windows(5).any(|part| part == b"hooks"));
        assert_ne!(key.seal("slack", b"https://hooks.example/T0").unwrap(), sealed, "a new nonce each time");

        assert_eq!(key.open("email", &sealed), Err(Unopenable));
        assert_eq!(other.open("slack", &sealed), Err(Unopenable));
        let both = other.opening_also(&[1; 32]);
        assert_eq!(both.open("slack", &sealed).unwrap().as_slice(), b"https://hooks.example/T0");
        let resealed = both.seal("slack", b"https://hooks.example/T0").unwrap();
        assert_eq!(key.open("slack", &resealed), Err(Unopenable), "the new key seals");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open("slack", &changed), Err(Unopenable), "byte {at}");
            assert_eq!(key.open("slack", &sealed[..at]), Err(Unopenable), "cut at {at}");
        }
    }
}
