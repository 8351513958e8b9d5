//! Gateways: the fleets of proxies that may subscribe to a tenant's feed, each with a credential.

use serde::Serialize;

use crate::secret::Secret;
use crate::store::Connection;
use crate::tenants::{Tenant, TenantId};
use crate::time::Time;

/// A gateway as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Gateway {
    /// Its key.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// When its credential was made.
    pub created_at: Time,
    /// When its credential was taken back.
    pub revoked_at: Option<Time>,
    /// When it was last heard of, to within half a minute.
    pub last_seen_at: Option<Time>,
}

/// Whom a credential belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The gateway's key.
    pub gateway: i64,
    /// Its name.
    pub name: String,
    /// Whose index it may have.
    pub tenant: Tenant,
    /// When the credential was taken back.
    pub revoked_at: Option<Time>,
}

/// Adds a gateway; `None` when the name is taken.
pub async fn add(
    db: &mut Connection,
    tenant: TenantId,
    name: &str,
    credential: &Secret,
    now: Time,
) -> Result<Option<Gateway>, sqlx::Error> {
    sqlx::query_as(
        "INSERT INTO gateways (tenant_id, name, credential_hash, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING RETURNING id, name, created_at, revoked_at, last_seen_at",
    )
    .bind(tenant)
    .bind(name)
    .bind(credential.hash().as_slice())
    .bind(now)
    .fetch_optional(db)
    .await
}

/// The tenant's gateways, by name; revoked ones too, as long as attempts may name them.
pub async fn list(db: &mut Connection, tenant: TenantId) -> Result<Vec<Gateway>, sqlx::Error> {
    sqlx::query_as("SELECT id, name, created_at, revoked_at, last_seen_at FROM gateways WHERE tenant_id = $1 ORDER BY name, id")
        .bind(tenant)
        .fetch_all(db)
        .await
}

/// One gateway.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<Gateway>, sqlx::Error> {
    sqlx::query_as("SELECT id, name, created_at, revoked_at, last_seen_at FROM gateways WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .fetch_optional(db)
        .await
}

/// Takes a gateway's credential back; `None` when the tenant has no such gateway. Doing it twice changes nothing.
pub async fn revoke(db: &mut Connection, tenant: TenantId, id: i64, now: Time) -> Result<Option<Time>, sqlx::Error> {
    sqlx::query_scalar(
        "UPDATE gateways SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND id = $2 RETURNING revoked_at",
    )
    .bind(tenant)
    .bind(id)
    .bind(now)
    .fetch_optional(db)
    .await
}

/// Whom the credential belongs to.
pub async fn present(db: &mut Connection, credential: &Secret) -> Result<Option<Subscriber>, sqlx::Error> {
    let row: Option<(i64, String, TenantId, String, Option<Time>)> = sqlx::query_as(
        "SELECT g.id, g.name, g.tenant_id, t.name, g.revoked_at
         FROM gateways g JOIN tenants t ON t.id = g.tenant_id WHERE g.credential_hash = $1",
    )
    .bind(credential.hash().as_slice())
    .fetch_optional(db)
    .await?;
    Ok(row.map(|(gateway, name, id, tenant, revoked_at)| Subscriber {
        gateway,
        name,
        tenant: Tenant { id, name: tenant },
        revoked_at,
    }))
}

/// Writes down that the gateway was heard of.
pub async fn touch(db: &mut Connection, id: i64, now: Time) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE gateways SET last_seen_at = $2 WHERE id = $1").bind(id).bind(now).execute(db).await?;
    Ok(())
}
