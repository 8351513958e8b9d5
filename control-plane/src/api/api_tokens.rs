//! `/api/v1/api-tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::NoContent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::input::{Asked, Body, IdInPath, line};
use super::output::Created;
use super::page::{Page, has, list_query};
use super::problem::{Answer, Problem};
use super::rights::Right;
use super::users::may_give;
use crate::api_tokens::{self, ApiToken};
use crate::app::App;
use crate::audit;
use crate::people::{Caller, Role};
use crate::secret::{Purpose, Secret};
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddApiToken {
    /// What people call it.
    #[schemars(length(min = 1, max = MAX_NAME))]
    pub(crate) name: String,
    pub(crate) role: Role,
    /// When it stops to work; never when absent.
    #[schemars(with = "Option<Time>")]
    pub(crate) expires_at: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ApiTokenList {
    api_tokens: Vec<ApiToken>,
    /// What to give as `cursor` for the next page.
    next: Option<String>,
}

/// The only answer that ever holds the token.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ApiTokenAdded {
    #[serde(flatten)]
    pub(crate) api_token: ApiToken,
    /// Shown here and never again.
    pub(crate) token: String,
}

list_query! {
    pub(super) struct ListApiTokens by ["id", "name", "role", "created_at", "last_used_at", "expires_at", "revoked_at"] {
        /// A part of the name, in any case.
        text: Option<String>,
        role: Option<Role>,
        /// Whether it was taken back.
        revoked: Option<bool>,
    }
}

const MAX_NAME: usize = 100;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListApiTokens>,
) -> Answer<Json<ApiTokenList>> {
    let mut api_tokens = api_tokens::list(&mut *app.store.read().await?, caller.tenant.id).await?;
    api_tokens.retain(|token| {
        has(&token.name, asked.text.as_deref())
            && asked.role.is_none_or(|role| token.role == role)
            && asked.revoked.is_none_or(|revoked| token.revoked_at.is_some() == revoked)
    });
    let Page { items: api_tokens, next } = asked.page().of(api_tokens)?;
    Ok(Json(ApiTokenList { api_tokens, next }))
}

pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(asked): Body<AddApiToken>,
) -> Answer<Created<ApiTokenAdded>> {
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
    let added = ApiTokenAdded { api_token, token: secret.expose().to_owned() };
    Ok(Created::at(format!("/api/v1/api-tokens/{id}"), added).once())
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Json<ApiToken>> {
    find(&mut *app.store.read().await?, &caller, id).await.map(Json)
}

pub(crate) async fn revoke(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<NoContent> {
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
    Ok(NoContent)
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
