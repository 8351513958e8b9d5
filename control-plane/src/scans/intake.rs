//! From findings to leaks.

use std::collections::HashMap;

use stopleak_contract::FingerprintKey;
use stopleak_contract::index::LeakNumber;
use stopleak_detector::Risk;
use stopleak_scanner::Finding;

use crate::leaks::{self, NewLeak, NewToken};
use crate::store::{Connection, Store};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// What is kept of a finding.
pub(super) struct Found {
    token: NewToken,
    risk: Risk,
    path: String,
    line: i64,
    column: i64,
    commit: String,
    committed_at: Option<Time>,
}

/// Whose findings they are.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) scan: i64,
    pub(super) tenant: TenantId,
    pub(super) source: i64,
    pub(super) title: String,
}

impl Found {
    /// Takes of a finding what may be kept; the token's text is gone when this returns.
    pub(super) fn of(key: &FingerprintKey, finding: &Finding) -> Self {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            token: NewToken::of(key, &finding.token, Some(&finding.rule)),
            risk: finding.risk,
            path: without_token(finding),
            line: number(finding.line),
            column: number(finding.column),
            commit: finding.commit.clone().unwrap_or_default(),
            committed_at: finding.committed_at.as_deref().and_then(Time::parse),
        }
    }
}

/// Writes findings down in one transaction, together with the epoch that carries their tokens; returns that when it is new.
pub(super) async fn write(store: &Store, target: &Target, batch: &[Found], now: Time) -> Result<Option<i64>, sqlx::Error> {
    let mut db = store.write().await?;
    let mut new = 0_i64;
    let mut leaks_of_paths = HashMap::new();
    for found in batch {
        let known = leaks::find_token(&mut db, target.tenant, &found.token.fingerprint).await?;
        let token = if let Some(known) = known {
            known.token
        } else {
            new += 1;
            let leak = match leaks_of_paths.get(&found.path) {
                Some(&leak) => leak,
                None => leak_of(&mut db, target, found, now).await?,
            };
            leaks_of_paths.insert(&found.path, leak);
            raise_risk(&mut db, target.tenant, leak, found.risk, now).await?;
            leaks::insert_token(&mut db, target.tenant, leak, &found.token, now).await?
        };
        insert_occurrence(&mut db, target, token, found, now).await?;
    }
    sqlx::query("UPDATE scans SET found = found + $2, found_new = found_new + $3 WHERE id = $1")
        .bind(target.scan)
        .bind(i64::try_from(batch.len()).unwrap_or(i64::MAX))
        .bind(new)
        .execute(&mut *db)
        .await?;
    let epoch = if new > 0 { Some(tenants::next_epoch(&mut db, target.tenant, now).await?) } else { None };
    db.commit().await?;
    Ok(epoch)
}

/// The open leak of this source and path. One with a virtual patch is left as it is: its administrator decided to block the
/// tokens that it had, and nobody has decided on this one.
async fn leak_of(db: &mut Connection, target: &Target, found: &Found, now: Time) -> Result<LeakNumber, sqlx::Error> {
    let open: Option<LeakNumber> = sqlx::query_scalar(
        "SELECT number FROM leaks WHERE tenant_id = $1 AND source_id = $2 AND path = $3 AND status = $4
           AND patched_at IS NULL ORDER BY number LIMIT 1",
    )
    .bind(target.tenant)
    .bind(target.source)
    .bind(&found.path)
    .bind(leaks::Status::Open)
    .fetch_optional(&mut *db)
    .await?;
    if let Some(leak) = open {
        return Ok(leak);
    }
    let title = format!("{} in {}", found.path, target.title);
    let leak = NewLeak { title: &title, risk: found.risk, place: Some((target.source, &found.path)) };
    leaks::insert_leak(db, target.tenant, &leak, now).await
}

/// A leak is as bad as its worst token, until somebody says otherwise.
async fn raise_risk(db: &mut Connection, tenant: TenantId, leak: LeakNumber, risk: Risk, now: Time) -> Result<(), sqlx::Error> {
    let lower = [Risk::Low, Risk::Medium, Risk::High].map(|lower| (lower < risk).then(|| lower.as_str()));
    sqlx::query(
        "UPDATE leaks SET risk = CASE WHEN risk IN ($3, $4, $5) AND NOT EXISTS (
             SELECT 1 FROM decisions d WHERE d.tenant_id = $1 AND d.leak = $2 AND d.action = 'set_risk'
         ) THEN $6 ELSE risk END, updated_at = $7
         WHERE tenant_id = $1 AND number = $2",
    )
    .bind(tenant)
    .bind(leak)
    .bind(lower[0])
    .bind(lower[1])
    .bind(lower[2])
    .bind(risk.as_str())
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

async fn insert_occurrence(
    db: &mut Connection,
    target: &Target,
    token: i64,
    found: &Found,
    now: Time,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO occurrences (tenant_id, token_id, source_id, path, line_number, column_number, commit_id,
                                  committed_at, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(target.tenant)
    .bind(token)
    .bind(target.source)
    .bind(&found.path)
    .bind(found.line)
    .bind(found.column)
    .bind(&found.commit)
    .bind(found.committed_at)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// A file may be named after the token that is in it.
fn without_token(finding: &Finding) -> String {
    match std::str::from_utf8(finding.token.as_bytes()) {
        Ok(token) => finding.path.replace(token, &finding.preview),
        Err(_) => finding.path.clone(),
    }
}
