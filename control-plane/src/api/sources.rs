//! `/api/v1/sources`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::input::{Asked, Body, IdInPath, line};
use super::output::CreatedOrThere;
use super::page::{has, list_query};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::people::Caller;
use crate::scans::{self, Status};
use crate::sources::{self, Source};
use crate::store::Connection;
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddSource {
    /// A Git URL; a path on the server only where its configuration allows it.
    #[schemars(length(min = 1, max = MAX_LOCATION))]
    pub(crate) location: String,
    /// The end of the location's path when absent.
    #[schemars(length(min = 1, max = MAX_TITLE))]
    pub(crate) title: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct SourceView {
    #[serde(flatten)]
    pub(crate) source: Source,
    pub(crate) last_scan: Option<LastScan>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct LastScan {
    pub(crate) id: i64,
    pub(crate) status: Status,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct SourceList {
    pub(crate) sources: Vec<SourceView>,
    /// What to give as `cursor` for the next page.
    pub(crate) next: Option<String>,
}

list_query! {
    pub(crate) struct ListSources by ["id", "title", "kind", "location", "created_at"] {
        /// A part of the title or of the location, in any case.
        text: Option<String>,
        /// `git`, `folder`, `file` or `import`.
        kind: Option<String>,
    }
}

const MAX_LOCATION: usize = 2000;
const MAX_TITLE: usize = 200;

/// 201 when the source is new, 200 when there was one of this location already.
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(request): Body<AddSource>,
) -> Answer<CreatedOrThere<Source>> {
    let location = line("location", &request.location, MAX_LOCATION)?;
    let (_, kind) = sources::check(&location, &app.local_sources)
        .map_err(|error| Problem::Invalid { field: "location", detail: error.to_string() })?;
    let title = line("title", &request.title.unwrap_or_else(|| sources::title_of(&location)), MAX_TITLE)?;
    let mut db = app.store.write().await?;
    let (source, is_new) = sources::add(&mut db, caller.tenant.id, kind, &location, &title, Time::now()).await?;
    if is_new {
        let object = format!("source/{}", source.id);
        audit::record(&mut db, &caller, "source.add", &object, None, audit::seen(&source)).await?;
    }
    db.commit().await?;
    Ok(CreatedOrThere { location: format!("/api/v1/sources/{}", source.id), body: source, is_new })
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Json<SourceView>> {
    let mut db = app.store.read().await?;
    let source = sources::get(&mut db, caller.tenant.id, id).await?.ok_or(Problem::NotFound { what: "source" })?;
    Ok(Json(view(&mut db, source).await?))
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListSources>,
) -> Answer<Json<SourceList>> {
    let mut db = app.store.read().await?;
    let (text, mut sources) = (asked.text.as_deref(), sources::list(&mut db, caller.tenant.id).await?);
    sources.retain(|source| {
        (has(&source.title, text) || has(&source.location, text)) && asked.kind.as_ref().is_none_or(|kind| source.kind == *kind)
    });
    let page = asked.page().of(sources)?;
    let mut views = Vec::new();
    for source in page.items {
        views.push(view(&mut db, source).await?);
    }
    Ok(Json(SourceList { sources: views, next: page.next }))
}

async fn view(db: &mut Connection, source: Source) -> Answer<SourceView> {
    let last_scan = scans::newest(db, source.id).await?.map(|(id, status)| LastScan { id, status });
    Ok(SourceView { source, last_scan })
}
