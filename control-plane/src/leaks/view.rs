//! What people see of leaks.

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::index::LeakNumber;

use super::list::{LeakSummary, summary};
use super::pending::{PendingView, list_pending};
use super::{Action, RiskName};
use crate::attempts::Life;
use crate::epochs::{Enforcement, Floors, Stored};
use crate::scopes::ScopeView;
use crate::store::{Connection, Page};
use crate::tenants::TenantId;
use crate::time::Time;

/// A leak with everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LeakDetail {
    /// What lists show.
    #[serde(flatten)]
    pub summary: LeakSummary,
    /// Its tokens, the oldest first; at most 1,000.
    pub tokens: Vec<TokenView>,
    /// What was decided, the oldest first; the newest 1,000.
    pub decisions: Vec<DecisionView>,
    /// What waits to be decided.
    pub pending: Vec<PendingView>,
    /// Who tried to use its tokens.
    pub attempts: AttemptSummary,
}

/// A token, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TokenView {
    /// By which people recognise it.
    pub preview: String,
    /// Why it is not blocked without asking.
    #[schemars(extend("enum" = ["short", "placeholder", "ordinary", "low_entropy", null]))]
    pub weakness: Option<String>,
    /// The rule that found it.
    pub rule: Option<String>,
    /// Whether it works: an upstream took it, or lately only refused it.
    pub life: Life,
    /// Since when.
    pub life_since: Option<Time>,
    /// When an upstream last took it (2xx).
    pub alive_at: Option<Time>,
    /// When an upstream last refused it (401, 403).
    pub refused_at: Option<Time>,
    /// When it was last used, whatever came of it.
    pub used_at: Option<Time>,
    /// When it was found.
    pub created_at: Time,
    /// Where it was found.
    pub occurrences: Vec<OccurrenceView>,
}

/// One place where a token stands.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, sqlx::FromRow)]
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, sqlx::FromRow)]
pub struct DecisionView {
    #[serde(skip)]
    pub(crate) id: i64,
    /// What was done.
    pub action: Action,
    /// Why.
    pub reason: Option<String>,
    /// The new risk, for `set_risk`.
    #[schemars(with = "Option<RiskName>")]
    pub risk: Option<String>,
    /// Who took it; `policy NAME`, `expiry`, `regression` (found again) or `use` (used after it was closed) when it was a machine.
    pub author: String,
    /// What made it be taken: `person`, `schedule`, `policy`, `expiry`, `regression`.
    #[schemars(extend("enum" = ["person", "schedule", "policy", "expiry", "regression"]))]
    pub origin: String,
    /// The second administrator.
    pub approved_by: Option<String>,
    /// When the patch ends by itself.
    pub expires_at: Option<Time>,
    /// Where it applies; `null`: everywhere.
    #[sqlx(try_from = "Option<String>")]
    pub scope: ScopeView,
    /// When.
    pub at: Time,
    /// The first epoch of the index that carries it.
    pub epoch: i64,
    /// How far it has come.
    #[serde(flatten)]
    #[sqlx(skip)]
    pub enforcement: Enforcement,
    #[serde(skip)]
    index_changes: i64,
    #[serde(skip)]
    #[sqlx(flatten)]
    stored: Stored,
}

/// How often gateways ever saw the leak's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema, sqlx::FromRow)]
pub struct AttemptSummary {
    /// Passed, because the leak had no virtual patch.
    pub observed: i64,
    /// Refused.
    pub blocked: i64,
    /// The newest.
    pub last_seen_at: Option<Time>,
    /// Clients that are remembered, the networks of IPv6 counted once; 256 at most.
    pub clients: i64,
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    id: i64,
    preview: String,
    weakness: Option<String>,
    rule: Option<String>,
    life: Life,
    life_since: Option<Time>,
    alive_at: Option<Time>,
    refused_at: Option<Time>,
    used_at: Option<Time>,
    created_at: Time,
}

/// One leak with everything that belongs to it, while these epochs are in force.
pub async fn show(
    db: &mut Connection,
    tenant: TenantId,
    number: LeakNumber,
    floors: &Floors,
) -> Result<Option<LeakDetail>, sqlx::Error> {
    let Some(summary) = summary(&mut *db, tenant, number).await? else { return Ok(None) };
    let tokens = tokens(&mut *db, tenant, number).await?;
    let mut decisions: Vec<DecisionView> = sqlx::query_as(
        "SELECT d.id, action, reason, risk, author, origin, approved_by, expires_at, decided_at AS at, d.epoch, index_changes,
                (SELECT s.scope FROM scopes s WHERE s.tenant_id = $1 AND s.id = scope_id) AS scope,
                e.committed_at, e.enforced_at, e.gateways FROM
             (SELECT * FROM decisions WHERE tenant_id = $1 AND leak = $2 ORDER BY id DESC LIMIT 1000) d
             LEFT JOIN epochs e ON e.tenant_id = $1 AND e.epoch = d.epoch ORDER BY d.id",
    )
    .bind(tenant)
    .bind(i64::from(number))
    .fetch_all(&mut *db)
    .await?;
    for decision in &mut decisions {
        decision.enforcement = match decision.index_changes {
            0 => Enforcement::NOTHING,
            _ => Enforcement::of(&decision.stored, decision.epoch, floors)?,
        };
    }
    let pending = list_pending(&mut *db, tenant, Some(number), true, &Page::newest(100)).await?;
    let attempts = sqlx::query_as(
        "SELECT CAST(coalesce(sum(CASE WHEN outcome = 'observed' THEN count ELSE 0 END), 0) AS BIGINT) AS observed,
                CAST(coalesce(sum(CASE WHEN outcome = 'blocked' THEN count ELSE 0 END), 0) AS BIGINT) AS blocked,
                max(last_seen_at) AS last_seen_at,
                (SELECT count(*) FROM leak_clients WHERE tenant_id = $1 AND leak = $2) AS clients
         FROM attempt_counts WHERE tenant_id = $1 AND leak = $2",
    )
    .bind(tenant)
    .bind(i64::from(number))
    .fetch_one(db)
    .await?;
    Ok(Some(LeakDetail { summary, tokens, decisions, pending, attempts }))
}

async fn tokens(db: &mut Connection, tenant: TenantId, leak: LeakNumber) -> Result<Vec<TokenView>, sqlx::Error> {
    let rows: Vec<TokenRow> = sqlx::query_as(
        "SELECT id, preview, weakness, rule, life, life_since, alive_at, refused_at, used_at, created_at FROM tokens
         WHERE tenant_id = $1 AND leak = $2 ORDER BY id LIMIT 1000",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .fetch_all(&mut *db)
    .await?;
    let occurrences: Vec<OccurrenceView> = sqlx::query_as(
        "SELECT o.token_id, o.source_id AS source, o.path, o.line_number AS line, o.column_number AS \"column\",
                nullif(o.commit_id, '') AS \"commit\", o.committed_at
         FROM (SELECT id FROM tokens WHERE tenant_id = $1 AND leak = $2 ORDER BY id LIMIT 1000) t
         JOIN occurrences o ON o.token_id = t.id ORDER BY o.id LIMIT 1000",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .fetch_all(db)
    .await?;
    let token = |row: TokenRow| TokenView {
        preview: row.preview,
        weakness: row.weakness,
        rule: row.rule,
        life: row.life,
        life_since: row.life_since,
        alive_at: row.alive_at,
        refused_at: row.refused_at,
        used_at: row.used_at,
        created_at: row.created_at,
        occurrences: occurrences.iter().filter(|o| o.token_id == row.id).cloned().collect(),
    };
    Ok(rows.into_iter().map(token).collect())
}
