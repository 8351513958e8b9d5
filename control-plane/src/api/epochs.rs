//! `/api/v1/epochs`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::input::IdInPath;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::epochs::{self, Enforcement};
use crate::people::Caller;
use crate::tenants;
use crate::time::Time;

/// How far an epoch, with everything that it carries, has come.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Epoch")]
pub(super) struct EpochView {
    /// Which.
    epoch: i64,
    /// When it was committed; `null` when it is older than the record.
    committed_at: Option<Time>,
    #[serde(flatten)]
    enforcement: Enforcement,
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(epoch): IdInPath) -> Answer<Json<EpochView>> {
    let (mut db, tenant) = (app.store.read().await?, caller.tenant.id);
    if epoch < 1 || epoch > tenants::epoch(&mut db, tenant).await?.epoch {
        return Err(Problem::NotFound { what: "epoch" });
    }
    let floors = app.fleet.all_floors(&mut db, tenant).await?;
    let stored = epochs::stored(&mut db, tenant, epoch).await?;
    let enforcement = Enforcement::of(&stored, epoch, &floors)?;
    Ok(Json(EpochView { epoch, committed_at: stored.committed_at, enforcement }))
}
