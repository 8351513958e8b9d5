//! The keys: outside of the database, so that a stolen database cannot be tested against guesses.
//!
//! Each key comes from a configured command, else from the environment, else from a file of mode 0600 under `keys/` in the data
//! folder. The first start makes the files. Later a missing key is an error: a new one would orphan every fingerprint, or lock out
//! every gateway that pins the public key.
//!
//! While a key is being changed there is a second one beside it ([`rotation`]). New tokens come in under the first fingerprint key, and
//! tokens under both are recognised; the first signing key seals.

mod files;
pub mod rotation;

use std::path::Path;

use stopleak_contract::index::{PublicKey, SigningKey};
use stopleak_contract::{FingerprintKey, FingerprintKeys};
use zeroize::Zeroizing;

use self::files::KeyBytes;
pub use self::files::{FINGERPRINT, KeyError, Kind, SIGNING, create_private_folder, write_private};
use crate::config::KeysConfig;
use crate::sealed::SealingKey;
use crate::tenants::TenantId;

/// What the control plane keeps secret.
pub struct Keys {
    /// Of which each tenant's fingerprint key is made.
    fingerprint: FingerprintKey,
    second: Option<FingerprintKey>,
    /// By which the database knows them.
    numbers: Numbers,
    /// Seals index headers.
    pub signing: SigningKey,
    next_signing: Option<SigningKey>,
}

/// A tenant's fingerprint keys, and their numbers.
#[derive(Clone, Debug)]
pub struct TenantKeys {
    keys: FingerprintKeys,
    numbers: Numbers,
}

/// What the keys of one kind are recognised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCheck {
    /// `fingerprint` or `signing`.
    pub kind: &'static str,
    /// Of the first.
    pub first: [u8; 32],
    /// Of the second.
    pub second: Option<[u8; 32]>,
}

/// The numbers of the first fingerprint key and of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) first: i64,
    pub(crate) second: Option<i64>,
}

impl Keys {
    /// Finds all keys; makes what is missing only when there is no database yet.
    pub fn load(data_dir: &Path, config: &KeysConfig, database_exists: bool) -> Result<Self, KeyError> {
        let fingerprint = FINGERPRINT.load(data_dir, config, database_exists)?;
        let signing = SIGNING.load(data_dir, config, database_exists)?;
        Ok(Self {
            fingerprint: FingerprintKey::new(*fingerprint.first),
            second: fingerprint.second.map(|second| FingerprintKey::new(*second)),
            // Until the database has been asked.
            numbers: Numbers { first: 1, second: None },
            signing: SigningKey::new(&signing.first),
            next_signing: signing.second.map(|second| SigningKey::new(&second)),
        })
    }

    /// The tenant's keys, which turn its tokens into fingerprints and go to its gateways: what a gateway of one tenant knows is of
    /// no use against another. Made of the tenant's number, since a name can change and fingerprints cannot.
    #[must_use]
    pub fn fingerprint(&self, tenant: TenantId) -> TenantKeys {
        let keys = FingerprintKeys {
            first: fingerprint_of(&self.fingerprint, tenant),
            second: self.second.as_ref().map(|second| fingerprint_of(second, tenant)),
        };
        TenantKeys { keys, numbers: self.numbers }
    }

    /// The public key of the second signing key, for gateways to pin beside the other.
    #[must_use]
    pub fn next_public_key(&self) -> Option<PublicKey> {
        self.next_signing.as_ref().map(SigningKey::public_key)
    }

    /// Of which a webhook's secret is derived, under each fingerprint key, the first one first. Gateways have their tenant's fingerprint
    /// key, so it is not made of that.
    pub fn webhook(&self, tenant: TenantId, nonce: &[u8]) -> impl Iterator<Item = Zeroizing<[u8; 32]>> {
        self.each().map(move |key| {
            let key = derive(key, "webhook secret", tenant);
            Zeroizing::new(*blake3::keyed_hash(&key, nonce).as_bytes())
        })
    }

    /// The tenant's key for what its database rows keep encrypted.
    #[must_use]
    pub fn sealing(&self, tenant: TenantId) -> SealingKey {
        let TenantId(number) = tenant;
        let context = format!("stopleak sealing key v1 of tenant {number}");
        let of = |key: &FingerprintKey| Zeroizing::new(*blake3::keyed_hash(key.as_bytes(), context.as_bytes()).as_bytes());
        let first = SealingKey::new(&of(&self.fingerprint));
        self.second.iter().fold(first, |sealing, second| sealing.opening_also(&of(second)))
    }

    /// What tells one request from another without telling what is in it: parts of it may be tokens.
    #[must_use]
    pub fn digest(&self, tenant: TenantId, parts: &[&[u8]]) -> [u8; 32] {
        let TenantId(number) = tenant;
        let context = format!("stopleak request digest v1 of tenant {number}");
        let key = blake3::keyed_hash(self.fingerprint.as_bytes(), context.as_bytes());
        let mut hasher = blake3::Hasher::new_keyed(key.as_bytes());
        for part in parts {
            hasher.update(&part.len().to_le_bytes()).update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// Values to store with the database, by which [`Keys`] of another installation are recognised; they do not tell the keys. Of each
    /// kind the first key's, and the second's if there is one.
    #[must_use]
    pub fn checks(&self) -> [KeyCheck; 2] {
        let fingerprint = |key: &FingerprintKey| *blake3::keyed_hash(key.as_bytes(), b"stopleak key check v1").as_bytes();
        let signing = |key: &SigningKey| *blake3::hash(key.public_key().to_hex().as_bytes()).as_bytes();
        [
            KeyCheck {
                kind: FINGERPRINT.name,
                first: fingerprint(&self.fingerprint),
                second: self.second.as_ref().map(fingerprint),
            },
            KeyCheck { kind: SIGNING.name, first: signing(&self.signing), second: self.next_signing.as_ref().map(signing) },
        ]
    }

    fn each(&self) -> impl Iterator<Item = &FingerprintKey> {
        [&self.fingerprint].into_iter().chain(&self.second)
    }
}

impl TenantKeys {
    /// The keys.
    #[must_use]
    pub fn all(&self) -> &FingerprintKeys {
        &self.keys
    }

    /// The number of the first one, under which new tokens come in.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.numbers.first
    }

    /// Whether fingerprints under the key of this number are recognised; an error when it is newer than all that are here.
    pub(crate) fn recognise(&self, number: i64) -> Result<bool, NewerKey> {
        let Numbers { first, second } = self.numbers;
        let is_here = number == first || Some(number) == second;
        if !is_here && number > first.max(second.unwrap_or_default()) { Err(NewerKey { number }) } else { Ok(is_here) }
    }
}

impl From<FingerprintKey> for TenantKeys {
    fn from(key: FingerprintKey) -> Self {
        Self { keys: key.into(), numbers: Numbers { first: 1, second: None } }
    }
}

/// Another server has brought a key that this one does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "tokens are stored under fingerprint key {number}, which this server does not have: give all servers both keys before one of them \
     uses the new one (docs/operations.md, Changing keys)"
)]
pub struct NewerKey {
    number: i64,
}

/// The tenant's fingerprint keys alone, for commands that have nothing to sign. None is made.
pub fn fingerprint_keys(data_dir: &Path, config: &KeysConfig, tenant: TenantId) -> Result<FingerprintKeys, KeyError> {
    let pair = FINGERPRINT.load(data_dir, config, true)?;
    let of = |key: &KeyBytes| fingerprint_of(&FingerprintKey::new(**key), tenant);
    Ok(FingerprintKeys { first: of(&pair.first), second: pair.second.as_ref().map(of) })
}

fn fingerprint_of(key: &FingerprintKey, tenant: TenantId) -> FingerprintKey {
    FingerprintKey::new(*derive(key, "fingerprint key", tenant))
}

/// A key of the tenant for one purpose; none tells another.
fn derive(key: &FingerprintKey, purpose: &str, TenantId(number): TenantId) -> KeyBytes {
    let context = format!("stopleak {purpose} v1 of tenant {number}");
    Zeroizing::new(*blake3::keyed_hash(key.as_bytes(), context.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests;
