//! What people see of leaks.

use serde::Serialize;
use stopleak_contract::index::LeakNumber;

use super::{Action, Status, leak_id};
use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// Which leaks are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where they stand.
    pub status: Option<Status>,
    /// How bad they are.
    pub risk: Option<String>,
    /// With or without a virtual patch.
    pub patched: Option<bool>,
    /// Only leaks with a smaller number.
    pub before: Option<LeakNumber>,
    /// At most so many.
    pub limit: u32,
}

/// A leak in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeakSummary {
    /// `LK-7`.
    pub id: String,
    /// 7.
    pub number: LeakNumber,
    /// What people call it.
    pub title: String,
    /// How bad it is.
    pub risk: String,
    /// Where it stands.
    pub status: Status,
    /// The virtual patch, when there is one.
    pub virtual_patch: Option<VirtualPatch>,
    /// The source whose scan found it.
    pub source: Option<i64>,
    /// The path within the source.
    pub path: Option<String>,
    /// How many tokens it has.
    pub token_count: i64,
    /// When it was found.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// Every use of the leak's tokens is refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VirtualPatch {
    /// Since when.
    pub applied_at: Time,
}

/// A leak with everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeakDetail {
    /// What lists show.
    #[serde(flatten)]
    pub summary: LeakSummary,
    /// Its tokens, the oldest first; at most 1,000.
    pub tokens: Vec<TokenView>,
    /// What was decided, the oldest first.
    pub decisions: Vec<DecisionView>,
    /// Who tried to use its tokens.
    pub attempts: AttemptSummary,
}

/// A token, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenView {
    /// By which people recognise it.
    pub preview: String,
    /// Why it is not blocked without asking.
    pub weakness: Option<String>,
    /// The rule that found it.
    pub rule: Option<String>,
    /// When it was found.
    pub created_at: Time,
    /// Where it was found.
    pub occurrences: Vec<OccurrenceView>,
}

/// One place where a token stands.
#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct OccurrenceView {
    #[serde(skip)]
    token_id: i64,
    /// The source.
    pub source: i64,
    /// The path within the source.
    pub path: String,
    /// From 1.
    pub line: i64,
    /// From 1.
    pub column: i64,
    /// The commit that brought it.
    pub commit: Option<String>,
    /// When that was.
    pub committed_at: Option<Time>,
}

/// A decision that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct DecisionView {
    #[serde(skip)]
    pub(crate) id: i64,
    /// What was done.
    pub action: Action,
    /// Why.
    pub reason: Option<String>,
    /// The new risk, for `set_risk`.
    pub risk: Option<String>,
    /// Who took it.
    pub author: String,
    /// When.
    pub at: Time,
    /// The first epoch of the index that carries it.
    pub epoch: i64,
}

/// How often gateways saw the leak's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct AttemptSummary {
    /// Passed, because the leak had no virtual patch.
    pub observed: i64,
    /// Refused.
    pub blocked: i64,
    /// The newest.
    pub last_seen_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(try_from = "i64")]
    number: LeakNumber,
    title: String,
    risk: String,
    status: Status,
    patched_at: Option<Time>,
    source_id: Option<i64>,
    path: Option<String>,
    token_count: i64,
    created_at: Time,
    updated_at: Time,
}

/// The leaks that the filter wants, the newest first.
pub async fn list(db: &mut Connection, tenant: TenantId, filter: &Filter) -> Result<Vec<LeakSummary>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT number, title, risk, status, patched_at, source_id, path, created_at, updated_at,
                (SELECT count(*) FROM tokens t WHERE t.tenant_id = l.tenant_id AND t.leak = l.number) AS token_count
         FROM leaks l
         WHERE tenant_id = $1 AND ($2 IS NULL OR status = $2) AND ($3 IS NULL OR risk = $3)
           AND ($4 IS NULL OR (patched_at IS NOT NULL) = $4) AND ($5 IS NULL OR number < $5)
         ORDER BY number DESC LIMIT $6",
    )
    .bind(tenant)
    .bind(filter.status)
    .bind(&filter.risk)
    .bind(filter.patched)
    .bind(filter.before.map(i64::from))
    .bind(i64::from(filter.limit))
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Row::summary).collect())
}

/// One leak with everything that belongs to it.
pub async fn show(db: &mut Connection, tenant: TenantId, number: LeakNumber) -> Result<Option<LeakDetail>, sqlx::Error> {
    let filter = Filter { before: number.checked_add(1), limit: 1, ..Filter::default() };
    let summary = list(&mut *db, tenant, &filter).await?.pop().filter(|leak| leak.number == number);
    let Some(summary) = summary else { return Ok(None) };
    let tokens = tokens(&mut *db, tenant, number).await?;
    let decisions = sqlx::query_as(
        "SELECT id, action, reason, risk, author, decided_at AS at, epoch FROM decisions
         WHERE tenant_id = $1 AND leak = $2 ORDER BY id",
    )
    .bind(tenant)
    .bind(i64::from(number))
    .fetch_all(&mut *db)
    .await?;
    let attempts = sqlx::query_as(
        "SELECT CAST(coalesce(sum(CASE WHEN outcome = 'observed' THEN count ELSE 0 END), 0) AS BIGINT) AS observed,
                CAST(coalesce(sum(CASE WHEN outcome = 'blocked' THEN count ELSE 0 END), 0) AS BIGINT) AS blocked,
                max(last_seen_at) AS last_seen_at
         FROM attempts WHERE tenant_id = $1 AND leak = $2",
    )
    .bind(tenant)
    .bind(i64::from(number))
    .fetch_one(db)
    .await?;
    Ok(Some(LeakDetail { summary, tokens, decisions, attempts }))
}

async fn tokens(db: &mut Connection, tenant: TenantId, leak: LeakNumber) -> Result<Vec<TokenView>, sqlx::Error> {
    type TokenRow = (i64, String, Option<String>, Option<String>, Time);
    let rows: Vec<TokenRow> = sqlx::query_as(
        "SELECT id, preview, weakness, rule, created_at FROM tokens WHERE tenant_id = $1 AND leak = $2
         ORDER BY id LIMIT 1000",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .fetch_all(&mut *db)
    .await?;
    let occurrences: Vec<OccurrenceView> = sqlx::query_as(
        "SELECT o.token_id, o.source_id AS source, o.path, o.line_number AS line, o.column_number AS \"column\",
                nullif(o.commit_id, '') AS \"commit\", o.committed_at
         FROM occurrences o JOIN tokens t ON t.id = o.token_id
         WHERE t.tenant_id = $1 AND t.leak = $2 ORDER BY o.id LIMIT 1000",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .fetch_all(db)
    .await?;
    let token = |(id, preview, weakness, rule, created_at)| TokenView {
        preview,
        weakness,
        rule,
        created_at,
        occurrences: occurrences.iter().filter(|o| o.token_id == id).cloned().collect(),
    };
    Ok(rows.into_iter().map(token).collect())
}

impl Row {
    fn summary(self) -> LeakSummary {
        LeakSummary {
            id: leak_id(self.number),
            number: self.number,
            title: self.title,
            risk: self.risk,
            status: self.status,
            virtual_patch: self.patched_at.map(|applied_at| VirtualPatch { applied_at }),
            source: self.source_id,
            path: self.path,
            token_count: self.token_count,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
