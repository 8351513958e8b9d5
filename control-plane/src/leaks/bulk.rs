//! One decision on many leaks: in one transaction and with one epoch, so that gateways get one push for all of them.

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::index::LeakNumber;

use super::decide::Refusal;
use super::leak_id;
use super::pending::{Answered, answer};
use super::record::{Asked, Carrier, RecordError, current, judge};
use crate::store::{Connection, Store};
use crate::tenants::TenantId;
use crate::time::Time;

/// One decision, as it is asked for many leaks.
#[derive(Clone, Copy, Debug)]
pub struct Bulk<'a> {
    /// The decision.
    pub asked: Asked<'a>,
    /// Who the author is, also under another name.
    pub author_key: &'a str,
    /// When it is to be taken; `None`: now.
    pub at: Option<Time>,
    /// Nothing is changed.
    pub dry_run: bool,
}

/// What became of one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BulkResult {
    /// `LK-7`.
    pub leak: String,
    /// What became of it, or would.
    pub outcome: Verdict,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What became of one decision of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Verdict {
    /// It was taken.
    Decided,
    /// It waits for its time, or for a second administrator.
    Pending,
    /// It is not possible as the leak stands.
    Refused,
    /// There is no such leak.
    NotFound,
}

/// Leaks in one request: nobody else writes meanwhile, a tenth of a second.
pub const BULK: u32 = 200;

/// Decides on all of them that it is possible for. Returns what became of each, and the new epoch.
pub async fn decide_all(
    store: &Store,
    tenant: TenantId,
    leaks: &[LeakNumber],
    bulk: &Bulk<'_>,
    now: Time,
) -> Result<(Vec<BulkResult>, Option<i64>), sqlx::Error> {
    let mut results = Vec::with_capacity(leaks.len());
    if bulk.dry_run {
        let mut db = store.read().await?;
        for &leak in leaks {
            results.push(told(leak, would(&mut db, tenant, leak, bulk, now).await)?);
        }
        return Ok((results, None));
    }
    let mut db = store.write().await?;
    let mut carrier = Carrier::default();
    for &leak in leaks {
        let answered = answer(&mut db, tenant, leak, &bulk.asked, bulk.author_key, bulk.at, &mut carrier, now).await;
        let verdict = answered.map(|answered| match answered {
            Answered::Taken(_) => Verdict::Decided,
            Answered::Waits(_) => Verdict::Pending,
        });
        results.push(told(leak, verdict)?);
    }
    db.commit().await?;
    Ok((results, carrier.new_epoch()))
}

async fn would(
    db: &mut Connection,
    tenant: TenantId,
    leak: LeakNumber,
    bulk: &Bulk<'_>,
    now: Time,
) -> Result<Verdict, RecordError> {
    let found = current(db, tenant, leak).await?.ok_or(RecordError::NoSuchLeak)?;
    match judge(&found, &bulk.asked, now) {
        Ok(_) if bulk.at.is_none_or(|at| at <= now) => Ok(Verdict::Decided),
        Ok(_) | Err(RecordError::Refused(Refusal::ApprovalRequired, _)) => Ok(Verdict::Pending),
        Err(error) => Err(error),
    }
}

/// Only the database's troubles concern all of them.
fn told(leak: LeakNumber, verdict: Result<Verdict, RecordError>) -> Result<BulkResult, sqlx::Error> {
    let (outcome, detail) = match verdict {
        Ok(verdict) => (verdict, None),
        Err(RecordError::Store(error)) => return Err(error),
        Err(RecordError::NoSuchLeak) => (Verdict::NotFound, None),
        Err(error) => (Verdict::Refused, Some(error.to_string())),
    };
    Ok(BulkResult { leak: leak_id(leak), outcome, detail })
}
