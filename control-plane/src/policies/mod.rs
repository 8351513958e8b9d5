//! Policies: decisions that an administrator lets the machine take, written down beforehand and off until somebody switches them on.
//!
//! A policy decides only where no person has: whoever decided on a leak knew more than a rule. Nor does it close what was closed and came
//! back. Its name is the author of what it does.

mod run;

pub use run::{PREVIEWED, Preview, Watch, apply, preview};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use stopleak_detector::Risk;

use crate::attempts::Life;
use crate::leaks::{Action, RiskName};
use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema, sqlx::FromRow)]
pub struct Policy {
    /// Its key.
    pub id: i64,
    /// The author of its decisions.
    pub name: String,
    /// Whether it does anything.
    #[sqlx(try_from = "i64")]
    pub enabled: Flag,
    /// What it does.
    pub action: Action,
    /// Tokens that this rule found.
    pub rule: Option<String>,
    /// Tokens of the operator's own formats.
    #[serde(serialize_with = "own_format")]
    #[schemars(with = "Option<bool>")]
    pub own_format: Option<i64>,
    /// Leaks of this risk.
    #[schemars(with = "Option<RiskName>")]
    pub risk: Option<String>,
    /// Tokens that gateways have seen `alive` or `dead`, or `unseen`.
    pub life: Option<Life>,
    /// For so many days.
    pub life_days: Option<i64>,
    /// Leaks that were found so many days ago.
    pub age_days: Option<i64>,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// A 0 or a 1 of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Flag(pub bool);

/// A policy as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPolicy {
    /// The author of its decisions.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Tokens that this rule found.
    pub rule: Option<String>,
    /// Tokens of the operator's own formats, or of others.
    pub own_format: Option<bool>,
    /// Leaks of this risk.
    pub risk: Option<Risk>,
    /// Tokens that gateways have seen so.
    pub life: Option<Life>,
    /// For so many days.
    pub life_days: Option<u32>,
    /// Leaks that were found so many days ago.
    pub age_days: Option<u32>,
}

/// Policies of a tenant: each is held against many leaks, again and again.
pub const MAX: i64 = 50;

const COLUMNS: &str =
    "id, name, enabled, action, rule, own_format, risk, life, life_days, age_days, author, created_at, updated_at";

/// Writes a policy, which is off. `None`: there is one of this name, or there are [`MAX`].
pub async fn add(
    db: &mut Connection,
    tenant: TenantId,
    policy: &NewPolicy,
    author: &str,
    now: Time,
) -> Result<Option<Policy>, sqlx::Error> {
    let there: i64 =
        sqlx::query_scalar("SELECT count(*) FROM policies WHERE tenant_id = $1").bind(tenant).fetch_one(&mut *db).await?;
    if there >= MAX {
        return Ok(None);
    }
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "INSERT INTO policies (tenant_id, name, enabled, action, rule, own_format, risk, life, life_days, age_days, author,
                               created_at, updated_at)
         VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
         ON CONFLICT (tenant_id, name) DO NOTHING RETURNING {COLUMNS}"
    )))
    .bind(tenant)
    .bind(&policy.name)
    .bind(policy.action.as_str())
    .bind(&policy.rule)
    .bind(policy.own_format.map(i64::from))
    .bind(policy.risk.map(Risk::as_str))
    .bind(policy.life.map(Life::as_str))
    .bind(policy.life_days.map(i64::from))
    .bind(policy.age_days.map(i64::from))
    .bind(author)
    .bind(now)
    .fetch_optional(db)
    .await
}

/// All policies of the tenant, by name.
pub async fn list(db: &mut Connection, tenant: TenantId) -> Result<Vec<Policy>, sqlx::Error> {
    let query = format!("SELECT {COLUMNS} FROM policies WHERE tenant_id = $1 ORDER BY name");
    sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(tenant).fetch_all(db).await
}

/// One policy.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<Policy>, sqlx::Error> {
    let query = format!("SELECT {COLUMNS} FROM policies WHERE tenant_id = $1 AND id = $2");
    sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(tenant).bind(id).fetch_optional(db).await
}

/// Switches a policy on or off. Its conditions never change: what it decided would look as if it had decided for other reasons.
pub async fn enable(
    db: &mut Connection,
    tenant: TenantId,
    id: i64,
    enabled: bool,
    now: Time,
) -> Result<Option<Policy>, sqlx::Error> {
    let query = format!("UPDATE policies SET enabled = $3, updated_at = $4 WHERE tenant_id = $1 AND id = $2 RETURNING {COLUMNS}");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(tenant).bind(id).bind(i64::from(enabled)).bind(now);
    query.fetch_optional(db).await
}

/// Removes a policy; what it decided stays.
pub async fn remove(db: &mut Connection, tenant: TenantId, id: i64) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("DELETE FROM policies WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id).execute(db).await?;
    Ok(done.rows_affected() == 1)
}

impl From<i64> for Flag {
    fn from(stored: i64) -> Self {
        Self(stored != 0)
    }
}

/// A 0 or a 1 of the database, or neither.
#[expect(clippy::ref_option, reason = "as serde calls it")]
fn own_format<S: Serializer>(stored: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    stored.map(|own| own != 0).serialize(serializer)
}
