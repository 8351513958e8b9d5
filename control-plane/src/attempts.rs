//! Attempts: uses of leaked tokens, as gateways report them.
//!
//! A gateway sends a batch until it is acknowledged; each attempt is stored once, by its id. The full fingerprint of every attempt
//! is compared with the tokens here, because the index at the gateway compares only a part of it.

use serde::Serialize;
use stopleak_contract::Fingerprint;
use stopleak_contract::feed::wire;
use stopleak_contract::index::LeakNumber;

use crate::leaks::{self, leak_id};
use crate::store::{Connection, Store};
use crate::tenants::TenantId;
use crate::time::Time;

/// What the gateway did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum Outcome {
    /// Let it pass.
    Observed,
    /// Refused it.
    Blocked,
}

/// An attempt in a list.
#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct AttemptView {
    /// Its place in the order of arrival.
    pub id: i64,
    /// `LK-7`.
    #[sqlx(try_from = "LeakNumber")]
    pub leak: LeakId,
    /// The preview of the token.
    pub token: String,
    /// What the gateway did.
    pub outcome: Outcome,
    /// Where in the request the token was.
    pub place: String,
    /// The header's name, when the place is a header.
    pub header: Option<String>,
    /// The client's address.
    pub client: String,
    /// Of the request.
    pub method: String,
    /// Of the request.
    pub host: String,
    /// Of the request, without the query.
    pub path: String,
    /// Of the upstream's answer.
    pub status: Option<i64>,
    /// The first use that is counted here.
    pub first_seen_at: Time,
    /// The last use that is counted here.
    pub last_seen_at: Time,
    /// How many uses.
    pub count: i64,
    /// The gateway's name.
    pub gateway: String,
}

/// A leak's number, shown as `LK-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakId(LeakNumber);

/// Which attempts are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this leak.
    pub leak: Option<LeakNumber>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Only attempts that arrived before that one.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Uses that passed, without those stored before.
    pub observed: u64,
    /// Uses that were refused, without those stored before.
    pub blocked: u64,
    /// Attempts whose fingerprint belongs to another leak or to none.
    pub false_matches: u64,
    /// Attempts that cannot be read.
    pub malformed: u64,
}

/// Longest texts that are kept; what is longer is cut.
const MAX_NAME: usize = 256;
const MAX_PATH: usize = 2048;

/// Stores a batch: all of it that can be stored, or nothing.
pub async fn store_batch(
    store: &Store,
    tenant: TenantId,
    gateway: i64,
    attempts: &[wire::Attempt],
) -> Result<Stored, sqlx::Error> {
    let mut stored = Stored::default();
    let mut db = store.write().await?;
    for attempt in attempts {
        let (Some(outcome), Some(place), Some(fingerprint), 16) =
            (outcome(attempt), place(attempt), Fingerprint::from_stored(&attempt.fingerprint), attempt.id.len())
        else {
            stored.malformed += 1;
            continue;
        };
        let token = match leaks::find_token(&mut db, tenant, &fingerprint).await? {
            Some(known) if known.leak == attempt.leak => known.token,
            known => {
                stored.false_matches += 1;
                // One line for a batch: the counter has them all.
                if stored.false_matches == 1 {
                    let owner = known.map(|known| leak_id(known.leak));
                    let leak = leak_id(attempt.leak);
                    tracing::error!(gateway, leak, owner, ?outcome, "false match: the token belongs to another leak or to none");
                }
                continue;
            }
        };
        if insert(&mut db, tenant, gateway, attempt, token, outcome, place).await? {
            match outcome {
                Outcome::Observed => stored.observed += u64::from(attempt.count),
                Outcome::Blocked => stored.blocked += u64::from(attempt.count),
            }
        }
    }
    db.commit().await?;
    if stored.malformed > 0 {
        tracing::warn!(gateway, attempts = stored.malformed, "attempts cannot be read and are dropped");
    }
    Ok(stored)
}

/// The attempts that the filter wants, the newest first.
pub async fn list(db: &mut Connection, tenant: TenantId, filter: &Filter) -> Result<Vec<AttemptView>, sqlx::Error> {
    sqlx::query_as(
        "SELECT a.id, a.leak, t.preview AS token, a.outcome, a.place, nullif(a.header, '') AS header, a.client, a.method,
                a.host, a.path, a.status, a.first_seen_at, a.last_seen_at, a.count, g.name AS gateway
         FROM attempts a JOIN tokens t ON t.id = a.token_id JOIN gateways g ON g.id = a.gateway_id
         WHERE a.tenant_id = $1 AND ($2 IS NULL OR a.leak = $2) AND ($3 IS NULL OR a.outcome = $3)
           AND ($4 IS NULL OR a.id < $4)
         ORDER BY a.id DESC LIMIT $5",
    )
    .bind(tenant)
    .bind(filter.leak)
    .bind(filter.outcome)
    .bind(filter.before)
    .bind(filter.limit)
    .fetch_all(db)
    .await
}

impl From<LeakNumber> for LeakId {
    fn from(number: LeakNumber) -> Self {
        Self(number)
    }
}

impl Serialize for LeakId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&leak_id(self.0))
    }
}

/// Whether the attempt is new.
async fn insert(
    db: &mut Connection,
    tenant: TenantId,
    gateway: i64,
    attempt: &wire::Attempt,
    token: i64,
    outcome: Outcome,
    place: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO attempts (tenant_id, attempt, gateway_id, leak, token_id, outcome, place, header, client, method,
                               host, path, status, first_seen_at, last_seen_at, count)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (tenant_id, attempt) DO NOTHING",
    )
    .bind(tenant)
    .bind(&attempt.id)
    .bind(gateway)
    .bind(attempt.leak)
    .bind(token)
    .bind(outcome)
    .bind(place)
    .bind(cut(&attempt.header, MAX_NAME))
    .bind(cut(&attempt.client, MAX_NAME))
    .bind(cut(&attempt.method, MAX_NAME))
    .bind(cut(&attempt.host, MAX_NAME))
    .bind(cut(&attempt.path, MAX_PATH))
    .bind((attempt.status != 0).then_some(attempt.status))
    .bind(Time::from_millis(attempt.first_seen_ms))
    .bind(Time::from_millis(attempt.last_seen_ms))
    .bind(attempt.count)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn outcome(attempt: &wire::Attempt) -> Option<Outcome> {
    match attempt.outcome() {
        wire::Outcome::Unspecified => None,
        wire::Outcome::Observed => Some(Outcome::Observed),
        wire::Outcome::Blocked => Some(Outcome::Blocked),
    }
}

fn place(attempt: &wire::Attempt) -> Option<&'static str> {
    match attempt.place() {
        wire::Place::Unspecified => None,
        wire::Place::Authorization => Some("authorization"),
        wire::Place::Header => Some("header"),
        wire::Place::Cookie => Some("cookie"),
        wire::Place::Query => Some("query"),
        wire::Place::Path => Some("path"),
    }
}

/// The longest beginning of at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}
