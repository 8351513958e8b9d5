//! How a decision is written down: with the leak's new state and the epoch that carries it, or not at all.

use serde_json::json;
use stopleak_contract::index::LeakNumber;

use super::closed;
use super::decide::{Action, Change, Refusal, Request, State, Status, decide};
use super::stored_risk;
use crate::audit;
use crate::notifications::{self, Event};
use crate::people::Caller;
use crate::scopes::{self, ScopeId};
use crate::store::{Connection, Store, text_enum};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// A decision as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What is asked.
    pub request: Request,
    /// Why.
    pub reason: Option<&'a str>,
    /// Whose decision it is.
    pub author: &'a str,
    /// Who does it now, for the audit log: the author, or who approves, or the machine.
    pub caller: &'a Caller,
    /// What makes it be taken now.
    pub origin: Origin,
    /// The second administrator.
    pub approved_by: Option<&'a str>,
    /// The version of the leak that the author has seen: when it has changed since, nothing is decided.
    pub expected: Option<i64>,
}

impl<'a> Asked<'a> {
    /// What the caller asks, in their own name, and without more.
    #[must_use]
    pub fn of(caller: &'a Caller, origin: Origin, request: Request) -> Self {
        Self { request, reason: None, author: &caller.name, caller, origin, approved_by: None, expected: None }
    }
}

/// What makes a decision be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody, now.
    Person,
    /// Somebody, for this time.
    Schedule,
    /// A policy that an administrator wrote.
    Policy,
    /// The end of a patch.
    Expiry,
    /// A new occurrence of a closed leak's token.
    Regression,
}

text_enum!(Origin {
    Person = "person",
    Schedule = "schedule",
    Policy = "policy",
    Expiry = "expiry",
    Regression = "regression",
});

/// A leak as decisions find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// Which.
    pub number: LeakNumber,
    /// What decisions read.
    pub state: State,
    /// Grows with each change.
    pub version: i64,
}

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
    #[error("{0}")]
    Refused(Refusal, Box<Current>),
    /// Somebody else was quicker.
    #[error("the leak has changed meanwhile")]
    Changed(Box<Current>),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

/// The epoch that carries the decisions of one transaction: they share it.
#[derive(Debug, Default)]
pub struct Carrier {
    new: Option<i64>,
}

/// Takes a decision in a transaction of its own.
pub async fn record(
    store: &Store,
    tenant: TenantId,
    leak: LeakNumber,
    asked: &Asked<'_>,
    now: Time,
) -> Result<Decided, RecordError> {
    let mut db = store.write().await?;
    let decided = take(&mut db, tenant, leak, asked, &mut Carrier::default(), now).await?;
    db.commit().await?;
    Ok(decided)
}

/// Takes a decision as a part of a transaction.
pub async fn take(
    db: &mut Connection,
    tenant: TenantId,
    leak: LeakNumber,
    asked: &Asked<'_>,
    carrier: &mut Carrier,
    now: Time,
) -> Result<Decided, RecordError> {
    let current = current(db, tenant, leak).await?.ok_or(RecordError::NoSuchLeak)?;
    let change = judge(&current, asked, now)?;
    if let Some(scope) = change.scope.filter(|scope| current.state.scope != Some(*scope))
        && !scopes::has_room(db, tenant, scope).await?
    {
        return Err(RecordError::Refused(Refusal::TooManyScopes, Box::new(current)));
    }
    apply(db, tenant, &current, asked, &change, now).await?;
    let epoch = carrier.epoch(db, tenant, change.index_changes, now).await?;
    let id = insert(db, tenant, leak, asked, (epoch, change.index_changes), now).await?;
    let (state, action) = (&current.state, asked.request.action);
    let [scope_before, scope_after] = [state.scope, change.scope].map(|scope| scope.map(|scope| scope.0));
    let before =
        json!({"status": state.status, "risk": state.risk.as_str(), "patched_at": state.patched_at, "scope_id": scope_before});
    let after = json!({"status": change.status, "risk": change.risk.as_str(), "patched_at": change.patched_at, "scope_id": scope_after,
                       "decision": {"id": id, "action": action, "reason": asked.reason, "author": asked.author,
                                    "origin": asked.origin.as_str(), "approved_by": asked.approved_by}});
    audit::record(db, asked.caller, "leak.decide", &format!("leak/{leak}"), Some(before), Some(after)).await?;
    let Asked { author, reason, origin, .. } = *asked;
    notifications::tell(db, tenant, &Event::Decided { leak, action, author, reason, origin }, now).await?;
    Ok(Decided { id, epoch, index_changes: change.index_changes })
}

/// What the decision would do to the leak as it stands.
pub fn judge(current: &Current, asked: &Asked<'_>, now: Time) -> Result<Change, RecordError> {
    if asked.expected.is_some_and(|version| version != current.version) {
        return Err(RecordError::Changed(Box::new(current.clone())));
    }
    let request = Request { approved: asked.request.approved || asked.approved_by.is_some(), ..asked.request };
    decide(&current.state, request, now).map_err(|refusal| RecordError::Refused(refusal, Box::new(current.clone())))
}

/// How the leak stands, as decisions read it.
pub async fn current(db: &mut Connection, tenant: TenantId, leak: LeakNumber) -> Result<Option<Current>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct Row {
        status: Status,
        risk: String,
        patched_at: Option<Time>,
        patch_expires_at: Option<Time>,
        scope_id: Option<i64>,
        version: i64,
        second_approver: i64,
    }
    let row: Option<Row> = sqlx::query_as(
        "SELECT l.status, l.risk, l.patched_at, l.patch_expires_at, l.scope_id, l.version, t.second_approver
         FROM leaks l JOIN tenants t ON t.id = l.tenant_id WHERE l.tenant_id = $1 AND l.number = $2",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let weak_tokens = sqlx::query_scalar(
        "SELECT preview FROM tokens WHERE tenant_id = $1 AND leak = $2 AND weakness IS NOT NULL ORDER BY id LIMIT 20",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .fetch_all(db)
    .await?;
    let state = State {
        status: row.status,
        risk: stored_risk(&row.risk)?,
        patched_at: row.patched_at,
        patch_expires_at: row.patch_expires_at,
        scope: row.scope_id.map(ScopeId),
        weak_tokens,
        second_approver: row.second_approver != 0,
    };
    Ok(Some(Current { number: leak, state, version: row.version }))
}

/// The version is compared where it is written: a database on which writers do not take turns lets one of two win as well.
async fn apply(
    db: &mut Connection,
    tenant: TenantId,
    before: &Current,
    asked: &Asked<'_>,
    change: &Change,
    now: Time,
) -> Result<(), RecordError> {
    // Of a leak that goes or comes, what was seen of its tokens while it was closed says nothing any more.
    let is_as_before = change.status == before.state.status;
    let closed_at = (change.status == Status::Closed).then_some(now);
    let observe_until = match closed_at {
        Some(_) if !is_as_before => closed::observe_until(db, tenant, now).await?,
        _ => None,
    };
    let done = sqlx::query(
        "UPDATE leaks SET status = $4, risk = $5, patched_at = $6, patch_expires_at = $7, updated_at = $8, version = version + 1,
                          risk_from = CASE WHEN $9 = 1 THEN 'person' ELSE risk_from END, scope_id = $10,
                          closed_at = CASE WHEN $11 = 1 THEN closed_at ELSE $12 END,
                          observe_until = CASE WHEN $11 = 1 THEN observe_until ELSE $13 END,
                          observe_end = CASE WHEN $11 = 1 THEN observe_end END,
                          used_closed_at = CASE WHEN $11 = 1 AND $14 = 0 THEN used_closed_at END,
                          new_client = CASE WHEN $14 = 0 THEN new_client END,
                          new_client_at = CASE WHEN $14 = 0 THEN new_client_at END
         WHERE tenant_id = $1 AND number = $2 AND version = $3",
    )
    .bind(tenant)
    .bind(i64::from(before.number))
    .bind(before.version)
    .bind(change.status.as_str())
    .bind(change.risk.as_str())
    .bind(change.patched_at)
    .bind(change.patch_expires_at)
    .bind(now)
    .bind(i64::from(asked.request.action == Action::SetRisk))
    .bind(change.scope.map(|scope| scope.0))
    .bind(i64::from(is_as_before))
    .bind(closed_at)
    .bind(observe_until)
    // Whoever decides has seen what the leak was flagged for.
    .bind(i64::from(asked.origin == Origin::Person))
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(());
    }
    let newest = current(db, tenant, before.number).await?.ok_or(RecordError::NoSuchLeak)?;
    Err(RecordError::Changed(Box::new(newest)))
}

async fn insert(
    db: &mut Connection,
    tenant: TenantId,
    leak: LeakNumber,
    asked: &Asked<'_>,
    (epoch, index_changes): (i64, bool),
    now: Time,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "INSERT INTO decisions (tenant_id, leak, action, reason, risk, author, decided_at, epoch, origin, approved_by, expires_at,
                                scope_id, index_changes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .bind(asked.request.action.as_str())
    .bind(asked.reason)
    .bind(asked.request.risk.map(stopleak_detector::Risk::as_str))
    .bind(asked.author)
    .bind(now)
    .bind(epoch)
    .bind(asked.origin.as_str())
    .bind(asked.approved_by)
    .bind(asked.request.expires_at)
    .bind(asked.request.scope.map(|scope| scope.0))
    .bind(i64::from(index_changes))
    .fetch_one(db)
    .await
}

impl Carrier {
    /// The new epoch, when the transaction has one.
    #[must_use]
    pub fn new_epoch(&self) -> Option<i64> {
        self.new
    }

    /// The epoch that carries what is done, a new one when that changes the index.
    pub(crate) async fn epoch(
        &mut self,
        db: &mut Connection,
        tenant: TenantId,
        changes: bool,
        now: Time,
    ) -> Result<i64, sqlx::Error> {
        match self.new {
            Some(epoch) => Ok(epoch),
            None if changes => {
                let epoch = tenants::next_epoch(db, tenant, now).await?;
                self.new = Some(epoch);
                Ok(epoch)
            }
            None => Ok(tenants::epoch(db, tenant).await?.epoch),
        }
    }
}
