//! `/api/v1/settings/closed-leaks`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::input::{Body, whole_needed};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::leaks::{self, ClosedLeaks, OnUse};
use crate::people::Caller;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choose {
    /// 0: closed leaks are not observed.
    #[serde(deserialize_with = "whole_needed")]
    #[schemars(range(max = MAX_DAYS))]
    pub(crate) observe_days: u32,
    pub(crate) on_use: OnUse,
}

/// A leak that is closed that long is history; and as long as it is observed, its tokens are in every gateway.
const MAX_DAYS: u32 = 366;

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<ClosedLeaks>> {
    Ok(Json(leaks::closed_leaks(&mut *app.store.read().await?, caller.tenant.id).await?))
}

pub(crate) async fn choose(State(app): State<Arc<App>>, caller: Caller, Body(body): Body<Choose>) -> Answer<Json<ClosedLeaks>> {
    let Choose { observe_days, on_use } = body;
    if observe_days > MAX_DAYS {
        return Err(Problem::Invalid { field: "observe_days", detail: format!("is over {MAX_DAYS}") });
    }
    let wanted = ClosedLeaks { observe_days, on_use };
    leaks::choose_closed_leaks(&app.store, &caller, wanted).await?;
    tracing::info!(author = caller.name, observe_days, ?on_use, "what becomes of closed leaks was changed");
    Ok(Json(wanted))
}
