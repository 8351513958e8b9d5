//! `/api/v1/sources`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::input::{Body, line};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::people::Caller;
use crate::scans::{self, Status};
use crate::sources::{self, Source};
use crate::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddSource {
    location: String,
    /// The end of the location's path when absent.
    title: Option<String>,
}

#[derive(Serialize)]
struct SourceView {
    #[serde(flatten)]
    source: Source,
    last_scan: Option<LastScan>,
}

#[derive(Serialize)]
struct LastScan {
    id: i64,
    status: Status,
}

#[derive(Serialize)]
pub(super) struct SourceList {
    sources: Vec<SourceView>,
}

const MAX_LOCATION: usize = 2000;
const MAX_TITLE: usize = 200;

/// 201 when the source is new, 200 when there was one of this location already.
pub(super) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(request): Body<AddSource>) -> Answer<Response> {
    let location = line("location", &request.location, MAX_LOCATION)?;
    let (_, kind) = sources::check(&location, &app.local_sources)
        .map_err(|error| Problem::Invalid { field: "location", detail: error.to_string() })?;
    let title = line("title", &request.title.unwrap_or_else(|| sources::title_of(&location)), MAX_TITLE)?;
    let mut db = app.store.write().await?;
    let (source, new) = sources::add(&mut db, caller.tenant.id, kind, &location, &title, Time::now()).await?;
    if new {
        let object = format!("source/{}", source.id);
        audit::record(&mut db, &caller, "source.add", &object, None, audit::seen(&source)).await?;
    }
    db.commit().await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, format!("/api/v1/sources/{}", source.id))];
    Ok((status, location, Json(source)).into_response())
}

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<SourceList>> {
    let mut db = app.store.read().await?;
    let mut views = Vec::new();
    for source in sources::list(&mut db, caller.tenant.id).await? {
        let last_scan = scans::newest(&mut db, source.id).await?.map(|(id, status)| LastScan { id, status });
        views.push(SourceView { source, last_scan });
    }
    Ok(Json(SourceList { sources: views }))
}
