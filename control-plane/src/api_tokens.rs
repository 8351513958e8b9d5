//! API tokens: who may call the API, and as what.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::people::{Caller, Role, Who};
use crate::secret::{Purpose, Secret};
use crate::store::Connection;
use crate::tenants::{Tenant, TenantId};
use crate::time::Time;

/// A token as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ApiToken {
    /// Its key.
    pub id: i64,
    /// What people call it: the author of what is done with it.
    pub name: String,
    /// What may be done with it.
    pub role: Role,
    /// When it was made.
    pub created_at: Time,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<Time>,
    /// When it stops to work.
    pub expires_at: Option<Time>,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct ViewRow {
    id: i64,
    name: String,
    role: String,
    created_at: Time,
    last_used_at: Option<Time>,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
}

/// What a row takes.
const VIEW: &str = "SELECT id, name, role, created_at, last_used_at, expires_at, revoked_at FROM api_tokens";

/// The answer to a presented token.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented {
    /// In force.
    Known(Caller),
    /// No such token.
    Unknown,
    /// Was in force until then.
    Expired(Time),
    /// Taken back.
    Revoked(Time),
}

/// The name of the token that the first start makes.
pub const FIRST: &str = "admin-token";
/// Last use is for people who look for unused tokens: writing it down more often would slow every request.
const LAST_USED_STEP: Duration = Duration::from_mins(1);

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    role: String,
    tenant_id: TenantId,
    tenant: String,
    last_used_at: Option<Time>,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
}

/// Makes a token, and returns its key. The caller shows it once.
pub async fn add(
    db: &mut Connection,
    tenant: TenantId,
    name: &str,
    role: Role,
    secret: &Secret,
    expires_at: Option<Time>,
    now: Time,
) -> Result<i64, sqlx::Error> {
    debug_assert_eq!(secret.purpose(), Some(Purpose::ApiToken));
    sqlx::query_scalar(
        "INSERT INTO api_tokens (tenant_id, name, role, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind(tenant)
    .bind(name)
    .bind(role.as_str())
    .bind(secret.hash().as_slice())
    .bind(now)
    .bind(expires_at)
    .fetch_one(db)
    .await
}

/// The tenant's tokens, also those that are not in force any more.
pub async fn list(db: &mut Connection, tenant: TenantId) -> Result<Vec<ApiToken>, sqlx::Error> {
    let query = sqlx::AssertSqlSafe(format!("{VIEW} WHERE tenant_id = $1 ORDER BY id"));
    let rows: Vec<ViewRow> = sqlx::query_as(query).bind(tenant).fetch_all(db).await?;
    rows.into_iter().map(ViewRow::view).collect()
}

/// One token.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<ApiToken>, sqlx::Error> {
    let query = sqlx::AssertSqlSafe(format!("{VIEW} WHERE tenant_id = $1 AND id = $2"));
    let row: Option<ViewRow> = sqlx::query_as(query).bind(tenant).bind(id).fetch_optional(db).await?;
    row.map(ViewRow::view).transpose()
}

/// Takes a token back. Doing it twice changes nothing.
pub async fn revoke(db: &mut Connection, tenant: TenantId, id: i64, now: Time) -> Result<(), sqlx::Error> {
    let query = "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND id = $2";
    sqlx::query(query).bind(tenant).bind(id).bind(now).execute(db).await.map(drop)
}

/// Takes all tokens of a name back.
pub async fn revoke_named(db: &mut Connection, tenant: TenantId, name: &str, now: Time) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE api_tokens SET revoked_at = $3 WHERE tenant_id = $1 AND name = $2 AND revoked_at IS NULL")
        .bind(tenant)
        .bind(name)
        .bind(now)
        .execute(db)
        .await?;
    Ok(())
}

/// Whether the tenant has any token.
pub async fn any(db: &mut Connection, tenant: TenantId) -> Result<bool, sqlx::Error> {
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM api_tokens WHERE tenant_id = $1").bind(tenant).fetch_one(db).await?;
    Ok(count > 0)
}

/// Looks up who presents the token; also whether its use should be written down.
pub async fn present(db: &mut Connection, secret: &Secret, now: Time) -> Result<(Presented, bool), sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT t.id, t.name, t.role, t.tenant_id, n.name AS tenant, t.last_used_at, t.expires_at, t.revoked_at
         FROM api_tokens t JOIN tenants n ON n.id = t.tenant_id WHERE t.hash = $1",
    )
    .bind(secret.hash().as_slice())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok((Presented::Unknown, false)) };
    if let Some(at) = row.revoked_at {
        return Ok((Presented::Revoked(at), false));
    }
    if let Some(at) = row.expires_at.filter(|&at| at <= now) {
        return Ok((Presented::Expired(at), false));
    }
    let stale = row.last_used_at.is_none_or(|at| at.age(now) >= LAST_USED_STEP);
    let tenant = Tenant { id: row.tenant_id, name: row.tenant };
    let caller = Caller {
        who: Who::ApiToken(row.id),
        name: row.name,
        role: Role::stored(&row.role)?,
        home: tenant.clone(),
        tenant,
        address: None,
    };
    Ok((Presented::Known(caller), stale))
}

/// Writes down that the token was used.
pub async fn touch(db: &mut Connection, id: i64, now: Time) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE api_tokens SET last_used_at = $2 WHERE id = $1").bind(id).bind(now).execute(db).await?;
    Ok(())
}

impl ViewRow {
    fn view(self) -> Result<ApiToken, sqlx::Error> {
        let Self { id, name, role, created_at, last_used_at, expires_at, revoked_at } = self;
        Ok(ApiToken { id, name, role: Role::stored(&role)?, created_at, last_used_at, expires_at, revoked_at })
    }
}
