//! `/api/v1/gateways`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::NoContent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stopleak_contract::index::PublicKey;

use super::input::{Asked, Body, IdInPath, line};
use super::output::Created;
use super::page::{has, list_query};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::feed::GatewayState;
use crate::gateways::{self, Gateway};
use crate::people::Caller;
use crate::secret::{Purpose, Secret};
use crate::store::number;
use crate::tenants;
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddGateway {
    /// What people call it.
    #[schemars(length(min = 1, max = MAX_NAME))]
    pub(crate) name: String,
}

/// The only answer that ever holds a credential.
#[derive(Serialize, JsonSchema)]
pub(crate) struct GatewayAdded {
    id: i64,
    pub(crate) name: String,
    created_at: Time,
    /// Shown here and never again.
    pub(crate) credential: String,
    /// What the gateway pins.
    pub(crate) public_key: String,
    /// Where the cluster of the filter's configuration has to lead.
    pub(crate) feed: String,
    /// For the filter's configuration, as it is.
    settings: FilterSettings,
}

#[derive(Serialize, JsonSchema)]
struct FilterSettings {
    cluster: &'static str,
    credential: String,
    public_key: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct GatewayView {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) created_at: Time,
    pub(crate) revoked_at: Option<Time>,
    pub(crate) last_seen_at: Option<Time>,
    #[serde(flatten)]
    pub(crate) state: GatewayState,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct GatewayList {
    pub(crate) gateways: Vec<GatewayView>,
    /// What to give as `cursor` for the next page.
    pub(crate) next: Option<String>,
    /// The newest epoch: a gateway whose epoch is lower is behind.
    pub(crate) epoch: i64,
    /// What gateways pin.
    pub(crate) public_key: String,
    /// What they are to pin beside it, while the signing key is being changed: the key that takes its place, or whose place it has taken.
    pub(crate) next_public_key: Option<String>,
    /// Whether the tenant's API Leaks module is on: while it is off, nothing is pushed, and gateways keep the index that they have.
    pub(crate) api_leaks: bool,
}

list_query! {
    pub(crate) struct ListGateways by ["name", "id", "created_at", "last_seen_at", "revoked_at"] {
        /// A part of the name, in any case.
        text: Option<String>,
        /// Whether the credential was taken back.
        revoked: Option<bool>,
        /// Whether any Envoy of it is connected.
        connected: Option<bool>,
        /// Whether a connected worker of it does not have the newest epoch.
        behind: Option<bool>,
    }
}

const MAX_NAME: usize = 100;

pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(request): Body<AddGateway>,
) -> Answer<Created<GatewayAdded>> {
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
    let credential = credential.expose().to_owned();
    let added = GatewayAdded {
        id: gateway.id,
        name: gateway.name,
        created_at: gateway.created_at,
        credential: credential.clone(),
        public_key: public_key.clone(),
        feed: app.feed.to_string(),
        settings: FilterSettings { cluster: "stopleak_feed", credential, public_key },
    };
    Ok(Created::at(format!("/api/v1/gateways/{}", gateway.id), added).once())
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListGateways>,
) -> Answer<Json<GatewayList>> {
    let mut db = app.store.read().await?;
    let (now, tenant) = (Time::now(), caller.tenant.id);
    let epoch = tenants::epoch(&mut db, tenant).await?.epoch;
    let overview = app.fleet.overview(&mut db, tenant, number(epoch)?).await?;
    let mut gateways = gateways::list(&mut db, tenant).await?;
    let is_wanted = |id| {
        if asked.connected.is_none() && asked.behind.is_none() {
            return true;
        }
        let state = overview.gateway(id, now);
        asked.connected.is_none_or(|connected| state.connected == connected)
            && asked.behind.is_none_or(|behind| state.is_behind() == behind)
    };
    gateways.retain(|gateway| {
        has(&gateway.name, asked.text.as_deref())
            && asked.revoked.is_none_or(|revoked| gateway.revoked_at.is_some() == revoked)
            && is_wanted(gateway.id)
    });
    let page = asked.page().of(gateways)?;
    let api_leaks = tenants::is_on(&mut db, tenant).await?;
    let view = |gateway: Gateway| {
        let state = overview.gateway(gateway.id, now);
        view(gateway, state)
    };
    Ok(Json(GatewayList {
        gateways: page.items.into_iter().map(view).collect(),
        next: page.next,
        epoch,
        api_leaks,
        public_key: app.keys.signing.public_key().to_hex(),
        next_public_key: app.keys.next_public_key().map(PublicKey::to_hex),
    }))
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Json<GatewayView>> {
    let (mut db, tenant) = (app.store.read().await?, caller.tenant.id);
    let gateway = gateways::get(&mut db, tenant, id).await?.ok_or(Problem::NotFound { what: "gateway" })?;
    let epoch = tenants::epoch(&mut db, tenant).await?.epoch;
    let overview = app.fleet.overview(&mut db, tenant, number(epoch)?).await?;
    Ok(Json(view(gateway, overview.gateway(id, Time::now()))))
}

pub(crate) async fn revoke(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<NoContent> {
    let mut db = app.store.write().await?;
    let before = gateways::get(&mut db, caller.tenant.id, id).await?.ok_or(Problem::NotFound { what: "gateway" })?;
    gateways::revoke(&mut db, caller.tenant.id, id, Time::now()).await?;
    let after = gateways::get(&mut db, caller.tenant.id, id).await?;
    let object = format!("gateway/{id}");
    audit::record(&mut db, &caller, "gateway.revoke", &object, audit::seen(&before), audit::seen(&after)).await?;
    db.commit().await?;
    app.fleet.revoke(id);
    tracing::info!(gateway = id, author = caller.name, "gateway revoked");
    Ok(NoContent)
}

fn view(gateway: Gateway, state: GatewayState) -> GatewayView {
    let last_seen_at = gateway.last_seen_at.max(state.last_seen_at);
    let Gateway { id, name, created_at, revoked_at, .. } = gateway;
    GatewayView { id, name, created_at, revoked_at, last_seen_at, state }
}
