//! What policies do: each is held against the leaks that changed lately, and step by step against all of them.

use std::collections::HashMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::index::LeakNumber;

use super::{Policy, list};
use crate::leaks::{self, Action, Asked, Carrier, Origin, RecordError, Request, leak_id};
use crate::people::Caller;
use crate::store::{Connection, Sql, Store};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// How far policies have come with each tenant. Nothing is lost with it: after a restart they begin again.
#[derive(Debug, Default)]
pub struct Watch {
    tenants: HashMap<TenantId, Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    epoch: i64,
    /// How often the life of tokens had changed.
    lives: i64,
    number: i64,
}

/// What a policy would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "PolicyPreview")]
pub struct Preview {
    /// On these leaks, the newest first.
    pub leaks: Vec<String>,
    /// Whether there are older leaks that were not looked at.
    pub truncated: bool,
}

/// Leaks that a preview looks at, the newest first.
pub const PREVIEWED: i64 = 20_000;
/// Leaks that changed lately, or whose tokens were seen alive or dead: they are decided on within a second or so.
const RECENT: i64 = 1_000;
/// Of all leaks, those that one step looks at: a million takes a quarter of an hour.
const STEP: i64 = 1_000;

/// Takes the decisions of all enabled policies; returns the tenants whose index has changed, with the epoch.
pub async fn apply(store: &Store, own: &[String], watch: &mut Watch, now: Time) -> Result<Vec<(TenantId, i64)>, sqlx::Error> {
    let mut db = store.read().await?;
    let tenants: Vec<TenantId> =
        sqlx::query_scalar("SELECT DISTINCT tenant_id FROM policies WHERE enabled = 1").fetch_all(&mut *db).await?;
    watch.tenants.retain(|tenant, _| tenants.contains(tenant));
    let mut work = Vec::new();
    for tenant in tenants {
        let seen = watch.tenants.entry(tenant).or_default();
        let epoch = tenants::epoch(&mut db, tenant).await?.epoch;
        let lives = tenants::life_changes(&mut db, tenant).await?;
        let last = step(&mut db, tenant, seen.number).await?;
        for policy in list(&mut db, tenant).await?.into_iter().filter(|policy| policy.enabled.0) {
            let mut found = matching(&mut db, tenant, &policy, own, &Looked::Step(seen.number), now).await?;
            if epoch != seen.epoch {
                found.extend(matching(&mut db, tenant, &policy, own, &Looked::Recent, now).await?);
            }
            if lives != seen.lives && policy.life.is_some() {
                found.extend(matching(&mut db, tenant, &policy, own, &Looked::Lives, now).await?);
            }
            found.sort_unstable();
            found.dedup();
            if !found.is_empty() {
                work.push((tenant, policy, found));
            }
        }
        *seen = Seen { epoch, lives, number: last.unwrap_or(0) };
    }
    drop(db);
    let mut changed = Vec::new();
    for (tenant, policy, found) in work {
        changed.extend(decide(store, tenant, &policy, &found, now).await?.map(|epoch| (tenant, epoch)));
    }
    Ok(changed)
}

/// What the policy would do now.
pub async fn preview(
    db: &mut Connection,
    tenant: TenantId,
    policy: &Policy,
    own: &[String],
    now: Time,
) -> Result<Preview, sqlx::Error> {
    let found = matching(&mut *db, tenant, policy, own, &Looked::Newest, now).await?;
    let leaks: i64 = sqlx::query_scalar("SELECT last_leak FROM tenants WHERE id = $1").bind(tenant).fetch_one(db).await?;
    Ok(Preview { leaks: found.into_iter().rev().map(leak_id).collect(), truncated: leaks > PREVIEWED })
}

async fn decide(
    store: &Store,
    tenant: TenantId,
    policy: &Policy,
    leaks: &[LeakNumber],
    now: Time,
) -> Result<Option<i64>, sqlx::Error> {
    let author = format!("policy {}", policy.name);
    let request = Request::of(policy.action);
    let mut db = store.write().await?;
    let caller = Caller::system(&author, tenants::by_id(&mut db, tenant).await?);
    let asked = Asked::of(&caller, Origin::Policy, request);
    let mut carrier = Carrier::default();
    for &leak in leaks {
        // Somebody may have decided since it was read.
        if is_for_people(&mut db, tenant, leak, policy.action).await? {
            continue;
        }
        match leaks::take(&mut db, tenant, leak, &asked, &mut carrier, now).await {
            Ok(_) => tracing::info!(leak = leak_id(leak), author, action = policy.action.as_str(), "decision taken"),
            Err(RecordError::Store(error)) => return Err(error),
            Err(error) => tracing::debug!(leak = leak_id(leak), author, %error, "a policy's decision is not possible"),
        }
    }
    db.commit().await?;
    Ok(carrier.new_epoch())
}

/// Whether a person has decided on the leak, or it was closed and came back: what was closed a second time by a rule would come back
/// again.
async fn is_for_people(db: &mut Connection, tenant: TenantId, leak: LeakNumber, action: Action) -> Result<bool, sqlx::Error> {
    let decided: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM decisions WHERE tenant_id = $1 AND leak = $2
           AND (origin IN ('person', 'schedule') AND action <> 'set_risk' OR origin = 'regression' AND $3 = 'close') LIMIT 1",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .bind(action.as_str())
    .fetch_optional(db)
    .await?;
    Ok(decided.is_some())
}

/// The last leak of the next step; `None` at the end.
async fn step(db: &mut Connection, tenant: TenantId, behind: i64) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT number FROM leaks WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT 1 OFFSET $3")
        .bind(tenant)
        .bind(behind)
        .bind(STEP - 1)
        .fetch_optional(db)
        .await
}

/// Which leaks are looked at.
enum Looked {
    Step(i64),
    Recent,
    /// Those whose tokens were seen alive or dead lately.
    Lives,
    Newest,
}

/// The leaks that the policy decides on, by number.
async fn matching(
    db: &mut Connection,
    tenant: TenantId,
    policy: &Policy,
    own: &[String],
    looked: &Looked,
    now: Time,
) -> Result<Vec<LeakNumber>, sqlx::Error> {
    let mut sql =
        Sql::new("SELECT l.number FROM (SELECT number, status, patched_at, risk, created_at FROM leaks WHERE tenant_id = ");
    sql.int(tenant.0);
    match looked {
        Looked::Step(behind) => sql.push(" AND number > ").int(*behind).push(" ORDER BY number LIMIT ").int(STEP),
        Looked::Recent => sql.push(" ORDER BY updated_at DESC LIMIT ").int(RECENT),
        Looked::Lives => sql.push(" AND life_at IS NOT NULL ORDER BY life_at DESC LIMIT ").int(RECENT),
        Looked::Newest => sql.push(" ORDER BY number DESC LIMIT ").int(PREVIEWED),
    };
    sql.push(") l WHERE l.status = 'open'");
    if let Some(risk) = &policy.risk {
        sql.push(" AND l.risk = ").text(risk);
    }
    if let Some(days) = policy.age_days {
        sql.push(" AND l.created_at <= ").int(days_ago(now, days));
    }
    if policy.action == Action::ApplyVirtualPatch {
        // A machine neither blocks what might be ordinary traffic, nor takes the place of a second administrator.
        sql.push(" AND l.patched_at IS NULL AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.tenant_id = $1 AND t.leak = l.number");
        sql.push(" AND t.weakness IS NOT NULL) AND EXISTS (SELECT 1 FROM tokens t WHERE t.tenant_id = $1 AND t.leak = l.number");
        sql.push(" AND ");
        token_conditions(&mut sql, policy, own, now);
        sql.push(")");
    } else {
        sql.push(" AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.tenant_id = $1 AND t.leak = l.number AND NOT (");
        token_conditions(&mut sql, policy, own, now);
        sql.push("))");
    }
    sql.push(" AND NOT (l.risk = 'critical' AND EXISTS (SELECT 1 FROM tenants x WHERE x.id = $1 AND x.second_approver = 1))");
    sql.push(" AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.tenant_id = $1 AND d.leak = l.number");
    sql.push(" AND (d.origin IN ('person', 'schedule') AND d.action <> 'set_risk'");
    sql.push(if policy.action == Action::Close { " OR d.origin = 'regression'))" } else { "))" });
    sql.push(" AND NOT EXISTS (SELECT 1 FROM pending_decisions p WHERE p.tenant_id = $1 AND p.leak = l.number");
    sql.push(" AND p.next_at IS NOT NULL) ORDER BY l.number LIMIT ").int(leaks::BULK.into());
    let rows: Vec<(i64,)> = sql.fetch_all(db).await?;
    let number = |(number,): (i64,)| LeakNumber::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()));
    rows.into_iter().map(number).collect()
}

/// What must be true of the token `t`.
fn token_conditions(sql: &mut Sql, policy: &Policy, own: &[String], now: Time) {
    sql.push("1 = 1");
    if let Some(rule) = &policy.rule {
        sql.push(" AND coalesce(t.rule, '') = ").text(rule);
    }
    if let Some(wanted) = policy.own_format {
        sql.push(if wanted != 0 { " AND coalesce(t.rule, '') IN (" } else { " AND coalesce(t.rule, '') NOT IN (" });
        // No rule has this name, and a list is never empty.
        sql.push("'-'");
        for rule in own {
            sql.push(", ").text(rule);
        }
        sql.push(")");
    }
    if let Some(life) = policy.life {
        sql.push(" AND t.life = ").text(life.as_str());
    }
    if let Some(days) = policy.life_days {
        sql.push(" AND coalesce(t.life_since, t.created_at) <= ").int(days_ago(now, days));
    }
}

fn days_ago(now: Time, days: i64) -> i64 {
    let hours = u64::try_from(days).unwrap_or(0).saturating_mul(24);
    now.minus(Duration::from_hours(hours)).into()
}
