//! How the index is enforced: what of the database travels in its header.

use stopleak_contract::index::LeakNumber;
use stopleak_contract::settings::Settings;

use crate::store::{Connection, number};
use crate::tenants::TenantId;
use crate::{pauses, responses, scopes};

/// What is in force, encoded. The same state of the database gives the same bytes.
pub async fn load(db: &mut Connection, tenant: TenantId) -> Result<Vec<u8>, sqlx::Error> {
    let until = pauses::until(&mut *db, tenant).await?.map_or(0, crate::time::Time::as_millis);
    let response = responses::current(&mut *db, tenant).await?.response;
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT scope_id, number FROM leaks WHERE tenant_id = $1 AND scope_id IS NOT NULL ORDER BY scope_id, number",
    )
    .bind(tenant)
    .fetch_all(&mut *db)
    .await?;
    let mut scoped = Vec::new();
    for same in rows.chunk_by(|(a, _), (b, _)| a == b) {
        let Some((id, _)) = same.first() else { continue };
        let json: String = sqlx::query_scalar("SELECT scope FROM scopes WHERE tenant_id = $1 AND id = $2")
            .bind(tenant)
            .bind(id)
            .fetch_one(&mut *db)
            .await?;
        let scope = scopes::parse(&json)?;
        // Chosen for a patch that had another one.
        if scope.is_everything() {
            continue;
        }
        let leaks = same.iter().map(|(_, leak)| number(*leak)).collect::<Result<Vec<LeakNumber>, _>>()?;
        scoped.push((scope, leaks));
    }
    Ok(Settings::new(response.as_ref(), until, scoped).to_bytes())
}
