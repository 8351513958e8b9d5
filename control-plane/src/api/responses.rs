//! `/api/v1/settings/response`

use std::sync::Arc;

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stopleak_contract::settings::Response;

use super::input::{Body, IfMatch, whole_needed};
use super::leaks::say;
use super::output::Tagged;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::people::Caller;
use crate::responses::{self, Chosen};
use crate::time::Time;

/// What a blocked request is to be answered.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(deserialize_with = "whole_needed")]
    #[schemars(range(min = 400, max = 599))]
    pub(crate) status: u16,
    pub(crate) content_type: String,
    #[serde(default)]
    pub(crate) headers: Vec<NamedValue>,
    pub(crate) body: String,
}

/// What a blocked request is answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BlockResponse")]
pub(crate) struct Shown {
    status: u16,
    content_type: Option<String>,
    headers: Vec<NamedValue>,
    body: String,
    /// Whether nobody has chosen another one.
    is_default: bool,
    /// Grows with each change; its `ETag`.
    version: i64,
    updated_at: Option<Time>,
    updated_by: Option<String>,
    /// Of a change: the first epoch of the index that carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<i64>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct NamedValue {
    pub(crate) name: String,
    pub(crate) value: String,
}

const CONTENT_TYPE: &str = "content-type";

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller) -> Answer<Tagged<Shown>> {
    let chosen = responses::current(&mut *app.store.read().await?, caller.tenant.id).await?;
    Ok(shown(&chosen, None))
}

pub(crate) async fn choose(
    State(app): State<Arc<App>>,
    caller: Caller,
    IfMatch(seen): IfMatch,
    Body(wanted): Body<Wanted>,
) -> Answer<Tagged<Shown>> {
    let refuse = |detail: &str| Problem::Invalid { field: "headers", detail: detail.to_owned() };
    let mut headers = vec![(CONTENT_TYPE.to_owned(), wanted.content_type)];
    for NamedValue { name, value } in wanted.headers {
        if name.eq_ignore_ascii_case(CONTENT_TYPE) {
            return Err(refuse("content-type: give it as `content_type`"));
        }
        headers.push((name, value));
    }
    let response = Response { status: wanted.status, headers, body: wanted.body.into_bytes() };
    let response = response.checked().map_err(|error| Problem::Invalid { field: error.field, detail: error.what })?;
    let values: Vec<&str> = response.headers.iter().map(|(_, value)| value.as_str()).collect();
    say(&app, &caller, "headers", values.join("\n")).await?;
    say(&app, &caller, "body", String::from_utf8_lossy(&response.body).into_owned()).await?;
    change(&app, &caller, Some(&response), seen).await
}

/// Back to the usual response.
pub(crate) async fn reset(State(app): State<Arc<App>>, caller: Caller, IfMatch(seen): IfMatch) -> Answer<Tagged<Shown>> {
    change(&app, &caller, None, seen).await
}

async fn change(app: &App, caller: &Caller, response: Option<&Response>, seen: Option<i64>) -> Answer<Tagged<Shown>> {
    let epoch = responses::choose(&app.store, caller, response, seen, Time::now()).await?;
    app.committed(caller.tenant.id, epoch);
    tracing::info!(author = caller.name, epoch, "the response to blocked requests was changed");
    let chosen = responses::current(&mut *app.store.read().await?, caller.tenant.id).await?;
    Ok(shown(&chosen, Some(epoch)))
}

fn shown(chosen: &Chosen, epoch: Option<i64>) -> Tagged<Shown> {
    let response = chosen.response.clone().unwrap_or_default();
    let (types, others): (Vec<_>, Vec<_>) = response.headers.into_iter().partition(|(name, _)| name == CONTENT_TYPE);
    let content_type = types.into_iter().next().map(|(_, value)| value);
    let headers: Vec<_> = others.into_iter().map(|(name, value)| NamedValue { name, value }).collect();
    let (updated_at, updated_by) = chosen.updated.clone().unzip();
    let body = Shown {
        status: response.status,
        content_type,
        headers,
        body: String::from_utf8_lossy(&response.body).into_owned(),
        is_default: chosen.response.is_none(),
        version: chosen.version,
        updated_at,
        updated_by,
        epoch,
    };
    Tagged { etag: chosen.version.to_string(), body }
}
