//! Comments on a leak.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::say;
use crate::api::input::{Asked, Body, LeakInPath, text};
use crate::api::output::Created;
use crate::api::page::history_query;
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::leaks::{self, CommentView};
use crate::people::Caller;
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddComment {
    #[schemars(length(min = 1, max = MAX_COMMENT))]
    pub(crate) text: String,
}

history_query! {
    pub(crate) struct ListComments by "id" {
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct CommentList {
    comments: Vec<CommentView>,
    /// What to give as `cursor` for the next page.
    next: Option<i64>,
}

const MAX_COMMENT: usize = 4_000;

pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    Body(body): Body<AddComment>,
) -> Answer<Created<CommentView>> {
    let text = say(&app, &caller, "text", text("text", &body.text, MAX_COMMENT)?).await?;
    let added = leaks::add_comment(&app.store, &caller, number, &text, Time::now()).await?;
    let comment = added.ok_or(Problem::NotFound { what: "leak" })?;
    Ok(Created::new(comment))
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    Asked(asked): Asked<ListComments>,
) -> Answer<Json<CommentList>> {
    let (tenant, page) = (caller.tenant.id, asked.page()?);
    let mut db = app.store.read().await?;
    leaks::show_summary(&mut db, tenant, number).await?.ok_or(Problem::NotFound { what: "leak" })?;
    let comments = leaks::list_comments(&mut db, tenant, number, &page).await?;
    let next = page.next(&comments, |comment| comment.id);
    Ok(Json(CommentList { comments, next }))
}
