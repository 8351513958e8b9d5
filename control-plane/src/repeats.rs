//! Requests that callers send again when they did not get the answer: each is carried out once.
//!
//! A caller gives a request a key of its own. It is written down before the request is carried out, and the answer afterwards, so that
//! whatever happens in between leaves a trace: a repeat is then told that the outcome is unknown, and is never carried out a second time.

use std::time::Duration;

use crate::people::Caller;
use crate::store::Connection;
use crate::time::Time;

/// What became of the request that had the key first.
#[derive(Debug, PartialEq)]
pub enum Begun {
    /// There was none: this is it, and that is its row.
    Now(i64),
    /// It was another request.
    Otherwise,
    /// It is being worked on.
    UnderWay,
    /// It was carried out.
    Done(Kept),
    /// It broke off.
    Broken,
}

/// An answer.
#[derive(Debug, PartialEq)]
pub struct Kept {
    /// The status.
    pub status: u16,
    /// Where what it made is.
    pub location: Option<String>,
    /// The body; `None` where it is not kept.
    pub answer: Option<Vec<u8>>,
}

/// How long a repeat is recognised.
pub const KEPT: Duration = Duration::from_hours(24);
/// Keys of one tenant that are recognised: with answers of [`MAX_ANSWER`] bytes they take 160 MB of the database.
pub const MAX_KEYS: i64 = 10_000;
/// A longer answer is not kept.
pub const MAX_ANSWER: usize = 16 * 1024;

/// No request takes longer: whoever did not say by then how it ended never will.
const LONGEST: Duration = Duration::from_mins(5);
/// Says that the request failed in a way that leaves open what was done.
const BROKEN: i64 = 500;

#[derive(sqlx::FromRow)]
struct Row {
    request: Vec<u8>,
    begun_at: Time,
    status: Option<i64>,
    location: Option<String>,
    answer: Option<Vec<u8>>,
}

/// Writes down that a request begins, if none with its key has.
pub async fn begin(db: &mut Connection, caller: &Caller, key: &str, request: &[u8; 32], now: Time) -> Result<Begun, sqlx::Error> {
    forget(db, caller, now).await?;
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO idempotency_keys (tenant_id, caller_kind, caller, key, request, begun_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, caller_kind, caller, key) DO NOTHING RETURNING id",
    )
    .bind(caller.tenant.id)
    .bind(caller.who.kind())
    .bind(caller.who.id().unwrap_or_default())
    .bind(key)
    .bind(request.as_slice())
    .bind(now)
    .fetch_optional(&mut *db)
    .await?;
    if let Some(id) = id {
        return Ok(Begun::Now(id));
    }
    let first: Row = sqlx::query_as(
        "SELECT request, begun_at, status, location, answer FROM idempotency_keys
         WHERE tenant_id = $1 AND caller_kind = $2 AND caller = $3 AND key = $4",
    )
    .bind(caller.tenant.id)
    .bind(caller.who.kind())
    .bind(caller.who.id().unwrap_or_default())
    .bind(key)
    .fetch_one(db)
    .await?;
    Ok(first.told(request, now))
}

/// Writes down the answer.
pub async fn keep(db: &mut Connection, id: i64, kept: &Kept) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE idempotency_keys SET status = $2, location = $3, answer = $4 WHERE id = $1")
        .bind(id)
        .bind(i64::from(kept.status))
        .bind(&kept.location)
        .bind(&kept.answer)
        .execute(db)
        .await?;
    Ok(())
}

/// Nothing was done: the request may be sent again with the same key.
pub async fn release(db: &mut Connection, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM idempotency_keys WHERE id = $1").bind(id).execute(db).await?;
    Ok(())
}

/// Something went wrong, perhaps after it was done.
pub async fn broke(db: &mut Connection, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE idempotency_keys SET status = $2 WHERE id = $1").bind(id).bind(BROKEN).execute(db).await?;
    Ok(())
}

/// Makes room: a key that is too old is a new one.
async fn forget(db: &mut Connection, caller: &Caller, now: Time) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM idempotency_keys WHERE tenant_id = $1 AND begun_at < $2")
        .bind(caller.tenant.id)
        .bind(now.minus(KEPT))
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND id <=
           (SELECT id FROM idempotency_keys WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
    )
    .bind(caller.tenant.id)
    .bind(MAX_KEYS)
    .execute(db)
    .await?;
    Ok(())
}

impl Row {
    fn told(self, request: &[u8; 32], now: Time) -> Begun {
        let Self { request: first, begun_at, status, location, answer } = self;
        match status {
            _ if first != request => Begun::Otherwise,
            // One that lies ahead is of a clock that was set back since.
            None if begun_at.age(now) < LONGEST && now.age(begun_at) < LONGEST => Begun::UnderWay,
            None | Some(BROKEN) => Begun::Broken,
            Some(status) => Begun::Done(Kept { status: u16::try_from(status).unwrap_or_default(), location, answer }),
        }
    }
}
