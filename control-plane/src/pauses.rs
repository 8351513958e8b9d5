//! The pause switch of a tenant: until it ends, every block is an observation. Who is blocked by mistake does not wait until
//! somebody has found out which leak it was.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::audit;
use crate::people::Caller;
use crate::store::{Connection, Store};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// A pause that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// When it ends by itself.
    pub until: Time,
    /// When it began.
    pub since: Time,
    /// Why.
    pub reason: String,
    /// Who began it.
    pub author: String,
}

/// A pause protects nobody: it does not last longer than it takes to put right what went wrong.
pub const LONGEST: Duration = Duration::from_hours(7 * 24);

/// The pause, when there is one.
pub async fn current(db: &mut Connection, tenant: TenantId, now: Time) -> Result<Option<Pause>, sqlx::Error> {
    type Row = (Option<Time>, Option<Time>, Option<String>, Option<String>);
    let query = "SELECT paused_until, paused_at, paused_reason, paused_by FROM tenants WHERE id = $1";
    let (until, since, reason, author): Row = sqlx::query_as(query).bind(tenant).fetch_one(db).await?;
    let Some(until) = until.filter(|&until| until > now) else { return Ok(None) };
    Ok(Some(Pause { until, since: since.unwrap_or(now), reason: reason.unwrap_or_default(), author: author.unwrap_or_default() }))
}

/// When the pause ends, or has ended: what gateways are told, whose clocks decide.
pub async fn until(db: &mut Connection, tenant: TenantId) -> Result<Option<Time>, sqlx::Error> {
    sqlx::query_scalar("SELECT paused_until FROM tenants WHERE id = $1").bind(tenant).fetch_one(db).await
}

/// Begins a pause, or gives the one that goes on another end; returns the epoch that carries it.
pub async fn begin(store: &Store, caller: &Caller, until: Time, reason: &str, now: Time) -> Result<i64, sqlx::Error> {
    let (tenant, author) = (caller.tenant.id, caller.name.as_str());
    let mut db = store.write().await?;
    sqlx::query("UPDATE tenants SET paused_until = $2, paused_at = $3, paused_reason = $4, paused_by = $5 WHERE id = $1")
        .bind(tenant)
        .bind(until)
        .bind(now)
        .bind(reason)
        .bind(author)
        .execute(&mut *db)
        .await?;
    let epoch = tenants::next_epoch(&mut db, tenant, now).await?;
    let after = json!({"until": until, "reason": reason});
    audit::record(&mut db, caller, "pause.begin", "pause", None, Some(after)).await?;
    db.commit().await?;
    Ok(epoch)
}

/// Ends the pause; the epoch that carries the end, or `None` when there is no pause.
pub async fn end(store: &Store, caller: &Caller, now: Time) -> Result<Option<i64>, sqlx::Error> {
    end_before(store, caller, None, now).await
}

/// Ends one pause whose time is over, when there is one.
pub async fn end_due(store: &Store, now: Time) -> Result<Option<(TenantId, i64)>, sqlx::Error> {
    const DUE: &str = "SELECT id FROM tenants WHERE paused_until <= $1 LIMIT 1";
    let due: Option<TenantId> = sqlx::query_scalar(DUE).bind(now).fetch_optional(&mut *store.read().await?).await?;
    let Some(tenant) = due else { return Ok(None) };
    let caller = Caller::system("schedule", tenants::by_id(&mut *store.read().await?, tenant).await?);
    Ok(end_before(store, &caller, Some(now), now).await?.map(|epoch| (tenant, epoch)))
}

/// A pause that was given another end meanwhile goes on.
async fn end_before(store: &Store, caller: &Caller, before: Option<Time>, now: Time) -> Result<Option<i64>, sqlx::Error> {
    let tenant = caller.tenant.id;
    let mut db = store.write().await?;
    let done = sqlx::query(
        "UPDATE tenants SET paused_until = NULL, paused_at = NULL, paused_reason = NULL, paused_by = NULL
         WHERE id = $1 AND paused_until <= $2",
    )
    .bind(tenant)
    .bind(before.map_or(Ok(i64::MAX), |before| i64::try_from(before.as_millis())).unwrap_or(i64::MAX))
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    let epoch = tenants::next_epoch(&mut db, tenant, now).await?;
    audit::record(&mut db, caller, "pause.end", "pause", None, Some(json!({"epoch": epoch}))).await?;
    db.commit().await?;
    Ok(Some(epoch))
}
