//! Findings: one token at one place each, of a scan or of an import, and how they become leaks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use stopleak_contract::index::LeakNumber;
use stopleak_detector::Risk;
use stopleak_scanner::Finding;

use crate::keys::TenantKeys;
use crate::leaks::{self, Action, Asked, Carrier, NewLeak, NewToken, Origin, RecordError, Request, Status};
use crate::notifications::{self, Event};
use crate::people::Caller;
use crate::store::{Connection, number};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// What is kept of a finding.
pub(crate) struct Found {
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
pub(crate) struct Target {
    pub(crate) tenant: TenantId,
    pub(crate) source: i64,
    /// The source's.
    pub(crate) title: String,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Tokens that no leak had before.
    pub(crate) new: i64,
    /// The epoch that carries them, when there are any.
    pub(crate) epoch: Option<i64>,
}

const OPEN_LEAK_OF: &str = "SELECT number FROM leaks WHERE tenant_id = $1 AND source_id = $2 AND path = $3 AND status = $4
   AND patched_at IS NULL ORDER BY number LIMIT 1";

impl Found {
    /// Takes of a finding what may be kept; the token's text is gone when this returns.
    pub(crate) fn of(keys: &TenantKeys, finding: &Finding, risk: Risk) -> Self {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            token: NewToken::of(keys, &finding.token, Some(&finding.rule)),
            risk,
            path: without_token(finding),
            line: number(finding.line),
            column: number(finding.column),
            commit: finding.commit.clone().unwrap_or_default(),
            committed_at: finding.committed_at.as_deref().and_then(Time::parse),
        }
    }
}

/// Writes findings down, together with the epoch that carries their tokens.
pub(crate) async fn write(db: &mut Connection, target: &Target, batch: &[&Found], now: Time) -> Result<Written, sqlx::Error> {
    let mut new = 0_i64;
    let mut carrier = Carrier::default();
    let mut leaks_of_paths = HashMap::new();
    let (mut added, mut grown, mut worst) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for found in batch {
        let known = leaks::recognise(db, target.tenant, &found.token, &mut carrier, now).await?;
        let token = if let Some(known) = &known {
            known.token
        } else {
            new += 1;
            let leak = if let Some(&leak) = leaks_of_paths.get(&found.path) {
                leak
            } else if let Some(leak) = open_leak_of(db, target, found).await? {
                grown.insert(leak);
                leak
            } else {
                let leak = add_leak(db, target, found, now).await?;
                added.insert(leak);
                leak
            };
            leaks_of_paths.insert(&found.path, leak);
            let risk = worst.entry(leak).or_insert(found.risk);
            *risk = found.risk.max(*risk);
            leaks::insert_token(db, target.tenant, leak, &found.token, now).await?
        };
        let is_new_place = insert_occurrence(db, target, token, found, now).await?;
        if let Some(known) = known.filter(|known| is_new_place && known.status == Status::Closed) {
            reopen(db, target, known.leak, found, &mut carrier, now).await?;
        }
    }
    for (leak, risk) in worst {
        raise_risk(db, target.tenant, leak, risk, now).await?;
    }
    // At the end, when each leak has all tokens of the batch and is as bad as the worst of them.
    let [added, grown] = [added, grown].map(|leaks| leaks.into_iter().collect::<Vec<_>>());
    for event in [Event::Added(&added), Event::Grown(&grown)] {
        notifications::tell(db, target.tenant, &event, now).await?;
    }
    let epoch = match carrier.new_epoch() {
        None if new > 0 => Some(tenants::next_epoch(db, target.tenant, now).await?),
        epoch => epoch,
    };
    Ok(Written { new, epoch })
}

/// The open leak of this source and path. One with a virtual patch is left as it is: its administrator decided to block the
/// tokens that it had, and nobody has decided on this one.
async fn open_leak_of(db: &mut Connection, target: &Target, found: &Found) -> Result<Option<LeakNumber>, sqlx::Error> {
    let open: Option<i64> = sqlx::query_scalar(OPEN_LEAK_OF)
        .bind(target.tenant)
        .bind(target.source)
        .bind(&found.path)
        .bind(Status::Open.as_str())
        .fetch_optional(db)
        .await?;
    open.map(number).transpose()
}

async fn add_leak(db: &mut Connection, target: &Target, found: &Found, now: Time) -> Result<LeakNumber, sqlx::Error> {
    let title = format!("{} in {}", found.path, target.title);
    let leak = NewLeak { title: &title, risk: found.risk, place: Some((target.source, &found.path)) };
    leaks::insert_leak(db, target.tenant, &leak, now).await
}

/// A closed leak whose token turns up at another place was not dealt with after all. One that was marked as false stays so: its tokens
/// are none, wherever they stand.
async fn reopen(
    db: &mut Connection,
    target: &Target,
    leak: LeakNumber,
    found: &Found,
    carrier: &mut Carrier,
    now: Time,
) -> Result<(), sqlx::Error> {
    let reason = format!("a token of it was found again, in {} of {}", found.path, target.title);
    let caller = Caller::system("regression", tenants::by_id(db, target.tenant).await?);
    let asked = Asked::of(&caller, Origin::Regression, Request::of(Action::Reopen));
    let asked = Asked { reason: Some(reason.as_str()), ..asked };
    match leaks::take(db, target.tenant, leak, &asked, carrier, now).await {
        Ok(_) => tracing::info!(leak = leaks::leak_id(leak), "a closed leak is open again"),
        Err(RecordError::Store(error)) => return Err(error),
        // Another finding of this batch has reopened it.
        Err(error) => tracing::debug!(leak = leaks::leak_id(leak), %error, "not reopened"),
    }
    Ok(())
}

/// A leak is as bad as its worst token, until somebody says otherwise.
async fn raise_risk(db: &mut Connection, tenant: TenantId, leak: LeakNumber, risk: Risk, now: Time) -> Result<(), sqlx::Error> {
    let lower = [Risk::Low, Risk::Medium, Risk::High].map(|lower| (lower < risk).then(|| lower.as_str()));
    sqlx::query(
        "UPDATE leaks SET risk = CASE WHEN risk IN ($3, $4, $5) AND risk_from = 'rule' THEN $6 ELSE risk END, updated_at = $7,
                          version = version + 1
         WHERE tenant_id = $1 AND number = $2",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .bind(lower[0])
    .bind(lower[1])
    .bind(lower[2])
    .bind(risk.as_str())
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// Whether it was not there.
async fn insert_occurrence(
    db: &mut Connection,
    target: &Target,
    token: i64,
    found: &Found,
    now: Time,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
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
    Ok(done.rows_affected() == 1)
}

/// A file may be named after the token that is in it.
fn without_token(finding: &Finding) -> String {
    match std::str::from_utf8(finding.token.as_bytes()) {
        Ok(token) => finding.path.replace(token, &finding.preview),
        Err(_) => finding.path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Database, Store};

    #[tokio::test]
    async fn the_open_leak_of_a_place_is_found_by_the_place_however_many_are_open() {
        let data = tempfile::tempdir().unwrap();
        let store = Store::connect(&Database::Sqlite(data.path().to_owned())).await.unwrap();
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {OPEN_LEAK_OF}"));
        let steps: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(explain).fetch_all(&mut *store.read().await.unwrap()).await.unwrap();
        assert!(steps.len() == 1 && steps[0].3.contains("leaks_of_place (tenant_id=? AND source_id=? AND path=?"), "{steps:?}");
    }
}
