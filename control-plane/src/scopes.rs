//! Scopes of virtual patches, as the database keeps them: equal ones are one row.

use serde::Serialize;
use stopleak_contract::settings::Scope;

use crate::store::{Connection, Store};
use crate::tenants::TenantId;

/// A scope's key in the database. Two scopes of a tenant are equal when their keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeId(pub i64);

/// A scope as people see it; `null`: everywhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ScopeView(pub Option<Scope>);

/// Leaks of a tenant whose patches may have a scope, and bytes of JSON of all different scopes in use: with the longest response, the settings
/// of the index still stay below what a header may carry. As they travel, networks can take twice their JSON, and all else takes less.
pub const MAX_LEAKS: i64 = 10_000;
/// See [`MAX_LEAKS`].
pub const MAX_BYTES: i64 = 64 * 1024;

/// The key of the scope; one that nobody has asked for yet gets its row.
pub async fn keep(store: &Store, tenant: TenantId, scope: &Scope) -> Result<ScopeId, sqlx::Error> {
    if let Some(id) = find(&mut *store.read().await?, tenant, scope).await? {
        return Ok(id);
    }
    let (json, digest) = stored(scope);
    let mut db = store.write().await?;
    sqlx::query("INSERT INTO scopes (tenant_id, digest, scope) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, digest) DO NOTHING")
        .bind(tenant)
        .bind(digest)
        .bind(json)
        .execute(&mut *db)
        .await?;
    let id = find(&mut db, tenant, scope).await?.ok_or(sqlx::Error::RowNotFound)?;
    db.commit().await?;
    Ok(id)
}

/// The key of the scope, when it has one.
pub async fn find(db: &mut Connection, tenant: TenantId, scope: &Scope) -> Result<Option<ScopeId>, sqlx::Error> {
    let id: Option<i64> = sqlx::query_scalar("SELECT id FROM scopes WHERE tenant_id = $1 AND digest = $2")
        .bind(tenant)
        .bind(stored(scope).1)
        .fetch_optional(db)
        .await?;
    Ok(id.map(ScopeId))
}

/// Whether the patch of one more leak may have this scope.
pub async fn has_room(db: &mut Connection, tenant: TenantId, scope: ScopeId) -> Result<bool, sqlx::Error> {
    let leaks: i64 = sqlx::query_scalar("SELECT count(*) FROM leaks WHERE tenant_id = $1 AND scope_id IS NOT NULL")
        .bind(tenant)
        .fetch_one(&mut *db)
        .await?;
    let bytes: i64 = sqlx::query_scalar(
        "SELECT CAST(coalesce(sum(length(scope)), 0) AS BIGINT) FROM scopes WHERE tenant_id = $1 AND (id = $2 OR id IN
             (SELECT scope_id FROM leaks WHERE tenant_id = $1 AND scope_id IS NOT NULL))",
    )
    .bind(tenant)
    .bind(scope.0)
    .fetch_one(db)
    .await?;
    Ok(leaks < MAX_LEAKS && bytes <= MAX_BYTES)
}

/// Reads what the database has.
pub fn parse(json: &str) -> Result<Scope, sqlx::Error> {
    serde_json::from_str(json).map_err(|error| sqlx::Error::Decode(error.into()))
}

impl TryFrom<Option<String>> for ScopeView {
    type Error = sqlx::Error;

    fn try_from(stored: Option<String>) -> Result<Self, Self::Error> {
        stored.as_deref().map(parse).transpose().map(Self)
    }
}

/// As JSON, and its digest.
fn stored(scope: &Scope) -> (String, Vec<u8>) {
    // Lists of texts can always be written.
    let json = serde_json::to_string(scope).unwrap_or_default();
    let digest = blake3::hash(json.as_bytes()).as_bytes().to_vec();
    (json, digest)
}
