//! Public checks: anybody may find out whether a token is leaked, and nobody learns which one they asked about.
//!
//! Whoever asks sends the first five digits of the token's SHA-256, and is given the rest of every hash of that range. SHA-256 has
//! no key, so that a list of such hashes can be tested against guesses: it is kept only for tenants that have switched this on,
//! never for a token that somebody could guess, and sealed under the tenant's key, so that a stolen database is of no use.

use std::fmt::Write as _;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use stopleak_contract::{Fingerprint, FingerprintKey, Token};

use crate::keys::Keys;
use crate::store::Connection;
use crate::tenants::{self, TenantId};

/// What is stored of a token's SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicHash {
    /// By which the hashes of its range are found.
    pub range: [u8; RANGE],
    /// The hash.
    pub sealed: Vec<u8>,
}

/// The first five hexadecimal digits of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix(u32);

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    public_hash: Vec<u8>,
}

/// Ten million tokens put ten into a range: five digits hide one token among a million ranges, and keep answers short.
const DIGITS: usize = 5;
/// Bytes by which ranges are told apart in the database.
const RANGE: usize = 8;
/// An answer has a multiple of so many lines, so that its size tells next to nothing.
const LINES: usize = 64;
/// More hashes than that in one range there are only when somebody makes them up.
const MAX_HASHES: usize = 10_000;

impl Prefix {
    /// Reads five digits of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then(|| u32::from_str_radix(text, 16).ok().map(Self))?
    }

    fn of(hash: &[u8]) -> Self {
        Self(hash.iter().take(3).fold(0, |bits, &byte| bits << 8 | u32::from(byte)) >> 4)
    }

    fn range(self, key: &FingerprintKey) -> [u8; RANGE] {
        let key = derive(key, b"stopleak public checks: ranges v1");
        let hash = blake3::keyed_hash(&key, &self.0.to_be_bytes());
        std::array::from_fn(|at| hash.as_bytes()[at])
    }
}

impl PublicHash {
    /// Of a token; `None` for one that somebody could guess.
    #[must_use]
    pub fn of(key: &FingerprintKey, token: &Token, fingerprint: &Fingerprint) -> Option<Self> {
        if token.weakness().is_some() {
            return None;
        }
        Self::of_hash(key, digest(&SHA256, token.as_bytes()).as_ref(), fingerprint)
    }

    /// Of the SHA-256 of a token that nobody could guess.
    pub(crate) fn of_hash(key: &FingerprintKey, hash: &[u8], fingerprint: &Fingerprint) -> Option<Self> {
        let mut sealed = hash.to_vec();
        seal(key)?.seal_in_place_append_tag(nonce(fingerprint), Aad::from(fingerprint.as_bytes()), &mut sealed).ok()?;
        Some(Self { range: Prefix::of(hash).range(key), sealed })
    }
}

/// The tenant of this name, when it has public checks.
pub async fn tenant(db: &mut Connection, name: &str) -> Result<Option<TenantId>, sqlx::Error> {
    let Some(tenant) = tenants::find(&mut *db, name).await? else { return Ok(None) };
    Ok(tenants::view(db, tenant.id).await?.public_checks.then_some(tenant.id))
}

/// The lines of a range: the rest of each hash and `:1`, mixed with made-up ones and `:0` that fill the answer up.
pub async fn lines(db: &mut Connection, keys: &Keys, tenant: TenantId, prefix: Prefix) -> Result<String, sqlx::Error> {
    let keys = keys.fingerprint(tenant);
    let keys: Vec<_> = keys.all().iter().collect();
    let ranges: Vec<_> = keys.iter().map(|key| prefix.range(key)).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT t.fingerprint, t.public_hash FROM tokens t JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak
         WHERE t.tenant_id = $1 AND t.public_range IN ($2, $3) AND l.status <> 'false_positive' ORDER BY t.id LIMIT $4",
    )
    .bind(tenant)
    .bind(ranges.first().map(<[u8; RANGE]>::as_slice))
    .bind(ranges.last().map(<[u8; RANGE]>::as_slice))
    .bind(i64::try_from(MAX_HASHES).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    let hashes: Vec<[u8; 32]> = rows.iter().filter_map(|row| keys.iter().find_map(|key| open(key, row))).collect();
    let mut lines: Vec<(String, char)> = hashes.iter().map(|hash| (rest(hash), '1')).collect();
    while lines.is_empty() || !lines.len().is_multiple_of(LINES) {
        let mut made_up = [0; 32];
        getrandom::fill(&mut made_up).map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
        lines.push((rest(&made_up), '0'));
    }
    lines.sort_unstable();
    let mut text = String::new();
    for (rest, leaked) in lines {
        // A string takes all that is written to it.
        let _ = writeln!(text, "{rest}:{leaked}");
    }
    Ok(text)
}

fn rest(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().chars().skip(DIGITS).collect()
}

fn open(key: &FingerprintKey, row: &Row) -> Option<[u8; 32]> {
    let (fingerprint, mut sealed) = (Fingerprint::from_stored(&row.fingerprint)?, row.public_hash.clone());
    let opened = seal(key)?.open_in_place(nonce(&fingerprint), Aad::from(fingerprint.as_bytes()), &mut sealed).ok()?;
    (&*opened).try_into().ok()
}

fn seal(key: &FingerprintKey) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, &derive(key, b"stopleak public checks: hashes v1")).ok().map(LessSafeKey::new)
}

/// A nonce must not be used for two hashes: a fingerprint stands for one token, and so for one hash.
fn nonce(fingerprint: &Fingerprint) -> Nonce {
    Nonce::assume_unique_for_key(std::array::from_fn::<u8, NONCE_LEN, _>(|at| fingerprint.as_bytes()[at]))
}

fn derive(key: &FingerprintKey, purpose: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(key.as_bytes(), purpose).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_hash_is_sealed_and_found_by_its_prefix() {
        let (key, other) = (FingerprintKey::new([7; 32]), FingerprintKey::new([8; 32]));
        let token = token("fk_9aQ7zLm2Xw4RtB8v");
        let fingerprint = Fingerprint::of(&key, &token);
        let stored = PublicHash::of(&key, &token, &fingerprint).unwrap();
        let hash = digest(&SHA256, token.as_bytes());
        let hex = blake3::Hash::from_bytes(hash.as_ref().try_into().unwrap()).to_hex();
        let prefix = Prefix::parse(&hex[..DIGITS].to_uppercase()).unwrap();
        assert_eq!((prefix, prefix.range(&key)), (Prefix::of(hash.as_ref()), stored.range));
        assert_ne!(prefix.range(&other), stored.range);
        assert!(!stored.sealed.windows(8).any(|part| hash.as_ref().windows(8).any(|of| of == part)));

        let row = || Row { fingerprint: fingerprint.as_bytes().to_vec(), public_hash: stored.sealed.clone() };
        assert_eq!(open(&key, &row()).as_ref().map(<[u8; 32]>::as_slice), Some(hash.as_ref()));
        assert_eq!(open(&other, &row()), None);
        let moved = Row { fingerprint: vec![1; 32], ..row() };
        assert_eq!(open(&key, &moved), None, "a hash belongs to its token");
    }

    #[test]
    fn what_somebody_could_guess_has_none() {
        let key = FingerprintKey::new([7; 32]);
        for text in ["hunter22", "changeme-please", "correct-horse-battery", "111111111111111112"] {
            let token = token(text);
            assert_eq!(PublicHash::of(&key, &token, &Fingerprint::of(&key, &token)), None, "{text}");
        }
    }

    #[test]
    fn a_prefix_is_five_digits() {
        for text in ["", "1234", "123456", "1234g", "+1234", "１２３４５"] {
            assert_eq!(Prefix::parse(text), None, "{text}");
        }
        assert_eq!(Prefix::parse("fFfFf"), Some(Prefix(0xf_ffff)));
    }
}
