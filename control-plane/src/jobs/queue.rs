//! The table: how jobs come in, are claimed and leave.

use std::time::Duration;

use serde_json::Value;

use super::{Kind, LEASE, MAX_ATTEMPTS, MAX_PAYLOAD};
use crate::store::{Connection, Database, Store, placeholders};
use crate::tenants::TenantId;
use crate::time::Time;

/// A job that a worker has.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its key.
    pub id: i64,
    /// Whose work it is.
    pub tenant: TenantId,
    /// What it is.
    pub kind: Kind,
    /// What it is about.
    pub payload: Value,
    /// How often it was begun, this time included.
    pub attempts: i64,
}

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// No job waits and no claim lasts for longer: one that does was written down before the clock was set back.
const FAR: Duration = Duration::from_hours(2);
/// Longer errors are cut.
const MAX_ERROR: usize = 1_000;

/// Writes a job down in the transaction of the change that it follows from; its key. One that waits already and is due no later stands for both.
pub async fn enqueue(
    db: &mut Connection,
    tenant: TenantId,
    kind: Kind,
    payload: &Value,
    run_at: Time,
) -> Result<i64, sqlx::Error> {
    let payload = payload.to_string();
    if payload.len() > MAX_PAYLOAD {
        return Err(sqlx::Error::Encode("a job's payload is too large: it names what is in the database".into()));
    }
    let waiting: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM jobs WHERE tenant_id = $1 AND kind = $2 AND payload = $3 AND run_at <= $4 AND claimed_by IS NULL
           AND died_at IS NULL ORDER BY id LIMIT 1",
    )
    .bind(tenant)
    .bind(kind)
    .bind(&payload)
    .bind(run_at)
    .fetch_optional(&mut *db)
    .await?;
    if let Some(waiting) = waiting {
        return Ok(waiting);
    }
    let insert = "INSERT INTO jobs (tenant_id, kind, payload, created_at, run_at) VALUES ($1, $2, $3, $4, $5) RETURNING id";
    sqlx::query_scalar(insert).bind(tenant).bind(kind).bind(payload).bind(Time::now()).bind(run_at).fetch_one(db).await
}

/// Takes the job that has been due for longest.
pub(super) async fn claim(store: &Store, kinds: &[Kind], worker: &str, now: Time) -> Result<Option<Job>, sqlx::Error> {
    type Row = (i64, TenantId, Kind, String, i64);
    let due = format!(
        "SELECT id FROM jobs WHERE died_at IS NULL AND (run_at <= $1 OR run_at > $4)
           AND (claimed_until IS NULL OR claimed_until <= $1 OR claimed_until > $4)
           AND kind IN ({}) ORDER BY run_at, id LIMIT 1",
        placeholders(5, kinds.len())
    );
    let skip = match store.database() {
        Database::Sqlite(_) => "",
        Database::Postgres(_) => " FOR UPDATE SKIP LOCKED",
    };
    let claim = format!(
        "UPDATE jobs SET claimed_by = $2, claimed_until = $3, attempts = attempts + 1 WHERE id = ({due}{skip})
         RETURNING id, tenant_id, kind, payload, attempts"
    );
    let mut db = store.aside().await?;
    let mut query =
        sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(claim)).bind(now).bind(worker).bind(now.plus(LEASE)).bind(now.plus(FAR));
    for &kind in kinds {
        query = query.bind(kind);
    }
    let row = query.fetch_optional(&mut *db).await?;
    db.commit().await?;
    Ok(row.map(|(id, tenant, kind, payload, attempts)| {
        let payload = serde_json::from_str(&payload).unwrap_or(Value::Null);
        Job { id, tenant, kind, payload, attempts }
    }))
}

/// Of an `SQLite` file only one process has workers, and that has just begun: all claims are of a process that is gone. On a server, they
/// run out.
pub(super) async fn release_all(store: &Store) -> Result<(), sqlx::Error> {
    if let Database::Postgres(_) = store.database() {
        return Ok(());
    }
    let mut db = store.aside().await?;
    let release = "UPDATE jobs SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by IS NOT NULL";
    sqlx::query(release).execute(&mut *db).await?;
    db.commit().await
}

/// Whether [`claim`] would find something: asked first, since it disturbs nobody.
pub(super) async fn is_due(store: &Store, kinds: &[Kind], now: Time) -> Result<bool, sqlx::Error> {
    let query = format!(
        "SELECT id FROM jobs WHERE died_at IS NULL AND (run_at <= $1 OR run_at > $2)
           AND (claimed_until IS NULL OR claimed_until <= $1 OR claimed_until > $2) AND kind IN ({}) LIMIT 1",
        placeholders(3, kinds.len())
    );
    let mut query = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(query)).bind(now).bind(now.plus(FAR));
    for &kind in kinds {
        query = query.bind(kind);
    }
    Ok(query.fetch_optional(&mut *store.read().await?).await?.is_some())
}

/// Keeps the claim for longer; false when it is another's by now.
pub(super) async fn renew(store: &Store, job: &Job, worker: &str, now: Time) -> Result<bool, sqlx::Error> {
    let mut db = store.aside().await?;
    let renew = "UPDATE jobs SET claimed_until = $3 WHERE id = $1 AND claimed_by = $2 AND died_at IS NULL";
    let done = sqlx::query(renew).bind(job.id).bind(worker).bind(now.plus(LEASE)).execute(&mut *db).await?;
    db.commit().await?;
    Ok(done.rows_affected() == 1)
}

/// The job is done.
pub(super) async fn remove(store: &Store, job: &Job, worker: &str) -> Result<(), sqlx::Error> {
    let mut db = store.aside().await?;
    let remove = "DELETE FROM jobs WHERE id = $1 AND claimed_by = $2";
    sqlx::query(remove).bind(job.id).bind(worker).execute(&mut *db).await?;
    db.commit().await
}

/// Gives the job back as if it had never been begun.
pub(super) async fn put_back(store: &Store, job: &Job, worker: &str, run_at: Time) -> Result<(), sqlx::Error> {
    let mut db = store.aside().await?;
    let back = "UPDATE jobs SET claimed_by = NULL, claimed_until = NULL, attempts = attempts - 1, run_at = $3
                WHERE id = $1 AND claimed_by = $2";
    sqlx::query(back).bind(job.id).bind(worker).bind(run_at).execute(&mut *db).await?;
    db.commit().await
}

/// The job failed: it waits, or is dead. True when it is dead.
pub(super) async fn fail(store: &Store, job: &Job, worker: &str, error: &str, now: Time) -> Result<bool, sqlx::Error> {
    let dead = job.attempts >= MAX_ATTEMPTS;
    let error = error.get(..error.floor_char_boundary(MAX_ERROR)).unwrap_or(error).replace('\0', "\u{fffd}");
    let mut db = store.aside().await?;
    let fail = "UPDATE jobs SET claimed_by = NULL, claimed_until = NULL, last_error = $3, run_at = $4, died_at = $5
                WHERE id = $1 AND claimed_by = $2";
    let query = sqlx::query(fail).bind(job.id).bind(worker).bind(error).bind(now.plus(pause(job.attempts)));
    query.bind(dead.then_some(now)).execute(&mut *db).await?;
    db.commit().await?;
    Ok(dead)
}

/// After so many attempts.
pub(super) fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 20) - 1).unwrap_or(0);
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE)
}
