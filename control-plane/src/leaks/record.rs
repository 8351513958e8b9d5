//! How a decision is written down: with the leak's new state and the epoch that carries it, or not at all.

use serde_json::json;
use stopleak_contract::index::LeakNumber;

use super::decide::{Change, Refusal, Request, State, Status, decide};
use super::stored_risk;
use crate::audit;
use crate::notifications::{self, Event};
use crate::people::Caller;
use crate::store::{Connection, Store};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// A decision that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Its key.
    pub id: i64,
    /// The first epoch of the index that carries it.
    pub epoch: i64,
    /// Whether that epoch is new.
    pub index_changes: bool,
}

/// Why a decision was not taken; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The tenant has no such leak.
    #[error("no such leak")]
    NoSuchLeak,
    /// The leak does not stand where the decision starts.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

/// Takes a decision.
pub async fn record(
    store: &Store,
    caller: &Caller,
    leak: LeakNumber,
    request: Request,
    reason: Option<&str>,
    now: Time,
) -> Result<Decided, RecordError> {
    let tenant = caller.tenant.id;
    // Writers take turns, so what is read here cannot change before the commit.
    let mut db = store.write().await?;
    let state = load(&mut db, tenant, leak).await?.ok_or(RecordError::NoSuchLeak)?;
    let change = decide(&state, request, now)?;
    apply(&mut db, tenant, leak, &change, now).await?;
    let epoch = if change.index_changes {
        tenants::next_epoch(&mut db, tenant, now).await?
    } else {
        tenants::epoch(&mut db, tenant).await?.epoch
    };
    let id = sqlx::query_scalar(
        "INSERT INTO decisions (tenant_id, leak, action, reason, risk, author, decided_at, epoch)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .bind(request.action)
    .bind(reason)
    .bind(request.risk.map(stopleak_detector::Risk::as_str))
    .bind(&caller.name)
    .bind(now)
    .bind(epoch)
    .fetch_one(&mut *db)
    .await?;
    let event = Event::Decided { leaks: &[leak], action: request.action, author: &caller.name, reason };
    notifications::tell(&mut db, tenant, &event, now).await?;
    let before = json!({"status": state.status, "risk": state.risk.as_str(), "patched_at": state.patched_at});
    let after = json!({"status": change.status, "risk": change.risk.as_str(), "patched_at": change.patched_at,
                       "decision": {"id": id, "action": request.action, "reason": reason}});
    audit::record(&mut db, caller, "leak.decide", &format!("leak/{leak}"), Some(before), Some(after)).await?;
    db.commit().await?;
    Ok(Decided { id, epoch, index_changes: change.index_changes })
}

async fn load(db: &mut Connection, tenant: TenantId, leak: LeakNumber) -> Result<Option<State>, sqlx::Error> {
    let row: Option<(Status, String, Option<Time>)> =
        sqlx::query_as("SELECT status, risk, patched_at FROM leaks WHERE tenant_id = $1 AND number = $2")
            .bind(tenant)
            .bind(i64::from(leak))
            .fetch_optional(&mut *db)
            .await?;
    let Some((status, risk, patched_at)) = row else { return Ok(None) };
    let weak_tokens = sqlx::query_scalar(
        "SELECT preview FROM tokens WHERE tenant_id = $1 AND leak = $2 AND weakness IS NOT NULL ORDER BY id LIMIT 20",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .fetch_all(db)
    .await?;
    Ok(Some(State { status, risk: stored_risk(&risk)?, patched_at, weak_tokens }))
}

async fn apply(db: &mut Connection, tenant: TenantId, leak: LeakNumber, change: &Change, now: Time) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE leaks SET status = $3, risk = $4, patched_at = $5, updated_at = $6 WHERE tenant_id = $1 AND number = $2")
        .bind(tenant)
        .bind(i64::from(leak))
        .bind(change.status)
        .bind(change.risk.as_str())
        .bind(change.patched_at)
        .bind(now)
        .execute(db)
        .await?;
    Ok(())
}
