//! Which keys the database knows, and how one of them is changed for another.
//!
//! A key that comes beside one that is known belongs to this installation too, and gets the next number. A fingerprint cannot be brought
//! under another key without its token, so tokens stay under theirs until they turn up again; a key may go when no open leak's token
//! is left under it.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;

use super::{FINGERPRINT, KeyCheck, Keys, Numbers, SIGNING};
use crate::audit;
use crate::notifications;
use crate::people::Caller;
use crate::store::Connection;
use crate::tenants;
use crate::time::Time;

/// A key that the database knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// `fingerprint` or `signing`.
    pub kind: String,
    /// Its number among those of its kind.
    pub number: i64,
    /// Where it is.
    pub place: Place,
    /// When it was seen first; the epoch for one that was there before keys had numbers.
    pub added_at: Time,
    /// Since when nothing is recognised by it any more.
    pub retired_at: Option<Time>,
    /// What gateways pin, of a signing key that is here.
    pub public_key: Option<String>,
    /// Tokens under it that gateways watch: of open leaks, and of leaks that were closed lately.
    pub watched_tokens: i64,
    /// All other tokens under it.
    pub other_tokens: i64,
    /// Webhooks in force whose secret is derived of it.
    pub webhooks: i64,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// New tokens come in under it, or pushes are sealed with it.
    First,
    /// In force beside the first, or ready to take its place.
    Second,
    /// Not here.
    Absent,
}

/// What is left under a fingerprint key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Left {
    watched_tokens: i64,
    other_tokens: i64,
    webhooks: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    number: i64,
    key_check: Vec<u8>,
    added_at: Time,
    retired_at: Option<Time>,
}

/// Checks that keys and database belong together, and gives keys that are new their numbers; those of the first start are noted.
pub async fn register(db: &mut Connection, keys: &mut Keys) -> anyhow::Result<()> {
    for KeyCheck { kind, first, second } in keys.checks() {
        let mut known = known(db, kind).await?;
        if known.is_empty() {
            add(db, kind, &first).await?;
            known = self::known(db, kind).await?;
        }
        let here = [Some(first), second].into_iter().flatten().collect::<Vec<_>>();
        anyhow::ensure!(
            here.iter().any(|check| find(&known, check).is_some_and(|row| row.retired_at.is_none())),
            "the {kind} key is not the one that this database was made with; put the old key back: \
             with another one, no leaked token would be recognised or no gateway would believe the index"
        );
        let mut numbers = Vec::new();
        for check in &here {
            numbers.push(match find(&known, check) {
                Some(row) => {
                    anyhow::ensure!(row.retired_at.is_none(), "{kind} key {} was retired; take it away", row.number);
                    row.number
                }
                None => add(db, kind, check).await?,
            });
        }
        if kind == FINGERPRINT.name {
            refuse_to_miss(db, &known, &numbers).await?;
            keys.numbers = Numbers { first: numbers.first().copied().unwrap_or(1), second: numbers.get(1).copied() };
        }
    }
    Ok(())
}

/// All keys that were ever in force, and what is left under each.
pub async fn status(db: &mut Connection, keys: &Keys) -> anyhow::Result<Vec<KeyView>> {
    let mut views = Vec::new();
    for KeyCheck { kind, first, second } in keys.checks() {
        for row in known(db, kind).await? {
            let place = match row.key_check.as_slice() {
                check if check == first => Place::First,
                check if second.is_some_and(|second| check == second) => Place::Second,
                _ => Place::Absent,
            };
            let public_key = match place {
                Place::First => Some(keys.signing.public_key()),
                Place::Second => keys.next_public_key(),
                Place::Absent => None,
            };
            let is_signing = kind == SIGNING.name;
            let Left { watched_tokens, other_tokens, webhooks } =
                if is_signing { Left::NOTHING } else { left(db, row.number).await? };
            views.push(KeyView {
                kind: row.kind,
                number: row.number,
                place,
                added_at: row.added_at,
                retired_at: row.retired_at,
                public_key: public_key.filter(|_| is_signing).map(stopleak_contract::index::PublicKey::to_hex),
                watched_tokens,
                other_tokens,
                webhooks,
            });
        }
    }
    Ok(views)
}

/// Takes the second key of a kind out of force. A fingerprint key stays while something would be lost with it, unless that is wanted.
pub async fn retire(db: &mut Connection, keys: &Keys, kind: &'static str, anyway: bool, now: Time) -> anyhow::Result<KeyView> {
    let views = status(db, keys).await?;
    let view = views.into_iter().find(|view| view.kind == kind && view.place == Place::Second);
    let view = view.with_context(|| format!("there is no second {kind} key that this database knows"))?;
    if !anyway && view.watched_tokens + view.webhooks > 0 {
        anyhow::bail!(
            "{} tokens that gateways watch and {} webhooks are left under {kind} key {}: they would not be recognised any more. Scan their \
             sources again and renew the webhooks, or close the leaks and wait until they are observed no more; --anyway gives them up",
            view.watched_tokens,
            view.webhooks,
            view.number
        );
    }
    if kind == FINGERPRINT.name {
        notifications::reseal(db, keys).await?;
        // Attempts with them are not expected any more.
        sqlx::query("UPDATE tokens SET old_fingerprint = NULL WHERE old_fingerprint IS NOT NULL").execute(&mut *db).await?;
    }
    sqlx::query("UPDATE known_keys SET retired_at = $3 WHERE kind = $1 AND number = $2")
        .bind(kind)
        .bind(view.number)
        .bind(now)
        .execute(&mut *db)
        .await?;
    let caller = Caller::system("keys", tenants::ensure(&mut *db, tenants::DEFAULT, now).await?);
    let before = json!({"watched_tokens": view.watched_tokens, "other_tokens": view.other_tokens, "webhooks": view.webhooks});
    audit::record(db, &caller, "key.retire", &format!("key/{kind}/{}", view.number), Some(before), None).await?;
    Ok(view)
}

impl Left {
    const NOTHING: Self = Self { watched_tokens: 0, other_tokens: 0, webhooks: 0 };
}

async fn known(db: &mut Connection, kind: &str) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as("SELECT kind, number, key_check, added_at, retired_at FROM known_keys WHERE kind = $1 ORDER BY number")
        .bind(kind)
        .fetch_all(db)
        .await
}

fn find<'a>(known: &'a [Row], check: &[u8; 32]) -> Option<&'a Row> {
    known.iter().find(|row| row.key_check == check)
}

async fn add(db: &mut Connection, kind: &str, check: &[u8; 32]) -> anyhow::Result<i64> {
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO known_keys (kind, number, key_check, added_at)
         SELECT $1, coalesce(max(number), 0) + 1, $2, $3 FROM known_keys WHERE kind = $1 RETURNING number",
    )
    .bind(kind)
    .bind(check.as_slice())
    .bind(Time::now())
    .fetch_one(&mut *db)
    .await?;
    // A database begins with its first keys; further ones somebody has chosen.
    if number > 1 {
        let caller = Caller::system("keys", tenants::ensure(&mut *db, tenants::DEFAULT, Time::now()).await?);
        audit::record(db, &caller, "key.add", &format!("key/{kind}/{number}"), None, Some(json!({"kind": kind}))).await?;
    }
    tracing::info!(kind, number, "a new key");
    Ok(number)
}

/// Without a key under which there are tokens that gateways watch, gateways would let them pass in silence.
async fn refuse_to_miss(db: &mut Connection, known: &[Row], here: &[i64]) -> anyhow::Result<()> {
    let here: BTreeSet<_> = here.iter().collect();
    for row in known.iter().filter(|row| row.retired_at.is_none() && !here.contains(&row.number)) {
        let Left { watched_tokens, .. } = left(db, row.number).await?;
        anyhow::ensure!(
            watched_tokens == 0,
            "{watched_tokens} tokens that gateways watch are under fingerprint key {}, which is not here: put it beside the other as {} or in \
             {}, until `stopleak keys retire fingerprint` lets it go",
            row.number,
            FINGERPRINT.second_file(std::path::Path::new("")).display(),
            FINGERPRINT.second_variable()
        );
    }
    Ok(())
}

async fn left(db: &mut Connection, number: i64) -> Result<Left, sqlx::Error> {
    sqlx::query_as(
        "SELECT CAST(coalesce(sum(CASE WHEN l.status = 'open' OR l.observe_until IS NOT NULL THEN 1 ELSE 0 END), 0) AS BIGINT) AS watched_tokens,
                CAST(coalesce(sum(CASE WHEN l.status = 'open' OR l.observe_until IS NOT NULL THEN 0 ELSE 1 END), 0) AS BIGINT) AS other_tokens,
                (SELECT count(*) FROM webhooks w WHERE w.key_number = $1 AND w.revoked_at IS NULL) AS webhooks
         FROM tokens t JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak WHERE t.key_number = $1",
    )
    .bind(number)
    .fetch_one(db)
    .await
}
