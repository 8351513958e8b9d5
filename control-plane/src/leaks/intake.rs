//! How tokens come in.

use std::collections::BTreeMap;

use serde_json::json;
use stopleak_contract::index::{Classes, LeakNumber};
use stopleak_contract::{Fingerprint, Token};
use stopleak_detector::Risk;

use super::{Carrier, Status};
use crate::audit;
use crate::keys::TenantKeys;
use crate::notifications::{self, Event};
use crate::people::Caller;
use crate::public_checks::PublicHash;
use crate::store::{Connection, Store};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// By which it is recognised.
    pub fingerprint: Fingerprint,
    /// The number of the key that this is under.
    pub key: i64,
    /// Under the other key, while the fingerprint key is being changed.
    pub other: Option<Fingerprint>,
    /// By which people recognise it.
    pub preview: String,
    /// Bytes of its canonical form.
    pub length: usize,
    /// The classes of its bytes.
    pub classes: Classes,
    /// Why it should not be blocked without asking.
    pub weakness: Option<&'static str>,
    /// The rule that found it.
    pub rule: Option<String>,
    /// For public checks, when it cannot be guessed; kept where those are on.
    pub public_hash: Option<PublicHash>,
}

/// A leak before it has tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLeak<'a> {
    /// What people call it.
    pub title: &'a str,
    /// How bad it is.
    pub risk: Risk,
    /// Where a scan found it: source and path.
    pub place: Option<(i64, &'a str)>,
}

/// A token that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Known {
    /// The token's key.
    pub token: i64,
    /// The leak that it belongs to.
    #[sqlx(try_from = "i64")]
    pub leak: LeakNumber,
    /// Where that leak stands.
    pub status: Status,
    /// The number of the key that its fingerprint is under.
    pub key_number: i64,
}

/// A leak that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The leak.
    pub leak: LeakNumber,
    /// The epoch that carries it.
    pub epoch: i64,
}

/// Why a leak was not added; nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// A token belongs to one leak of a tenant.
    #[error("token {position} belongs to another leak already")]
    AlreadyLeaked {
        /// Which of the tokens, counted from 1.
        position: usize,
        /// Whose it is.
        known: Known,
    },
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

impl NewToken {
    /// Takes of a token what may be kept.
    #[must_use]
    pub fn of(keys: &TenantKeys, token: &Token, rule: Option<&str>) -> Self {
        let key = &keys.all().first;
        let fingerprint = Fingerprint::of(key, token);
        Self {
            fingerprint,
            key: keys.number(),
            other: keys.all().second.as_ref().map(|second| Fingerprint::of(second, token)),
            preview: token.preview(),
            length: token.as_bytes().len(),
            classes: Classes::of(token.as_bytes()),
            weakness: token.weakness().map(stopleak_contract::Weakness::as_str),
            rule: rule.map(str::to_owned),
            public_hash: PublicHash::of(key, token, &fingerprint),
        }
    }
}

/// Adds an open leak with its tokens. The same token twice is one token.
pub async fn add(store: &Store, caller: &Caller, leak: &NewLeak<'_>, tokens: &[NewToken], now: Time) -> Result<Added, AddError> {
    let tenant = caller.tenant.id;
    let mut db = store.write().await?;
    let mut distinct = BTreeMap::new();
    for (position, token) in (1..).zip(tokens) {
        let mut carrier = Carrier::default();
        if let Some(known) = recognise(&mut db, tenant, token, &mut carrier, now).await? {
            if carrier.new_epoch().is_some() {
                db.commit().await?;
            }
            return Err(AddError::AlreadyLeaked { position, known });
        }
        distinct.entry(token.fingerprint).or_insert(token);
    }
    let number = insert_leak(&mut db, tenant, leak, now).await?;
    count_tokens(&mut db, tenant, number, distinct.len()).await?;
    for token in distinct.into_values() {
        write_token(&mut db, tenant, number, token, now).await?;
    }
    let epoch = tenants::next_epoch(&mut db, tenant, now).await?;
    notifications::tell(&mut db, tenant, &Event::Added(&[number]), now).await?;
    let after = json!({"title": leak.title, "risk": leak.risk.as_str(), "tokens": tokens.len()});
    audit::record(&mut db, caller, "leak.add", &format!("leak/{number}"), None, Some(after)).await?;
    db.commit().await?;
    Ok(Added { leak: number, epoch })
}

/// Whose a token is that has come in. One that was stored under an older key is brought under the new one: it is here now, and may not be
/// again.
pub(crate) async fn recognise(
    db: &mut Connection,
    tenant: TenantId,
    token: &NewToken,
    carrier: &mut Carrier,
    now: Time,
) -> Result<Option<Known>, sqlx::Error> {
    if let Some(known) = find_token(db, tenant, &token.fingerprint).await? {
        return Ok(Some(known));
    }
    let Some(other) = &token.other else { return Ok(None) };
    let Some(known) = find_token(db, tenant, other).await? else { return Ok(None) };
    // Servers are not given a new key all at once: one that still puts the old one first brings nothing back under it.
    if token.key > known.key_number {
        let epoch = carrier.epoch(db, tenant, true, now).await?;
        bring_under(db, &known, token, epoch).await?;
    }
    Ok(Some(known))
}

async fn bring_under(db: &mut Connection, known: &Known, token: &NewToken, epoch: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE tokens SET old_fingerprint = fingerprint, fingerprint = $2, key_number = $3, rekeyed_epoch = $4,
             public_range = CASE WHEN public_range IS NULL THEN NULL ELSE $5 END,
             public_hash = CASE WHEN public_hash IS NULL THEN NULL ELSE $6 END
         WHERE id = $1",
    )
    .bind(known.token)
    .bind(token.fingerprint.as_bytes().as_slice())
    .bind(token.key)
    .bind(epoch)
    .bind(token.public_hash.as_ref().map(|hash| hash.range.to_vec()))
    .bind(token.public_hash.as_ref().map(|hash| hash.sealed.clone()))
    .execute(db)
    .await
    .map(drop)
}

/// Whose a token is, by its fingerprint or the one that it had under the key before.
pub async fn find_token(db: &mut Connection, tenant: TenantId, fingerprint: &Fingerprint) -> Result<Option<Known>, sqlx::Error> {
    sqlx::query_as(
        "SELECT t.id AS token, t.leak, l.status, t.key_number FROM tokens t
         JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak WHERE t.tenant_id = $1 AND t.fingerprint = $2
         UNION ALL
         SELECT t.id AS token, t.leak, l.status, t.key_number FROM tokens t
         JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak WHERE t.tenant_id = $1 AND t.old_fingerprint = $2",
    )
    .bind(tenant)
    .bind(fingerprint.as_bytes().as_slice())
    .fetch_optional(db)
    .await
}

/// Writes an open leak without tokens.
pub async fn insert_leak(
    db: &mut Connection,
    tenant: TenantId,
    leak: &NewLeak<'_>,
    now: Time,
) -> Result<LeakNumber, sqlx::Error> {
    let number = tenants::next_leak(&mut *db, tenant).await?;
    sqlx::query(
        "INSERT INTO leaks (tenant_id, number, title, risk, risk_from, status, source_id, path, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
    )
    .bind(tenant)
    .bind(i64::from(number))
    .bind(leak.title)
    .bind(leak.risk.as_str())
    .bind(if leak.place.is_some() { "rule" } else { "person" })
    .bind(Status::Open.as_str())
    .bind(leak.place.map(|(source, _)| source))
    .bind(leak.place.map(|(_, path)| path))
    .bind(now)
    .execute(db)
    .await?;
    Ok(number)
}

/// Writes a token of a leak and returns its key.
pub async fn insert_token(
    db: &mut Connection,
    tenant: TenantId,
    leak: LeakNumber,
    token: &NewToken,
    now: Time,
) -> Result<i64, sqlx::Error> {
    count_tokens(&mut *db, tenant, leak, 1).await?;
    write_token(db, tenant, leak, token, now).await
}

/// A leak of ten thousand tokens is counted once.
async fn count_tokens(db: &mut Connection, tenant: TenantId, leak: LeakNumber, more: usize) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE leaks SET token_count = token_count + $3, version = version + 1 WHERE tenant_id = $1 AND number = $2")
        .bind(tenant)
        .bind(i64::from(leak))
        .bind(i64::try_from(more).unwrap_or(i64::MAX))
        .execute(db)
        .await
        .map(drop)
}

async fn write_token(
    db: &mut Connection,
    tenant: TenantId,
    leak: LeakNumber,
    token: &NewToken,
    now: Time,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "INSERT INTO tokens (tenant_id, leak, fingerprint, preview, length, classes, weakness, rule, created_at, key_number,
             public_range, public_hash)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN public_checks = 1 THEN $11 END, CASE WHEN public_checks = 1 THEN $12 END
         FROM tenants WHERE id = $1 RETURNING id",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .bind(token.fingerprint.as_bytes().as_slice())
    .bind(&token.preview)
    .bind(i64::try_from(token.length).unwrap_or(i64::MAX))
    .bind(i64::from(token.classes.bits()))
    .bind(token.weakness)
    .bind(&token.rule)
    .bind(now)
    .bind(token.key)
    .bind(token.public_hash.as_ref().map(|hash| hash.range.to_vec()))
    .bind(token.public_hash.as_ref().map(|hash| hash.sealed.clone()))
    .fetch_one(db)
    .await
}
