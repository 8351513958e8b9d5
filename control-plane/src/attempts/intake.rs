//! How attempts come in.

use stopleak_contract::Fingerprint;
use stopleak_contract::feed::wire;

use super::clients::Clients;
use super::{Outcome, Stored, signs};
use crate::leaks::{self, Status};
use crate::notifications::{self, Event, Used};
use crate::store::{Connection, Store};
use crate::tenants::TenantId;
use crate::time::Time;

/// An attempt that belongs to a token.
pub(super) struct Checked<'a> {
    pub(super) attempt: &'a wire::Attempt,
    pub(super) outcome: Outcome,
    place: &'static str,
    pub(super) token: i64,
    /// Where its leak stood just now.
    status: Status,
}

/// Longest texts that are kept; what is longer is cut.
const MAX_NAME: usize = 256;
const MAX_PATH: usize = 2048;
/// Attempts that one batch can remove: more than it can add, so that a limit that was lowered is reached, and few enough that
/// decisions do not wait.
const REMOVED_AT_ONCE: u64 = 1_024;

/// Stores a batch: all of it that can be stored, or nothing. Then the tenant's oldest attempts go, those beyond `max`.
pub async fn store_batch<'a>(
    store: &Store,
    tenant: TenantId,
    gateway: i64,
    attempts: &'a [wire::Attempt],
    max: u64,
    now: Time,
) -> Result<Stored, sqlx::Error> {
    let mut stored = Stored::default();
    // Not under the lock of the writer: a gateway can report what it likes, and decisions would wait for it. No token is ever
    // removed or given to another leak, so what is found here is still so below.
    let checked = check(store, tenant, attempts, &mut stored).await?;
    if checked.is_empty() {
        return Ok(stored);
    }
    let clients = Clients::load(&mut *store.read().await?, tenant, &checked, now).await?;
    let mut db = store.write().await?;
    let mut new = Vec::new();
    for checked in &checked {
        if insert(&mut db, tenant, gateway, checked).await? {
            new.push(checked);
            match checked.outcome {
                Outcome::Observed => stored.observed += u64::from(checked.attempt.count),
                Outcome::Blocked => stored.blocked += u64::from(checked.attempt.count),
            }
        }
    }
    remove_oldest(&mut db, tenant, max).await?;
    signs::read(&mut db, tenant, &new, now).await?;
    let strangers = clients.remember(&mut db, tenant, &new, now).await?;
    let uses = |checked: &[&Checked<'a>]| checked.iter().map(|checked| checked.used(gateway)).collect::<Vec<_>>();
    notifications::tell(&mut db, tenant, &Event::Attempts(&uses(&new)), now).await?;
    notifications::tell(&mut db, tenant, &Event::NewClients(&uses(&strangers)), now).await?;
    // Under the lock it is asked again where a leak stands.
    let closed: Vec<_> = new.into_iter().filter(|checked| checked.is_use_of_closed()).collect();
    stored.epoch = leaks::used_after_close(&mut db, tenant, &uses(&closed), now).await?;
    db.commit().await?;
    Ok(stored)
}

async fn check<'a>(
    store: &Store,
    tenant: TenantId,
    attempts: &'a [wire::Attempt],
    stored: &mut Stored,
) -> Result<Vec<Checked<'a>>, sqlx::Error> {
    let mut db = store.read().await?;
    let mut checked = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        let (Some(outcome), Some(place), Some(fingerprint), 16) =
            (outcome(attempt), place(attempt), Fingerprint::from_stored(&attempt.fingerprint), attempt.id.len())
        else {
            stored.malformed += 1;
            continue;
        };
        match leaks::find_token(&mut db, tenant, &fingerprint).await? {
            Some(known) if known.leak == attempt.leak => {
                checked.push(Checked { attempt, outcome, place, token: known.token, status: known.status });
            }
            known => {
                stored.false_matches += 1;
                stored.false_match.get_or_insert((attempt.leak, known.map(|known| known.leak)));
            }
        }
    }
    Ok(checked)
}

/// Whether the attempt is new.
async fn insert(db: &mut Connection, tenant: TenantId, gateway: i64, checked: &Checked<'_>) -> Result<bool, sqlx::Error> {
    let &Checked { attempt, outcome, place, token, .. } = checked;
    let done = sqlx::query(
        "INSERT INTO attempts (tenant_id, attempt, gateway_id, leak, token_id, outcome, place, header, client, method,
                               host, path, status, first_seen_at, last_seen_at, count)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (tenant_id, attempt) DO NOTHING",
    )
    .bind(tenant)
    .bind(attempt.id.as_slice())
    .bind(gateway)
    .bind(i64::from(attempt.leak))
    .bind(token)
    .bind(outcome)
    .bind(place)
    .bind(cut(&attempt.header, MAX_NAME))
    .bind(cut(&attempt.client, MAX_NAME))
    .bind(cut(&attempt.method, MAX_NAME))
    .bind(cut(&attempt.host, MAX_NAME))
    .bind(cut(&attempt.path, MAX_PATH))
    .bind((attempt.status != 0).then_some(i64::from(attempt.status)))
    .bind(Time::from_millis(attempt.first_seen_ms))
    .bind(Time::from_millis(attempt.last_seen_ms))
    .bind(i64::from(attempt.count))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn remove_oldest(db: &mut Connection, tenant: TenantId, max: u64) -> Result<(), sqlx::Error> {
    // Counted by triggers: counting a million rows for each batch would take longer than storing it.
    let kept: i64 = sqlx::query_scalar("SELECT attempts FROM tenants WHERE id = $1").bind(tenant).fetch_one(&mut *db).await?;
    let surplus = u64::try_from(kept).unwrap_or(0).saturating_sub(max).min(REMOVED_AT_ONCE);
    if surplus > 0 {
        sqlx::query("DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE tenant_id = $1 ORDER BY id LIMIT $2)")
            .bind(tenant)
            .bind(i64::try_from(surplus).unwrap_or(i64::MAX))
            .execute(db)
            .await?;
    }
    Ok(())
}

impl<'a> Checked<'a> {
    fn used(&self, gateway: i64) -> Used<'a> {
        Used { attempt: self.attempt, outcome: self.outcome, gateway }
    }

    /// A token that its owner has revoked is often tried again, and refused: that is what closing the leak was for.
    fn is_use_of_closed(&self) -> bool {
        self.status == Status::Closed && self.outcome == Outcome::Observed && !signs::is_refused(self)
    }
}

fn outcome(attempt: &wire::Attempt) -> Option<Outcome> {
    match attempt.outcome() {
        wire::Outcome::Unspecified => None,
        wire::Outcome::Observed => Some(Outcome::Observed),
        wire::Outcome::Blocked => Some(Outcome::Blocked),
    }
}

/// Where the token was, in a word.
#[must_use]
pub fn place(attempt: &wire::Attempt) -> Option<&'static str> {
    match attempt.place() {
        wire::Place::Unspecified => None,
        wire::Place::Authorization => Some("authorization"),
        wire::Place::Header => Some("header"),
        wire::Place::Cookie => Some("cookie"),
        wire::Place::Query => Some("query"),
        wire::Place::Path => Some("path"),
        wire::Place::Body => Some("body"),
        wire::Place::Trailer => Some("trailer"),
    }
}

/// The longest beginning of at most `max` bytes, without the one character that `PostgreSQL` does not take.
fn cut(text: &str, max: usize) -> String {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text).replace('\0', "\u{fffd}")
}
