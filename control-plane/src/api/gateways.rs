//! `/api/v1/gateways`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::input::{Body, IdInPath, line};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::feed::GatewayState;
use crate::gateways::{self, Gateway};
use crate::people::Caller;
use crate::secret::{Purpose, Secret};
use crate::tenants;
use crate::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddGateway {
    name: String,
}

/// The only answer that ever holds a credential.
#[derive(Serialize)]
struct GatewayAdded<'a> {
    id: i64,
    name: &'a str,
    created_at: Time,
    /// Shown here and never again.
    credential: &'a str,
    /// What the gateway pins.
    public_key: &'a str,
    /// Where the cluster of the filter's configuration has to lead.
    feed: String,
    /// For the filter's configuration, as it is.
    settings: Value,
}

#[derive(Serialize)]
struct GatewayView {
    id: i64,
    name: String,
    created_at: Time,
    revoked_at: Option<Time>,
    last_seen_at: Option<Time>,
    #[serde(flatten)]
    state: GatewayState,
}

#[derive(Serialize)]
pub(super) struct GatewayList {
    gateways: Vec<GatewayView>,
    /// The newest epoch: a gateway whose epoch is lower is behind.
    epoch: i64,
    /// What gateways pin.
    public_key: String,
    /// Whether the tenant's API Leaks module is on: while it is off, nothing is pushed, and gateways keep the index that they have.
    api_leaks: bool,
}

const MAX_NAME: usize = 100;

pub(super) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(request): Body<AddGateway>) -> Answer<Response> {
    let name = line("name", &request.name, MAX_NAME)?;
    let credential =
        Secret::generate(Purpose::Gateway).map_err(|error| Problem::Internal(anyhow::Error::msg(error.to_string())))?;
    let mut db = app.store.write().await?;
    let gateway = gateways::add(&mut db, caller.tenant.id, &name, &credential, Time::now()).await?;
    let gateway = gateway.ok_or(Problem::NameTaken { what: "gateway" })?;
    let object = format!("gateway/{}", gateway.id);
    audit::record(&mut db, &caller, "gateway.add", &object, None, audit::seen(&gateway)).await?;
    db.commit().await?;
    tracing::info!(gateway = gateway.name, author = caller.name, "gateway added");

    let public_key = app.keys.signing.public_key().to_hex();
    let added = GatewayAdded {
        id: gateway.id,
        name: &gateway.name,
        created_at: gateway.created_at,
        credential: credential.expose(),
        public_key: &public_key,
        feed: app.feed.to_string(),
        settings: json!({"cluster": "stopleak_feed", "credential": credential.expose(), "public_key": public_key}),
    };
    let headers =
        [(header::LOCATION, format!("/api/v1/gateways/{}", gateway.id)), (header::CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::CREATED, headers, Json(added)).into_response())
}

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<GatewayList>> {
    let mut db = app.store.read().await?;
    let gateways = gateways::list(&mut db, caller.tenant.id).await?;
    let epoch = tenants::epoch(&mut db, caller.tenant.id).await?.epoch;
    let api_leaks = tenants::is_on(&mut db, caller.tenant.id).await?;
    let now = Time::now();
    let view = |gateway: Gateway| {
        let state = app.fleet.gateway(gateway.id, now);
        let last_seen_at = gateway.last_seen_at.max(state.last_seen_at);
        let Gateway { id, name, created_at, revoked_at, .. } = gateway;
        GatewayView { id, name, created_at, revoked_at, last_seen_at, state }
    };
    Ok(Json(GatewayList {
        gateways: gateways.into_iter().map(view).collect(),
        epoch,
        api_leaks,
        public_key: app.keys.signing.public_key().to_hex(),
    }))
}

pub(super) async fn revoke(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<StatusCode> {
    let mut db = app.store.write().await?;
    let before = gateways::get(&mut db, caller.tenant.id, id).await?.ok_or(Problem::NotFound { what: "gateway" })?;
    gateways::revoke(&mut db, caller.tenant.id, id, Time::now()).await?;
    let after = gateways::get(&mut db, caller.tenant.id, id).await?;
    let object = format!("gateway/{id}");
    audit::record(&mut db, &caller, "gateway.revoke", &object, audit::seen(&before), audit::seen(&after)).await?;
    db.commit().await?;
    app.fleet.revoke(id);
    tracing::info!(gateway = id, author = caller.name, "gateway revoked");
    Ok(StatusCode::NO_CONTENT)
}
