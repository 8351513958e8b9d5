//! How the leaks that a filter wants are spread over risks, statuses and sources: the charts above a list.
//!
//! Counters answer what they count by. Whatever else is asked is counted among the newest leaks only, and said to be.

use std::collections::BTreeMap;

use super::{Counts, Filter};
use crate::store::{Connection, Sql};
use crate::tenants::TenantId;

/// The numbers of a filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// All leaks that are wanted.
    pub total: i64,
    /// Where they stand.
    pub all: Counts,
    /// By risk.
    pub risks: BTreeMap<String, i64>,
    /// By source, those with most leaks first; 0: added by hand.
    pub sources: Vec<(i64, i64)>,
    /// Whether only the newest leaks were looked at.
    pub is_partial: bool,
}

/// Leaks that are counted one by one: some ten milliseconds.
const NEWEST: i64 = 10_000;
/// Sources that are told.
const SOURCES: usize = 8;

/// Counts.
pub async fn spread(db: &mut Connection, tenant: TenantId, filter: &Filter) -> Result<Spread, sqlx::Error> {
    let by_each = filter.assignee.is_some()
        || filter.text.is_some()
        || filter.rule.is_some()
        || filter.life.is_some()
        || filter.new_client.is_some();
    let rows = if by_each { one_by_one(&mut *db, tenant, filter).await? } else { counted(&mut *db, tenant, filter).await? };
    let mut spread = Spread { is_partial: by_each && has_more(db, tenant).await?, ..Spread::default() };
    let mut sources: BTreeMap<i64, i64> = BTreeMap::new();
    for (status, risk, patched, source, leaks) in rows {
        spread.total += leaks;
        spread.all.add(&status, patched != 0, leaks);
        *spread.risks.entry(risk).or_default() += leaks;
        *sources.entry(source).or_default() += leaks;
    }
    spread.sources = sources.into_iter().filter(|(_, leaks)| *leaks > 0).collect();
    spread.sources.sort_by_key(|(source, leaks)| (-leaks, *source));
    spread.sources.truncate(SOURCES);
    Ok(spread)
}

type CountRow = (String, String, i64, i64, i64);

async fn counted(db: &mut Connection, tenant: TenantId, filter: &Filter) -> Result<Vec<CountRow>, sqlx::Error> {
    let mut sql = Sql::new("SELECT status, risk, patched, source, leaks FROM leak_counts w WHERE tenant_id = ");
    sql.int(tenant.0);
    if let Some(status) = filter.status {
        sql.push(" AND status = ").text(status.as_str());
    }
    if let Some(risk) = filter.risk {
        sql.push(" AND risk = ").text(risk.as_str());
    }
    if let Some(patched) = filter.patched {
        sql.push(" AND patched = ").int(patched.into());
    }
    if let Some(source) = filter.source {
        sql.push(" AND source = ").int(source);
    }
    match filter.source_kind.as_deref() {
        Some("manual") => _ = sql.push(" AND source = 0"),
        Some(kind) => {
            sql.push(" AND source IN (SELECT s.id FROM sources s WHERE s.tenant_id = ").int(tenant.0);
            sql.push(" AND s.kind = ").text(kind).push(")");
        }
        None => {}
    }
    sql.fetch_all(db).await
}

async fn one_by_one(db: &mut Connection, tenant: TenantId, filter: &Filter) -> Result<Vec<CountRow>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT status, risk, is_patched, source_rank, count(*) FROM
             (SELECT number, title, status, risk, risk_rank, is_patched, patched_at, source_id, source_rank, assignee, life, has_new_client
              FROM leaks WHERE tenant_id = ",
    );
    sql.int(tenant.0).push(" ORDER BY number DESC LIMIT ").int(NEWEST).push(") w WHERE 1 = 1");
    filter.conditions(&mut sql);
    sql.push(" GROUP BY status, risk, is_patched, source_rank");
    sql.fetch_all(db).await
}

async fn has_more(db: &mut Connection, tenant: TenantId) -> Result<bool, sqlx::Error> {
    let leaks: i64 = sqlx::query_scalar("SELECT CAST(coalesce(sum(leaks), 0) AS BIGINT) FROM leak_counts WHERE tenant_id = $1")
        .bind(tenant)
        .fetch_one(db)
        .await?;
    Ok(leaks > NEWEST)
}
