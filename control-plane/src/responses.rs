//! What a blocked request of a tenant is answered, when an administrator has chosen.

use serde_json::json;
use stopleak_contract::settings::Response;

use crate::audit;
use crate::people::Caller;
use crate::store::{Connection, Store, number};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// The response of a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chosen {
    /// `None`: the usual one.
    pub response: Option<Response>,
    /// Grows with each change; 0 when nobody ever chose.
    pub version: i64,
    /// When it was last changed, and by whom.
    pub updated: Option<(Time, String)>,
}

/// Why the response was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChooseError {
    /// Somebody else was quicker.
    #[error("the response has changed meanwhile, to version {0}")]
    Changed(i64),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

#[derive(sqlx::FromRow)]
struct Row {
    status: Option<i64>,
    headers: String,
    body: String,
    version: i64,
    updated_at: Time,
    updated_by: String,
}

/// What is in force.
pub async fn current(db: &mut Connection, tenant: TenantId) -> Result<Chosen, sqlx::Error> {
    let row: Option<Row> =
        sqlx::query_as("SELECT status, headers, body, version, updated_at, updated_by FROM responses WHERE tenant_id = $1")
            .bind(tenant)
            .fetch_optional(db)
            .await?;
    let Some(row) = row else { return Ok(Chosen::default()) };
    let headers = serde_json::from_str(&row.headers).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let response = |status| Ok::<_, sqlx::Error>(Response { status: number(status)?, headers, body: row.body.into() });
    let response = row.status.map(response).transpose()?;
    Ok(Chosen { response, version: row.version, updated: Some((row.updated_at, row.updated_by)) })
}

/// Chooses a response, or the usual one; the epoch that carries it. `seen` is the version that the caller has seen, if they say so.
pub async fn choose(
    store: &Store,
    caller: &Caller,
    response: Option<&Response>,
    seen: Option<i64>,
    now: Time,
) -> Result<i64, ChooseError> {
    let tenant = caller.tenant.id;
    let mut db = store.write().await?;
    // The tenant's row first: where writers do not take turns, two who change the response take them here.
    let epoch = tenants::next_epoch(&mut db, tenant, now).await?;
    let before = current(&mut db, tenant).await?;
    if seen.is_some_and(|seen| seen != before.version) {
        return Err(ChooseError::Changed(before.version));
    }
    let headers = json!(response.map(|response| response.headers.as_slice()).unwrap_or_default()).to_string();
    let body = response.map(|response| String::from_utf8_lossy(&response.body)).unwrap_or_default();
    sqlx::query(
        "INSERT INTO responses (tenant_id, status, headers, body, version, updated_at, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id) DO UPDATE SET status = excluded.status, headers = excluded.headers, body = excluded.body,
             version = excluded.version, updated_at = excluded.updated_at, updated_by = excluded.updated_by",
    )
    .bind(tenant)
    .bind(response.map(|response| i64::from(response.status)))
    .bind(headers)
    .bind(&*body)
    .bind(before.version + 1)
    .bind(now)
    .bind(&caller.name)
    .execute(&mut *db)
    .await?;
    let [before, after] = [before.response.as_ref(), response].map(|response| Some(seen_of(response)));
    audit::record(&mut db, caller, "response.change", "response", before, after).await?;
    db.commit().await?;
    Ok(epoch)
}

fn seen_of(response: Option<&Response>) -> serde_json::Value {
    let Some(response) = response else { return json!({"is_default": true}) };
    json!({"is_default": false, "status": response.status, "headers": response.headers, "body": String::from_utf8_lossy(&response.body)})
}
