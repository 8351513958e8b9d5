//! The chain: each entry's hash covers the entry and the hash before it.
//!
//! The hash is BLAKE3 in its key-derivation mode with the context [`CONTEXT`], over these fields in this order, each as its length in
//! bytes (eight, little-endian) and its bytes: the hash before (empty for entry 1); the tenant's name; number; time in
//! milliseconds since the Unix epoch; kind, key (empty when there is none), name and role of who did it; address; action; object;
//! before; after. Numbers are decimal digits. A state that is absent is empty, which no JSON is.

use crate::time::Time;

/// Binds the hash to this format.
pub const CONTEXT: &str = "stopleak audit entry v1";

/// One entry, as it is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 1, 2, 3 … of the tenant.
    pub number: i64,
    /// When.
    pub at: Time,
    /// `user`, `api_token` or `system`.
    pub actor_kind: String,
    /// The key of the user or API token.
    pub actor_id: Option<i64>,
    /// Their name at that time.
    pub actor: String,
    /// The role that they used.
    pub role: String,
    /// Where the request came from; empty when it did not come over the network.
    pub address: String,
    /// What they did.
    pub action: String,
    /// To which object.
    pub object: String,
    /// JSON of the object before.
    pub before: Option<String>,
    /// JSON of the object after.
    pub after: Option<String>,
}

/// An entry's number and hash: what an auditor remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The number of the entry; 0 before the first.
    pub number: i64,
    /// Its hash.
    pub hash: Option<[u8; 32]>,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry is missing, or is there twice.
    #[error("entry {expected} is missing: entry {got} comes after entry {}", expected - 1)]
    Gap {
        /// The number that should have come.
        expected: i64,
        /// The number that came.
        got: i64,
    },
    /// An entry, or one before it, was changed.
    #[error("entry {number} does not have the hash that is stored with it: it was changed")]
    Changed {
        /// Which.
        number: i64,
    },
    /// The chain is a different one from the one that was remembered.
    #[error("entry {number} is not the one that was remembered: the log was rewritten up to there")]
    NotTheRemembered {
        /// Which.
        number: i64,
    },
    /// The remembered entry is gone.
    #[error("the log ends with entry {last}, and entry {remembered} was remembered: its end was cut off")]
    Truncated {
        /// The newest that is there.
        last: i64,
        /// The remembered one.
        remembered: i64,
    },
}

/// Checks entries one after the other.
#[derive(Debug, Default)]
pub struct Verifier {
    tenant: String,
    head: Head,
    remembered: Option<Head>,
}

impl Verifier {
    /// For the log of this tenant, with an entry that somebody remembers from an earlier check.
    #[must_use]
    pub fn new(tenant: &str, remembered: Option<Head>) -> Self {
        Self { tenant: tenant.to_owned(), head: Head::default(), remembered }
    }

    /// The next entry, with the hash that is stored with it.
    pub fn next(&mut self, entry: &Entry, stored: &[u8]) -> Result<(), Broken> {
        let expected = self.head.number + 1;
        if entry.number != expected {
            return Err(Broken::Gap { expected, got: entry.number });
        }
        let hash = entry_hash(self.head.hash.as_ref().map_or(&[], |hash| hash.as_slice()), &self.tenant, entry);
        if hash != stored {
            return Err(Broken::Changed { number: entry.number });
        }
        self.head = Head { number: entry.number, hash: Some(hash) };
        match self.remembered {
            Some(remembered) if remembered.number == entry.number && remembered.hash != self.head.hash => {
                Err(Broken::NotTheRemembered { number: entry.number })
            }
            _ => Ok(()),
        }
    }

    /// The newest entry, when that is the end.
    pub fn end(&self) -> Result<Head, Broken> {
        match self.remembered {
            Some(remembered) if remembered.number > self.head.number => {
                Err(Broken::Truncated { last: self.head.number, remembered: remembered.number })
            }
            _ => Ok(self.head),
        }
    }
}

/// The hash of an entry that follows the one with the hash `previous`.
#[must_use]
pub fn entry_hash(previous: &[u8], tenant: &str, entry: &Entry) -> [u8; 32] {
    let number = entry.number.to_string();
    let at = entry.at.as_millis().to_string();
    let actor_id = entry.actor_id.map(|id| id.to_string()).unwrap_or_default();
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for field in [
        previous,
        tenant.as_bytes(),
        number.as_bytes(),
        at.as_bytes(),
        entry.actor_kind.as_bytes(),
        actor_id.as_bytes(),
        entry.actor.as_bytes(),
        entry.role.as_bytes(),
        entry.address.as_bytes(),
        entry.action.as_bytes(),
        entry.object.as_bytes(),
        entry.before.as_deref().unwrap_or_default().as_bytes(),
        entry.after.as_deref().unwrap_or_default().as_bytes(),
    ] {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    *hasher.finalize().as_bytes()
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.number, self.hash.map(|hash| blake3::Hash::from(hash).to_hex().to_string()).unwrap_or_default())
    }
}

impl std::str::FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write it as `stopleak audit verify` printed it: NUMBER:HASH";
        let (number, hash) = text.split_once(':').ok_or(wrong)?;
        let number = number.parse().map_err(|_| wrong)?;
        if number == 0 && hash.is_empty() {
            return Ok(Self::default());
        }
        let hash = blake3::Hash::from_hex(hash).map_err(|_| wrong)?;
        Ok(Self { number, hash: Some(*hash.as_bytes()) })
    }
}
