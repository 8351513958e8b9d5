//! Comments on a leak.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::say;
use crate::api::input::{Asked, Body, LeakInPath, limit, text};
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::leaks;
use crate::people::Caller;
use crate::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AddComment {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListComments {
    before: Option<i64>,
    limit: Option<u32>,
}

const MAX_COMMENT: usize = 4_000;

pub(in crate::api) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    Body(body): Body<AddComment>,
) -> Answer<Response> {
    let text = say(&app, &caller, "text", text("text", &body.text, MAX_COMMENT)?).await?;
    let added = leaks::add_comment(&app.store, &caller, number, &text, Time::now()).await?;
    let comment = added.ok_or(Problem::NotFound { what: "leak" })?;
    Ok((StatusCode::CREATED, Json(comment)).into_response())
}

pub(in crate::api) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    Asked(asked): Asked<ListComments>,
) -> Answer<Response> {
    let (tenant, limit) = (caller.tenant.id, limit(asked.limit)?);
    let mut db = app.store.read().await?;
    leaks::show_summary(&mut db, tenant, number).await?.ok_or(Problem::NotFound { what: "leak" })?;
    let comments = leaks::list_comments(&mut db, tenant, number, asked.before, limit).await?;
    let next = comments.last().filter(|_| comments.len() == limit as usize).map(|last| last.id);
    Ok(Json(json!({"comments": comments, "next": next})).into_response())
}
