//! Tenants: whom each row belongs to, and the epoch of the index that each has.

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::index::{LeakNumber, MAX_LEAK};

use crate::epochs;
use crate::store::{Connection, number};
use crate::time::Time;

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Tenant {
    /// Its key in the database.
    pub id: TenantId,
    /// How people and gateways call it.
    pub name: String,
}

/// A tenant's key in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct TenantId(pub i64);

/// The epoch of a tenant's index, and since when it is that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Epoch {
    /// Only grows.
    pub epoch: i64,
    /// When it grew.
    pub epoch_at: Time,
}

/// A tenant as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Tenant")]
pub struct TenantView {
    /// How callers and gateways call it. It never changes, since it is in every index that a gateway holds.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Whether its API Leaks module is on.
    pub api_leaks: bool,
    /// Whether anybody may check whether a token is leaked.
    pub public_checks: bool,
    /// When it was made.
    pub created_at: Time,
    /// The epoch of its index.
    pub epoch: i64,
}

/// What may be changed of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantChange {
    /// What people call it.
    pub title: Option<String>,
    /// Whether its API Leaks module is on.
    pub api_leaks: Option<bool>,
    /// Whether anybody may check whether a token is leaked.
    pub public_checks: Option<bool>,
}

#[derive(sqlx::FromRow)]
struct ViewRow {
    name: String,
    title: String,
    api_leaks: i64,
    public_checks: i64,
    created_at: Time,
    epoch: i64,
}

/// The tenant that every installation has.
pub const DEFAULT: &str = "default";

/// The first epoch is 1: a gateway without an index says 0.
const INSERT: &str = "INSERT INTO tenants (name, title, epoch, epoch_at, created_at) VALUES ($1, $2, 1, $3, $3)
                      ON CONFLICT (name) DO NOTHING";

/// Makes sure that the tenant is there.
pub async fn ensure(db: &mut Connection, name: &str, now: Time) -> Result<Tenant, sqlx::Error> {
    sqlx::query(INSERT).bind(name).bind(name).bind(now).execute(&mut *db).await?;
    sqlx::query_as("SELECT id, name FROM tenants WHERE name = $1").bind(name).fetch_one(db).await
}

/// Makes a tenant; `None` when the name is taken.
pub async fn add(db: &mut Connection, name: &str, title: &str, now: Time) -> Result<Option<Tenant>, sqlx::Error> {
    if sqlx::query(INSERT).bind(name).bind(title).bind(now).execute(&mut *db).await?.rows_affected() == 0 {
        return Ok(None);
    }
    find(db, name).await
}

/// The tenant of this name.
pub async fn find(db: &mut Connection, name: &str) -> Result<Option<Tenant>, sqlx::Error> {
    // Anybody may ask for any text, and PostgreSQL takes no zero byte for one.
    if !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(None);
    }
    sqlx::query_as("SELECT id, name FROM tenants WHERE name = $1").bind(name).fetch_optional(db).await
}

/// Changes a tenant.
pub async fn change(db: &mut Connection, tenant: TenantId, change: &TenantChange) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE tenants SET title = coalesce($2, title), api_leaks = coalesce($3, api_leaks),
             public_checks = coalesce($4, public_checks) WHERE id = $1",
    )
    .bind(tenant)
    .bind(&change.title)
    .bind(change.api_leaks.map(i64::from))
    .bind(change.public_checks.map(i64::from))
    .execute(db)
    .await?;
    Ok(())
}

/// One tenant as people see it.
pub async fn view(db: &mut Connection, tenant: TenantId) -> Result<TenantView, sqlx::Error> {
    let row = sqlx::query_as("SELECT name, title, api_leaks, public_checks, created_at, epoch FROM tenants WHERE id = $1");
    row.bind(tenant).fetch_one(db).await.map(ViewRow::view)
}

/// All tenants as people see them.
pub async fn views(db: &mut Connection) -> Result<Vec<TenantView>, sqlx::Error> {
    let rows = sqlx::query_as("SELECT name, title, api_leaks, public_checks, created_at, epoch FROM tenants ORDER BY name")
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().map(ViewRow::view).collect())
}

/// Whether the tenant's API Leaks module is on.
pub async fn is_on(db: &mut Connection, tenant: TenantId) -> Result<bool, sqlx::Error> {
    let on: i64 = sqlx::query_scalar("SELECT api_leaks FROM tenants WHERE id = $1").bind(tenant).fetch_one(db).await?;
    Ok(on != 0)
}

/// All tenants.
pub async fn all(db: &mut Connection) -> Result<Vec<Tenant>, sqlx::Error> {
    sqlx::query_as("SELECT id, name FROM tenants ORDER BY id").fetch_all(db).await
}

/// The tenant with this key.
pub async fn by_id(db: &mut Connection, tenant: TenantId) -> Result<Tenant, sqlx::Error> {
    sqlx::query_as("SELECT id, name FROM tenants WHERE id = $1").bind(tenant).fetch_one(db).await
}

/// The epoch of the tenant's index.
pub async fn epoch(db: &mut Connection, tenant: TenantId) -> Result<Epoch, sqlx::Error> {
    sqlx::query_as("SELECT epoch, epoch_at FROM tenants WHERE id = $1").bind(tenant).fetch_one(db).await
}

/// The next epoch, in the transaction of the change that it carries.
pub async fn next_epoch(db: &mut Connection, tenant: TenantId, now: Time) -> Result<i64, sqlx::Error> {
    let epoch = sqlx::query_scalar("UPDATE tenants SET epoch = epoch + 1, epoch_at = $2 WHERE id = $1 RETURNING epoch")
        .bind(tenant)
        .bind(now)
        .fetch_one(&mut *db)
        .await?;
    epochs::begin(db, tenant, epoch).await?;
    Ok(epoch)
}

/// How often gateways have seen a token come to life or die.
pub async fn life_changes(db: &mut Connection, tenant: TenantId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT life_changes FROM tenants WHERE id = $1").bind(tenant).fetch_one(db).await
}

/// How many leading bits the fingerprints of one shard of the tenant's index share.
pub async fn shard_bits(db: &mut Connection, tenant: TenantId) -> Result<u8, sqlx::Error> {
    let stored = sqlx::query_scalar("SELECT shard_bits FROM tenants WHERE id = $1").bind(tenant).fetch_one(db).await?;
    number(stored)
}

/// Keeps that number.
pub async fn set_shard_bits(db: &mut Connection, tenant: TenantId, shard_bits: u8) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE tenants SET shard_bits = $2 WHERE id = $1").bind(tenant).bind(i64::from(shard_bits));
    query.execute(db).await.map(drop)
}

/// The number of a new leak. A number that the index cannot hold would end all pushes, so it is never given.
pub async fn next_leak(db: &mut Connection, tenant: TenantId) -> Result<LeakNumber, sqlx::Error> {
    let query = "UPDATE tenants SET last_leak = last_leak + 1 WHERE id = $1 AND last_leak < $2 RETURNING last_leak";
    let given = sqlx::query_scalar(query).bind(tenant).bind(i64::from(MAX_LEAK)).fetch_optional(db).await?;
    number(given.ok_or_else(|| sqlx::Error::Protocol("the tenant has as many leaks as an index can number".to_owned()))?)
}

impl ViewRow {
    fn view(self) -> TenantView {
        let Self { name, title, api_leaks, public_checks, created_at, epoch } = self;
        TenantView { name, title, api_leaks: api_leaks != 0, public_checks: public_checks != 0, created_at, epoch }
    }
}

/// Whether decisions on critical leaks take two administrators.
pub async fn second_approver(db: &mut Connection, tenant: TenantId) -> Result<bool, sqlx::Error> {
    let stored: i64 = sqlx::query_scalar("SELECT second_approver FROM tenants WHERE id = $1").bind(tenant).fetch_one(db).await?;
    Ok(stored != 0)
}

/// Keeps that.
pub async fn set_second_approver(db: &mut Connection, tenant: TenantId, wanted: bool) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE tenants SET second_approver = $2 WHERE id = $1").bind(tenant).bind(i64::from(wanted));
    query.execute(db).await.map(drop)
}
