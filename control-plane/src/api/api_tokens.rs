//! `/api/v1/api-tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::input::{Body, IdInPath, line};
use super::problem::{Answer, Problem};
use super::rights::Right;
use super::users::may_give;
use crate::api_tokens::{self, ApiToken};
use crate::app::App;
use crate::audit;
use crate::people::{Caller, Role};
use crate::secret::{Purpose, Secret};
use crate::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddApiToken {
    name: String,
    role: Role,
    /// When it stops to work; never when absent.
    expires_at: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ApiTokenList {
    api_tokens: Vec<ApiToken>,
}

/// The only answer that ever holds the token.
#[derive(Serialize)]
struct ApiTokenAdded<'a> {
    #[serde(flatten)]
    api_token: &'a ApiToken,
    /// Shown here and never again.
    token: &'a str,
}

const MAX_NAME: usize = 100;

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<ApiTokenList>> {
    let api_tokens = api_tokens::list(&mut *app.store.read().await?, caller.tenant.id).await?;
    Ok(Json(ApiTokenList { api_tokens }))
}

pub(super) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(asked): Body<AddApiToken>) -> Answer<Response> {
    let name = line("name", &asked.name, MAX_NAME)?;
    may_give(&caller, asked.role)?;
    let now = Time::now();
    let expires_at = asked.expires_at.as_deref().map(|text| expiry(text, now)).transpose()?;
    let secret = Secret::generate(Purpose::ApiToken).map_err(|error| Problem::Internal(anyhow::anyhow!("{error}")))?;
    let mut db = app.store.write().await?;
    let id = api_tokens::add(&mut db, caller.tenant.id, &name, asked.role, &secret, expires_at, now).await?;
    let api_token = find(&mut db, &caller, id).await?;
    audit::record(&mut db, &caller, "api_token.add", &format!("api_token/{id}"), None, audit::seen(&api_token)).await?;
    db.commit().await?;
    tracing::info!(api_token = id, author = caller.name, "API token added");
    let headers = [(header::LOCATION, format!("/api/v1/api-tokens/{id}")), (header::CACHE_CONTROL, "no-store".to_owned())];
    let added = ApiTokenAdded { api_token: &api_token, token: secret.expose() };
    Ok((StatusCode::CREATED, headers, Json(added)).into_response())
}

pub(super) async fn revoke(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<StatusCode> {
    let mut db = app.store.write().await?;
    let before = find(&mut db, &caller, id).await?;
    if !caller.role.may_give(before.role) {
        return Err(Problem::Forbidden { roles: Right::Tenants.roles() });
    }
    api_tokens::revoke(&mut db, caller.tenant.id, id, Time::now()).await?;
    let after = find(&mut db, &caller, id).await?;
    let object = format!("api_token/{id}");
    audit::record(&mut db, &caller, "api_token.revoke", &object, audit::seen(&before), audit::seen(&after)).await?;
    db.commit().await?;
    tracing::info!(api_token = id, author = caller.name, "API token revoked");
    Ok(StatusCode::NO_CONTENT)
}

async fn find(db: &mut crate::store::Connection, caller: &Caller, id: i64) -> Answer<ApiToken> {
    let api_token = api_tokens::get(db, caller.tenant.id, id).await?;
    api_token.ok_or(Problem::NotFound { what: "API token" })
}

fn expiry(text: &str, now: Time) -> Answer<Time> {
    let refuse = |detail: &str| Problem::Invalid { field: "expires_at", detail: detail.to_owned() };
    let time = Time::parse(text).ok_or_else(|| refuse("write it like 2027-01-31T12:00:00Z"))?;
    if time > now { Ok(time) } else { Err(refuse("lies in the past")) }
}
