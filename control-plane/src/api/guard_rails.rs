//! `/api/v1/pause` and `/api/v1/guard-rails`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::input::{Body, line};
use super::leaks::say;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::pauses::Pause;
use crate::people::Caller;
use crate::time::Time;
use crate::{audit, pauses, tenants};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BeginPause {
    /// Why.
    #[schemars(length(min = 1, max = MAX_REASON))]
    pub(crate) reason: String,
    /// When it ends by itself, within seven days.
    pub(crate) until: Time,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PauseNow {
    pause: Option<Pause>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct PauseChanged {
    pause: Option<Pause>,
    /// The epoch of the index that carries it.
    epoch: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct GuardRails {
    /// Decisions on critical leaks take two administrators.
    second_approver: bool,
}

const MAX_REASON: usize = 1000;

pub(super) async fn pause(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<PauseNow>> {
    let pause = pauses::current(&mut *app.store.read().await?, caller.tenant.id, Time::now()).await?;
    Ok(Json(PauseNow { pause }))
}

pub(crate) async fn begin_pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(body): Body<BeginPause>,
) -> Answer<Json<PauseChanged>> {
    let reason = say(&app, &caller, "reason", line("reason", &body.reason, MAX_REASON)?).await?;
    let (tenant, now) = (caller.tenant.id, Time::now());
    if body.until <= now || body.until > now.plus(pauses::LONGEST) {
        let days = pauses::LONGEST.as_secs() / (24 * 60 * 60);
        let detail = format!("is not within the next {days} days; a pause that should last longer is a decision on each leak");
        return Err(Problem::Invalid { field: "until", detail });
    }
    let epoch = pauses::begin(&app.store, &caller, body.until, &reason, now).await?;
    app.committed(tenant, epoch);
    tracing::warn!(author = caller.name, reason, epoch, "virtual patches are paused: what they would block is only observed");
    let pause = pauses::current(&mut *app.store.read().await?, tenant, now).await?;
    Ok(Json(PauseChanged { pause, epoch }))
}

pub(crate) async fn end_pause(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<PauseChanged>> {
    let tenant = caller.tenant.id;
    let epoch = pauses::end(&app.store, &caller, Time::now()).await?.ok_or(Problem::NotFound { what: "pause" })?;
    app.committed(tenant, epoch);
    tracing::warn!(author = caller.name, epoch, "the pause was ended: virtual patches block again");
    Ok(Json(PauseChanged { pause: None, epoch }))
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<GuardRails>> {
    let second_approver = tenants::second_approver(&mut *app.store.read().await?, caller.tenant.id).await?;
    Ok(Json(GuardRails { second_approver }))
}

pub(crate) async fn want_second_approver(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<GuardRails>> {
    set(&app, &caller, true).await
}

/// Has a right of its own: whoever could switch it off alone could decide alone.
pub(crate) async fn waive_second_approver(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<GuardRails>> {
    set(&app, &caller, false).await
}

async fn set(app: &App, caller: &Caller, second_approver: bool) -> Answer<Json<GuardRails>> {
    let mut db = app.store.write().await?;
    let before = tenants::second_approver(&mut db, caller.tenant.id).await?;
    tenants::set_second_approver(&mut db, caller.tenant.id, second_approver).await?;
    let [before, after] = [before, second_approver].map(|second_approver| Some(json!({"second_approver": second_approver})));
    audit::record(&mut db, caller, "guard_rails.change", "guard_rails", before, after).await?;
    db.commit().await?;
    tracing::warn!(author = caller.name, second_approver, "guard rails changed");
    Ok(Json(GuardRails { second_approver }))
}
