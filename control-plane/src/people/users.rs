//! Users: people with an account, each of one tenant.

use schemars::JsonSchema;
use serde::Serialize;

use super::Role;
use crate::store::Connection;
use crate::tenants::{Tenant, TenantId};
use crate::time::Time;

/// A user as people see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct User {
    /// Their key.
    pub id: i64,
    /// By which they sign in.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they have a password here.
    pub has_password: bool,
    /// The provider of single sign-on that they come from.
    pub issuer: Option<String>,
    /// When the account was made.
    pub created_at: Time,
    /// When they last signed in.
    pub last_signed_in_at: Option<Time>,
}

/// What signing in needs to know of an account.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The password's hash.
    pub password: Option<String>,
    /// Wrong passwords since the last right one.
    pub failures: i64,
    /// The newest of them.
    pub failed_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    role: String,
    password: Option<String>,
    issuer: String,
    created_at: Time,
    last_signed_in_at: Option<Time>,
    failures: i64,
    failed_at: Option<Time>,
}

/// What a row takes of the users who were not removed.
const ROW: &str = "SELECT id, name, role, password, issuer, created_at, last_signed_in_at, failures, failed_at
                   FROM users WHERE removed_at IS NULL";

/// Adds a user; `None` when the name is taken.
pub async fn add(
    db: &mut Connection,
    tenant: TenantId,
    name: &str,
    role: Role,
    password: Option<&str>,
    now: Time,
) -> Result<Option<User>, sqlx::Error> {
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO users (tenant_id, name, role, password, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(tenant)
    .bind(name)
    .bind(role.as_str())
    .bind(password)
    .bind(now)
    .fetch_optional(&mut *db)
    .await?;
    match id {
        Some(id) => get(db, tenant, id).await,
        None => Ok(None),
    }
}

/// Adds somebody who comes by single sign-on; `None` when the name is taken.
pub async fn add_of_subject(
    db: &mut Connection,
    tenant: TenantId,
    name: &str,
    role: Role,
    (issuer, subject): (&str, &str),
    now: Time,
) -> Result<Option<User>, sqlx::Error> {
    let Some(user) = add(&mut *db, tenant, name, role, None, now).await? else { return Ok(None) };
    sqlx::query("UPDATE users SET issuer = $3, subject = $4 WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(user.id)
        .bind(issuer)
        .bind(subject)
        .execute(&mut *db)
        .await?;
    get(db, tenant, user.id).await
}

/// The user whom the provider of single sign-on calls that, in whichever tenant.
pub async fn of_subject(db: &mut Connection, issuer: &str, subject: &str) -> Result<Option<(Tenant, User)>, sqlx::Error> {
    let row: Option<(TenantId, String, i64)> = sqlx::query_as(
        "SELECT u.tenant_id, t.name, u.id FROM users u JOIN tenants t ON t.id = u.tenant_id
         WHERE u.removed_at IS NULL AND u.issuer = $1 AND u.subject = $2",
    )
    .bind(issuer)
    .bind(subject)
    .fetch_optional(&mut *db)
    .await?;
    let Some((tenant, name, id)) = row else { return Ok(None) };
    Ok(get(db, tenant, id).await?.map(|user| (Tenant { id: tenant, name }, user)))
}

/// The tenant's users, by name.
pub async fn list(db: &mut Connection, tenant: TenantId) -> Result<Vec<User>, sqlx::Error> {
    let query = sqlx::AssertSqlSafe(format!("{ROW} AND tenant_id = $1 ORDER BY name"));
    let rows: Vec<Row> = sqlx::query_as(query).bind(tenant).fetch_all(db).await?;
    rows.into_iter().map(|row| row.account().map(|account| account.user)).collect()
}

/// One user.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<User>, sqlx::Error> {
    Ok(account(db, tenant, id).await?.map(|account| account.user))
}

/// One account.
pub async fn account(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<Account>, sqlx::Error> {
    let query = sqlx::AssertSqlSafe(format!("{ROW} AND tenant_id = $1 AND id = $2"));
    let row: Option<Row> = sqlx::query_as(query).bind(tenant).bind(id).fetch_optional(db).await?;
    row.map(Row::account).transpose()
}

/// The account of a name.
pub async fn named(db: &mut Connection, tenant: TenantId, name: &str) -> Result<Option<Account>, sqlx::Error> {
    let query = sqlx::AssertSqlSafe(format!("{ROW} AND tenant_id = $1 AND name = $2"));
    let row: Option<Row> = sqlx::query_as(query).bind(tenant).bind(name).fetch_optional(db).await?;
    row.map(Row::account).transpose()
}

/// Whether the tenant has another user of this role: the last administrator stays.
pub async fn has_another(db: &mut Connection, tenant: TenantId, id: i64, role: Role) -> Result<bool, sqlx::Error> {
    // Two administrators who remove each other at the same time have to take turns.
    sqlx::query("UPDATE tenants SET audit_number = audit_number WHERE id = $1").bind(tenant).execute(&mut *db).await?;
    let query = "SELECT count(*) FROM users WHERE removed_at IS NULL AND tenant_id = $1 AND role = $2 AND id <> $3";
    let others: i64 = sqlx::query_scalar(query).bind(tenant).bind(role.as_str()).bind(id).fetch_one(db).await?;
    Ok(others > 0)
}

/// Gives a user another role.
pub async fn set_role(db: &mut Connection, tenant: TenantId, id: i64, role: Role) -> Result<(), sqlx::Error> {
    let query = "UPDATE users SET role = $3 WHERE tenant_id = $1 AND id = $2";
    sqlx::query(query).bind(tenant).bind(id).bind(role.as_str()).execute(db).await.map(drop)
}

/// Gives a user another password, and another chance to type it.
pub async fn set_password(db: &mut Connection, tenant: TenantId, id: i64, hash: &str) -> Result<(), sqlx::Error> {
    let query = "UPDATE users SET password = $3, failures = 0, failed_at = NULL WHERE tenant_id = $1 AND id = $2";
    sqlx::query(query).bind(tenant).bind(id).bind(hash).execute(db).await.map(drop)
}

/// Removes a user. Their name may be given again; the audit log keeps them.
pub async fn remove(db: &mut Connection, tenant: TenantId, id: i64, now: Time) -> Result<(), sqlx::Error> {
    let query = "UPDATE users SET removed_at = $3, password = NULL WHERE tenant_id = $1 AND id = $2 AND removed_at IS NULL";
    sqlx::query(query).bind(tenant).bind(id).bind(now).execute(db).await.map(drop)
}

/// The account of somebody who tries to sign in; whoever else tries waits for the end of this transaction.
pub async fn for_a_try(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<Account>, sqlx::Error> {
    let lock = "UPDATE users SET failures = failures WHERE tenant_id = $1 AND id = $2";
    sqlx::query(lock).bind(tenant).bind(id).execute(&mut *db).await?;
    account(db, tenant, id).await
}

/// Counts a try to sign in as a failure until it turns out to be none, so that many tries at the same time all count.
pub async fn count_try(db: &mut Connection, tenant: TenantId, id: i64, now: Time) -> Result<(), sqlx::Error> {
    let query = "UPDATE users SET failures = failures + 1, failed_at = $3 WHERE tenant_id = $1 AND id = $2";
    sqlx::query(query).bind(tenant).bind(id).bind(now).execute(db).await.map(drop)
}

/// Writes down that the user signed in.
pub async fn signed_in(db: &mut Connection, tenant: TenantId, id: i64, now: Time) -> Result<(), sqlx::Error> {
    let query = "UPDATE users SET failures = 0, failed_at = NULL, last_signed_in_at = $3 WHERE tenant_id = $1 AND id = $2";
    sqlx::query(query).bind(tenant).bind(id).bind(now).execute(db).await.map(drop)
}

impl Row {
    fn account(self) -> Result<Account, sqlx::Error> {
        let user = User {
            id: self.id,
            name: self.name,
            role: Role::stored(&self.role)?,
            has_password: self.password.is_some(),
            issuer: Some(self.issuer).filter(|issuer| !issuer.is_empty()),
            created_at: self.created_at,
            last_signed_in_at: self.last_signed_in_at,
        };
        Ok(Account { user, password: self.password, failures: self.failures, failed_at: self.failed_at })
    }
}
