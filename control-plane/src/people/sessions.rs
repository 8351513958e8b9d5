//! Sessions: what a person's browser has after signing in. The database has only the hash of the secret in its cookie.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Caller, Role, Who};
use crate::secret::Secret;
use crate::store::Connection;
use crate::tenants::{Tenant, TenantId};
use crate::time::Time;

/// A session that is not used for that long ends.
pub const IDLE: Duration = Duration::from_hours(1);
/// A session ends after that time, used or not.
pub const ABSOLUTE: Duration = Duration::from_hours(12);
/// Clocks of replicas differ by that much at most. A session from further ahead was made before the clock was set back, and nobody
/// knows how old it is.
const AHEAD: Duration = Duration::from_mins(5);
/// Use is written down that often: more often would slow every request.
const USED_STEP: Duration = Duration::from_mins(1);
/// What is kept of a browser's name.
const MAX_AGENT: usize = 200;
/// Sessions of one user; the oldest end when there are more.
const MAX_SESSIONS: i64 = 20;

/// A session as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Session {
    /// Its key.
    pub id: i64,
    /// When it was opened.
    pub created_at: Time,
    /// When it was last used, to within a minute.
    pub last_used_at: Time,
    /// Where it was opened from.
    pub address: String,
    /// With which browser, as that says.
    pub agent: String,
    /// Whether this is the one that asks.
    pub current: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    user_id: i64,
    name: String,
    role: String,
    tenant_id: TenantId,
    tenant: String,
    created_at: Time,
    last_used_at: Time,
}

/// Opens a session for somebody who has just proved who they are.
pub async fn open(
    db: &mut Connection,
    tenant: TenantId,
    user: i64,
    secret: &Secret,
    (address, agent): (&str, &str),
    now: Time,
) -> Result<i64, sqlx::Error> {
    let id = sqlx::query_scalar(
        "INSERT INTO sessions (tenant_id, user_id, hash, created_at, last_used_at, address, agent)
         VALUES ($1, $2, $3, $4, $4, $5, $6) RETURNING id",
    )
    .bind(tenant)
    .bind(user)
    .bind(secret.hash().as_slice())
    .bind(now)
    .bind(address)
    .bind(agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect::<String>())
    .fetch_one(&mut *db)
    .await?;
    // What is over is of no use, and what is too much neither.
    sqlx::query(
        "DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND (created_at < $3 OR last_used_at < $4 OR id NOT IN
             (SELECT s.id FROM sessions s WHERE s.tenant_id = $1 AND s.user_id = $2 ORDER BY s.id DESC LIMIT $5))",
    )
    .bind(tenant)
    .bind(user)
    .bind(now.before(ABSOLUTE))
    .bind(now.before(IDLE))
    .bind(MAX_SESSIONS)
    .execute(db)
    .await?;
    Ok(id)
}

/// Who has this session; also whether its use should be written down.
pub async fn present(db: &mut Connection, secret: &Secret, now: Time) -> Result<Option<(Caller, bool)>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT s.id, s.user_id, u.name, u.role, s.tenant_id, n.name AS tenant, s.created_at, s.last_used_at
         FROM sessions s JOIN users u ON u.id = s.user_id JOIN tenants n ON n.id = s.tenant_id
         WHERE s.hash = $1 AND u.removed_at IS NULL",
    )
    .bind(secret.hash().as_slice())
    .fetch_optional(db)
    .await?;
    let Some(row) = row.filter(|row| is_alive(row.created_at, row.last_used_at, now)) else { return Ok(None) };
    let tenant = Tenant { id: row.tenant_id, name: row.tenant };
    let caller = Caller {
        who: Who::User { user: row.user_id, session: row.id },
        name: row.name,
        role: Role::stored(&row.role)?,
        home: tenant.clone(),
        tenant,
        address: None,
    };
    Ok(Some((caller, row.last_used_at.age(now) >= USED_STEP)))
}

/// Writes down that the session was used.
pub async fn touch(db: &mut Connection, tenant: TenantId, id: i64, now: Time) -> Result<(), sqlx::Error> {
    let query = "UPDATE sessions SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2";
    sqlx::query(query).bind(tenant).bind(id).bind(now).execute(db).await.map(drop)
}

/// The user's sessions that have not ended, the newest first.
pub async fn list(
    db: &mut Connection,
    tenant: TenantId,
    user: i64,
    current: Option<i64>,
    now: Time,
) -> Result<Vec<Session>, sqlx::Error> {
    let rows: Vec<(i64, Time, Time, String, String)> = sqlx::query_as(
        "SELECT id, created_at, last_used_at, address, agent FROM sessions WHERE tenant_id = $1 AND user_id = $2 ORDER BY id DESC",
    )
    .bind(tenant)
    .bind(user)
    .fetch_all(db)
    .await?;
    let alive = rows.into_iter().filter(|(_, created_at, last_used_at, ..)| is_alive(*created_at, *last_used_at, now));
    let session = |(id, created_at, last_used_at, address, agent)| {
        let current = current == Some(id);
        Session { id, created_at, last_used_at, address, agent, current }
    };
    Ok(alive.map(session).collect())
}

/// Ends one session of the user; false when there is none of this key.
pub async fn end(db: &mut Connection, tenant: TenantId, user: i64, id: i64) -> Result<bool, sqlx::Error> {
    let query = "DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND id = $3";
    Ok(sqlx::query(query).bind(tenant).bind(user).bind(id).execute(db).await?.rows_affected() > 0)
}

/// Ends all sessions of the user; returns how many.
pub async fn end_all(db: &mut Connection, tenant: TenantId, user: i64) -> Result<u64, sqlx::Error> {
    let query = "DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2";
    Ok(sqlx::query(query).bind(tenant).bind(user).execute(db).await?.rows_affected())
}

/// Ends the session that this secret belongs to, whoever's it is.
pub async fn end_presented(db: &mut Connection, secret: &Secret) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sessions WHERE hash = $1").bind(secret.hash().as_slice()).execute(db).await.map(drop)
}

fn is_alive(created_at: Time, last_used_at: Time, now: Time) -> bool {
    let ahead = |time: Time| now.age(time) > AHEAD;
    created_at.age(now) < ABSOLUTE && last_used_at.age(now) < IDLE && !ahead(created_at) && !ahead(last_used_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_when_old_and_when_the_clock_jumps() {
        let at = |minutes: u64| Time::from_millis(1_700_000_000_000 + minutes * 60_000);
        for (created, used, now, alive) in [
            (0, 0, 59, true),
            (0, 0, 60, false),
            (0, 700, 719, true),
            (0, 719, 720, false),
            (10, 10, 6, true),
            (10, 10, 4, false),
            (0, 90, 30, false),
            (0, 0, 999_999, false),
        ] {
            assert_eq!(is_alive(at(created), at(used), at(now)), alive, "{created} {used} {now}");
        }
    }
}
