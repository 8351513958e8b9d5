//! What is signed: the description of an index, its root, and the seal over it.

use ed25519_dalek::{Signer as _, VerifyingKey};

use super::sharding::{self, MAX_SHARD_BITS};
use super::{FORMAT, Kinds, Pinned};
use crate::settings::Settings;
use crate::{Fingerprint, FingerprintKey};

/// The control plane's key for sealing headers.
pub struct SigningKey(ed25519_dalek::SigningKey);

/// What gateways pin to recognise the control plane's seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// An Ed25519 signature over a header's root.
pub type Signature = [u8; 64];

/// What an index consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexHeader {
    /// [`FORMAT`] of the index.
    pub format: u32,
    /// The tenant that the index belongs to.
    pub tenant: String,
    /// [`FingerprintKeys::check`](crate::FingerprintKeys::check) of the keys that the fingerprints were made with.
    pub key_check: [u8; 32],
    /// Only grows.
    pub epoch: u64,
    /// A shard holds the fingerprints that share their first `shard_bits` bits.
    pub shard_bits: u8,
    /// Fingerprints in all shards.
    pub tokens: u64,
    /// Lengths and classes of the tokens.
    pub kinds: Kinds,
    /// Milliseconds since the Unix epoch.
    pub built_at_ms: u64,
    /// One for each shard, in order.
    pub shards: Vec<ShardSum>,
    /// How it is enforced: [`Settings`], encoded. Read when the header is believed, and not before.
    pub settings: Vec<u8>,
}

/// Hash and length of a shard's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardSum {
    /// BLAKE3 of the bytes.
    pub hash: [u8; 32],
    /// Number of bytes.
    pub length: u32,
}

/// A header with the signature that came with it: nothing of it may be believed before [`SealedHeader::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHeader {
    pub(crate) header: IndexHeader,
    pub(crate) signature: Signature,
}

/// Why a header is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Made by a control plane of another version.
    #[error("index format is {got}, this filter reads {expected}")]
    Format {
        /// [`FORMAT`] of this build.
        expected: u32,
        /// Of the header.
        got: u32,
    },
    /// Not sealed with the pinned key, or changed since.
    #[error("the signature does not belong to this header and the pinned public key")]
    Signature,
    /// Sealed for somebody else.
    #[error("the index belongs to tenant {got:?}, this gateway to {expected:?}")]
    Tenant {
        /// Of the gateway.
        expected: String,
        /// Of the header.
        got: String,
    },
    /// The key that came with the welcome is not the index's: with it, no token would be recognised.
    #[error("the fingerprint key of the welcome is not the one that the index was made with")]
    Key,
    /// An old index, perhaps replayed.
    #[error("epoch {got} is older than epoch {have} in force")]
    Epoch {
        /// In force.
        have: u64,
        /// Of the header.
        got: u64,
    },
    /// Does not hang together.
    #[error("the header names {got} shards, {expected} are expected")]
    Shards {
        /// 2^`shard_bits`.
        expected: usize,
        /// Named.
        got: usize,
    },
    /// A field has a length or a value that the format does not allow.
    #[error("malformed header: {0}")]
    Malformed(&'static str),
}

impl ShardSum {
    /// Whether these are the bytes that it is of.
    #[must_use]
    pub fn belongs_to(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length as usize && blake3::hash(bytes) == self.hash
    }
}

impl IndexHeader {
    /// The hash that covers every field: what the signature signs.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("stopleak index root v3");
        hasher.update(&self.format.to_le_bytes());
        hasher.update(&(self.tenant.len() as u64).to_le_bytes());
        hasher.update(self.tenant.as_bytes());
        hasher.update(&self.key_check);
        hasher.update(&self.epoch.to_le_bytes());
        hasher.update(&[self.shard_bits]);
        hasher.update(&self.tokens.to_le_bytes());
        hasher.update(&self.kinds.to_bytes());
        hasher.update(&self.built_at_ms.to_le_bytes());
        for shard in &self.shards {
            hasher.update(&shard.hash);
            hasher.update(&shard.length.to_le_bytes());
        }
        hasher.update(&(self.settings.len() as u64).to_le_bytes());
        hasher.update(&self.settings);
        *hasher.finalize().as_bytes()
    }

    /// The number of the shard that would hold the fingerprint.
    #[must_use]
    pub fn shard_of(&self, fingerprint: &Fingerprint) -> usize {
        sharding::shard_of(fingerprint, self.shard_bits)
    }
}

impl SigningKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret))
    }

    /// What gateways pin.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Seals a header.
    #[must_use]
    pub fn seal(&self, header: IndexHeader) -> SealedHeader {
        let signature = self.0.sign(&header.root()).to_bytes();
        SealedHeader { header, signature }
    }
}

impl PublicKey {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = blake3::Hash::from_hex(text.trim()).ok()?;
        VerifyingKey::from_bytes(bytes.as_bytes()).ok().map(Self)
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        blake3::Hash::from(self.0.to_bytes()).to_hex().to_string()
    }
}

impl SealedHeader {
    /// For whoever sealed it; others have to verify it.
    #[must_use]
    pub fn header(&self) -> &IndexHeader {
        &self.header
    }

    /// Believes the header when it is sealed with the pinned key, meant for this tenant, made with this fingerprint key, and not older
    /// than the epoch in force.
    ///
    /// The epoch in force itself is believed again: it is what a reconnecting gateway is sent.
    pub fn verify(
        self,
        key: &PublicKey,
        tenant: &str,
        fingerprint_key: &FingerprintKey,
        epoch_in_force: u64,
    ) -> Result<IndexHeader, HeaderError> {
        self.verify_by(&Pinned::from(*key), tenant, &fingerprint_key.check(), epoch_in_force)
    }

    /// The same for a gateway that may pin two public keys and hash under two fingerprint keys, of which this is the
    /// [check](crate::FingerprintKeys::check).
    pub fn verify_by(
        self,
        pinned: &Pinned,
        tenant: &str,
        key_check: &[u8; 32],
        epoch_in_force: u64,
    ) -> Result<IndexHeader, HeaderError> {
        let Self { header, signature } = self;
        if header.format != FORMAT {
            return Err(HeaderError::Format { expected: FORMAT, got: header.format });
        }
        let signature = ed25519_dalek::Signature::from_bytes(&signature);
        let root = header.root();
        if !pinned.iter().any(|key| key.0.verify_strict(&root, &signature).is_ok()) {
            return Err(HeaderError::Signature);
        }
        if header.tenant != tenant {
            return Err(HeaderError::Tenant { expected: tenant.to_owned(), got: header.tenant });
        }
        if header.key_check != *key_check {
            return Err(HeaderError::Key);
        }
        if header.epoch < epoch_in_force {
            return Err(HeaderError::Epoch { have: epoch_in_force, got: header.epoch });
        }
        if header.shard_bits > MAX_SHARD_BITS {
            return Err(HeaderError::Malformed("too many shards"));
        }
        let expected = 1_usize << header.shard_bits;
        if header.shards.len() != expected {
            return Err(HeaderError::Shards { expected, got: header.shards.len() });
        }
        Settings::read(&header.settings).map_err(HeaderError::Malformed)?;
        Ok(header)
    }
}
