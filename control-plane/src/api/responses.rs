//! `/api/v1/settings/response`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stopleak_contract::settings::Response;

use super::input::{Body, IfMatch};
use super::leaks::say;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::people::Caller;
use crate::responses::{self, Chosen};
use crate::time::Time;

/// What a blocked request is to be answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    status: u16,
    content_type: String,
    #[serde(default)]
    headers: Vec<NamedValue>,
    body: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct NamedValue {
    name: String,
    value: String,
}

const CONTENT_TYPE: &str = "content-type";

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller) -> Answer<axum::response::Response> {
    let chosen = responses::current(&mut *app.store.read().await?, caller.tenant.id).await?;
    Ok(shown(&chosen, None))
}

pub(super) async fn choose(
    State(app): State<Arc<App>>,
    caller: Caller,
    IfMatch(seen): IfMatch,
    Body(wanted): Body<Wanted>,
) -> Answer<axum::response::Response> {
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
pub(super) async fn reset(
    State(app): State<Arc<App>>,
    caller: Caller,
    IfMatch(seen): IfMatch,
) -> Answer<axum::response::Response> {
    change(&app, &caller, None, seen).await
}

async fn change(app: &App, caller: &Caller, response: Option<&Response>, seen: Option<i64>) -> Answer<axum::response::Response> {
    let epoch = responses::choose(&app.store, caller, response, seen, Time::now()).await?;
    app.committed(caller.tenant.id, epoch);
    tracing::info!(author = caller.name, epoch, "the response to blocked requests was changed");
    let chosen = responses::current(&mut *app.store.read().await?, caller.tenant.id).await?;
    Ok(shown(&chosen, Some(epoch)))
}

fn shown(chosen: &Chosen, epoch: Option<i64>) -> axum::response::Response {
    let response = chosen.response.clone().unwrap_or_default();
    let (types, others): (Vec<_>, Vec<_>) = response.headers.into_iter().partition(|(name, _)| name == CONTENT_TYPE);
    let content_type = types.into_iter().next().map(|(_, value)| value);
    let headers: Vec<_> = others.into_iter().map(|(name, value)| NamedValue { name, value }).collect();
    let (updated_at, updated_by) = chosen.updated.clone().unzip();
    let mut body = json!({
        "status": response.status, "content_type": content_type, "headers": headers,
        "body": String::from_utf8_lossy(&response.body), "is_default": chosen.response.is_none(),
        "version": chosen.version, "updated_at": updated_at, "updated_by": updated_by,
    });
    if let Some(epoch) = epoch {
        body["epoch"] = json!(epoch);
    }
    ([(header::ETAG, format!("\"{}\"", chosen.version))], Json(body)).into_response()
}
