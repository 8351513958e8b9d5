//! Decisions that are asked for and not taken yet. They wait for their time, or for a second administrator; both are rows, and
//! whoever settles one changes it in the same transaction as the leak, so that it is settled once.

mod view;

use std::time::Duration;

use serde_json::json;
use stopleak_contract::index::LeakNumber;

pub use self::view::PendingView;
use super::decide::{Action, Refusal, Request};
use super::record::{Asked, Carrier, Decided, Origin, RecordError, current, judge, take};
use super::{leak_id, stored_risk};
use crate::audit;
use crate::people::Caller;
use crate::scopes::{ScopeId, ScopeView};
use crate::store::{Connection, Page, Sql, Store};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// What became of a request.
#[derive(Debug)]
pub enum Answered {
    /// It was taken.
    Taken(Decided),
    /// It waits.
    Waits(Box<PendingView>),
}

/// Why a waiting decision was not settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The tenant has none of this key.
    #[error("no such pending decision")]
    NoSuch,
    /// It does not wait for this.
    #[error("it is {0}")]
    Settled(String),
    /// Two administrators are two people.
    #[error("another administrator than the one who asked has to approve it")]
    SamePerson,
    /// It is not possible as the leak stands now.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

/// How long a request waits for the second administrator.
pub const APPROVAL_LIFE: Duration = Duration::from_hours(7 * 24);

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    leak: i64,
    status: String,
    action: Action,
    risk: Option<String>,
    confirm: i64,
    reason: Option<String>,
    expires_at: Option<Time>,
    scope_id: Option<i64>,
    #[sqlx(try_from = "Option<String>")]
    scope: ScopeView,
    author: String,
    author_key: String,
    asked_at: Time,
    due_at: Option<Time>,
    next_at: Option<Time>,
    approved_by: Option<String>,
    settled_at: Option<Time>,
    settled_by: Option<String>,
    outcome: Option<String>,
}

const COLUMNS: &str =
    "SELECT id, leak, status, action, risk, confirm, reason, expires_at, author, author_key, asked_at, due_at, next_at,
    approved_by, settled_at, settled_by, outcome, scope_id,
    (SELECT s.scope FROM scopes s WHERE s.tenant_id = $1 AND s.id = pending_decisions.scope_id) AS scope FROM pending_decisions";

/// Takes a decision, or lets it wait: for `at`, or for a second administrator.
pub async fn ask(
    store: &Store,
    tenant: TenantId,
    leak: LeakNumber,
    asked: &Asked<'_>,
    author_key: &str,
    at: Option<Time>,
    now: Time,
) -> Result<Answered, RecordError> {
    let mut db = store.write().await?;
    let answered = answer(&mut db, tenant, leak, asked, author_key, at, &mut Carrier::default(), now).await?;
    db.commit().await?;
    Ok(answered)
}

/// The same as a part of a transaction.
#[expect(clippy::too_many_arguments, reason = "all of them are the request, and nothing else has the same set")]
pub async fn answer(
    db: &mut Connection,
    tenant: TenantId,
    leak: LeakNumber,
    asked: &Asked<'_>,
    author_key: &str,
    at: Option<Time>,
    carrier: &mut Carrier,
    now: Time,
) -> Result<Answered, RecordError> {
    let at = at.filter(|&at| at > now);
    let found = current(db, tenant, leak).await?.ok_or(RecordError::NoSuchLeak)?;
    let (status, next_at) = match judge(&found, asked, now) {
        Err(RecordError::Refused(Refusal::ApprovalRequired, _)) => ("needs_approval", now.plus(APPROVAL_LIFE)),
        Err(error) => return Err(error),
        Ok(_) => match at {
            Some(at) => ("scheduled", at),
            None => return take(db, tenant, leak, asked, carrier, now).await.map(Answered::Taken),
        },
    };
    let same: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM pending_decisions WHERE tenant_id = $1 AND leak = $2 AND action = $3 AND next_at IS NOT NULL LIMIT 1",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .bind(asked.request.action.as_str())
    .fetch_optional(&mut *db)
    .await?;
    if let Some(id) = same {
        return Err(RecordError::Refused(Refusal::AlreadyPending { id }, Box::new(found)));
    }
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO pending_decisions (tenant_id, leak, status, action, risk, confirm, reason, expires_at, author, author_key,
                                        asked_at, due_at, next_at, scope_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .bind(status)
    .bind(asked.request.action.as_str())
    .bind(asked.request.risk.map(stopleak_detector::Risk::as_str))
    .bind(i64::from(asked.request.confirm))
    .bind(asked.reason)
    .bind(asked.request.expires_at)
    .bind(asked.author)
    .bind(author_key)
    .bind(now)
    .bind(at)
    .bind(next_at)
    .bind(asked.request.scope.map(|scope| scope.0))
    .fetch_one(&mut *db)
    .await?;
    let query = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE tenant_id = $1 AND id = $2"));
    let view = sqlx::query_as::<_, Row>(query).bind(tenant).bind(id).fetch_one(&mut *db).await?.view();
    audit::record(db, asked.caller, "pending.add", &format!("pending/{}", view.id), None, audit::seen(&view)).await?;
    Ok(Answered::Waits(Box::new(view)))
}

/// Approves: the decision is taken, or waits for its time.
pub async fn approve(
    store: &Store,
    caller: &Caller,
    id: i64,
    approver_key: &str,
    now: Time,
) -> Result<(Answered, LeakNumber), SettleError> {
    let (tenant, approver) = (caller.tenant.id, caller.name.as_str());
    let mut db = store.write().await?;
    let row = find(&mut db, tenant, id).await?;
    if row.status != "needs_approval" || row.next_at.is_none_or(|lapses| lapses <= now) {
        return Err(SettleError::Settled(row.status));
    }
    if row.author_key == approver_key {
        return Err(SettleError::SamePerson);
    }
    sqlx::query("UPDATE pending_decisions SET approved_by = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .bind(approver)
        .execute(&mut *db)
        .await?;
    let leak = row.number();
    let after = json!({"approved_by": approver, "action": row.action, "leak": leak_id(leak)});
    audit::record(&mut db, caller, "pending.approve", &format!("pending/{id}"), None, Some(after)).await?;
    if let Some(at) = row.due_at.filter(|&at| at > now) {
        settle(&mut db, tenant, &row, &Settled { status: "scheduled", next_at: Some(at), ..Settled::default() }, now).await?;
        let row = find(&mut db, tenant, id).await?;
        db.commit().await?;
        return Ok((Answered::Waits(Box::new(row.view())), leak));
    }
    let row = Row { approved_by: Some(approver.to_owned()), ..row };
    let decided = carry_out(&mut db, tenant, &row, caller, Origin::Person, &mut Carrier::default(), now).await;
    // What is not possible any more is on record as that; every other error leaves the request as it was.
    if matches!(decided, Ok(_) | Err(RecordError::Refused(..))) {
        let by = Settled { by: Some(approver), ..Settled::of(&decided) };
        let outcome = decided.as_ref().err().map(ToString::to_string);
        settle(&mut db, tenant, &row, &Settled { outcome: outcome.as_deref(), ..by }, now).await?;
        db.commit().await?;
    }
    Ok((Answered::Taken(decided?), leak))
}

/// Rejects what waits for approval, or cancels what waits for either.
pub async fn drop_pending(
    store: &Store,
    caller: &Caller,
    id: i64,
    reject: bool,
    why: Option<&str>,
    now: Time,
) -> Result<PendingView, SettleError> {
    let (tenant, by) = (caller.tenant.id, caller.name.as_str());
    let mut db = store.write().await?;
    let row = find(&mut db, tenant, id).await?;
    if row.next_at.is_none() || (reject && row.status != "needs_approval") {
        return Err(SettleError::Settled(row.status));
    }
    let status = if reject { "rejected" } else { "cancelled" };
    settle(&mut db, tenant, &row, &Settled { status, by: Some(by), outcome: why, ..Settled::default() }, now).await?;
    let view = find(&mut db, tenant, id).await?.view();
    let action = if reject { "pending.reject" } else { "pending.cancel" };
    audit::record(&mut db, caller, action, &format!("pending/{id}"), None, audit::seen(&view)).await?;
    db.commit().await?;
    Ok(view)
}

/// Those of the tenant: all of them, those of a leak, or only those that still wait.
pub async fn list_pending(
    db: &mut Connection,
    tenant: TenantId,
    leak: Option<LeakNumber>,
    open: bool,
    page: &Page,
) -> Result<Vec<PendingView>, sqlx::Error> {
    let mut sql = Sql::new(COLUMNS);
    sql.push(" WHERE tenant_id = ").int(tenant.0);
    if let Some(leak) = leak {
        sql.push(" AND leak = ").int(leak.into());
    }
    sql.push(if open { " AND status IN ('needs_approval', 'scheduled')" } else { "" }).page("id", page);
    let rows: Vec<Row> = sql.fetch_all(db).await?;
    Ok(rows.into_iter().map(Row::view).collect())
}

/// Takes or drops one of those whose time has come, when there is one: the tenant and its new epoch.
pub async fn settle_due(store: &Store, now: Time) -> Result<Option<(TenantId, Option<i64>)>, sqlx::Error> {
    const DUE: &str = "SELECT id, tenant_id FROM pending_decisions WHERE next_at <= $1 ORDER BY next_at, id LIMIT 1";
    let due: Option<(i64, TenantId)> = sqlx::query_as(DUE).bind(now).fetch_optional(&mut *store.read().await?).await?;
    let Some((id, tenant)) = due else { return Ok(None) };
    let mut db = store.write().await?;
    let row = match find(&mut db, tenant, id).await {
        Ok(row) => row,
        Err(SettleError::Store(error)) => return Err(error),
        Err(_) => return Ok(Some((tenant, None))),
    };
    // Somebody else settled it meanwhile.
    if row.next_at.is_none_or(|next| next > now) {
        return Ok(Some((tenant, None)));
    }
    let mut carrier = Carrier::default();
    let caller = Caller::system("schedule", tenants::by_id(&mut db, tenant).await?);
    if row.status == "scheduled" {
        let decided = match carry_out(&mut db, tenant, &row, &caller, Origin::Schedule, &mut carrier, now).await {
            Err(RecordError::Store(error)) => return Err(error),
            decided => decided,
        };
        let outcome = decided.as_ref().err().map(ToString::to_string);
        settle(&mut db, tenant, &row, &Settled { outcome: outcome.as_deref(), ..Settled::of(&decided) }, now).await?;
        tracing::info!(leak = leak_id(row.number()), author = row.author, outcome, "scheduled decision settled");
    } else {
        settle(&mut db, tenant, &row, &Settled { status: "lapsed", ..Settled::default() }, now).await?;
        let after = json!({"status": "lapsed", "leak": leak_id(row.number())});
        audit::record(&mut db, &caller, "pending.lapse", &format!("pending/{id}"), None, Some(after)).await?;
    }
    db.commit().await?;
    Ok(Some((tenant, carrier.new_epoch())))
}

async fn carry_out(
    db: &mut Connection,
    tenant: TenantId,
    row: &Row,
    caller: &Caller,
    origin: Origin,
    carrier: &mut Carrier,
    now: Time,
) -> Result<Decided, RecordError> {
    let risk = row.risk.as_deref().map(stored_risk).transpose()?;
    let (confirm, expires_at, scope) = (row.confirm != 0, row.expires_at, row.scope_id.map(ScopeId));
    let request = Request { risk, confirm, expires_at, scope, ..Request::of(row.action) };
    let (reason, approved_by) = (row.reason.as_deref(), row.approved_by.as_deref());
    let asked = Asked { reason, author: &row.author, approved_by, ..Asked::of(caller, origin, request) };
    take(db, tenant, row.number(), &asked, carrier, now).await
}

/// How a row ends, or goes on to `scheduled`.
#[derive(Default)]
struct Settled<'a> {
    status: &'a str,
    next_at: Option<Time>,
    by: Option<&'a str>,
    outcome: Option<&'a str>,
    decision: Option<i64>,
}

impl Settled<'_> {
    fn of(decided: &Result<Decided, RecordError>) -> Self {
        let status = if decided.is_ok() { "taken" } else { "refused" };
        Self { status, decision: decided.as_ref().ok().map(|decided| decided.id), ..Self::default() }
    }
}

async fn settle(db: &mut Connection, tenant: TenantId, row: &Row, settled: &Settled<'_>, now: Time) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE pending_decisions SET status = $3, next_at = $4, settled_at = $5, settled_by = $6, outcome = $7, decision = $8
         WHERE tenant_id = $1 AND id = $2 AND status = $9",
    )
    .bind(tenant)
    .bind(row.id)
    .bind(settled.status)
    .bind(settled.next_at)
    .bind(settled.next_at.is_none().then_some(now))
    .bind(settled.by)
    .bind(settled.outcome)
    .bind(settled.decision)
    .bind(&row.status)
    .execute(db)
    .await?;
    // Where writers do not take turns, somebody else may have settled it since it was read.
    if done.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

async fn find(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Row, SettleError> {
    let query = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE tenant_id = $1 AND id = $2"));
    sqlx::query_as(query).bind(tenant).bind(id).fetch_optional(db).await?.ok_or(SettleError::NoSuch)
}

impl Row {
    fn number(&self) -> LeakNumber {
        // Leaks are numbered from 1; no leak has the number 0.
        LeakNumber::try_from(self.leak).unwrap_or(0)
    }

    fn view(self) -> PendingView {
        PendingView {
            leak: leak_id(self.number()),
            id: self.id,
            status: self.status,
            action: self.action,
            risk: self.risk,
            reason: self.reason,
            expires_at: self.expires_at,
            scope: self.scope,
            author: self.author,
            asked_at: self.asked_at,
            at: self.due_at,
            next_at: self.next_at,
            approved_by: self.approved_by,
            settled_at: self.settled_at,
            settled_by: self.settled_by,
            outcome: self.outcome,
        }
    }
}
