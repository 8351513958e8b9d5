//! `/api/v1/tenants`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::input::{Body, line};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::people::Caller;
use crate::tenants::{self, TenantChange, TenantView};
use crate::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddTenant {
    name: String,
    /// The name when absent.
    title: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeTenant {
    title: Option<String>,
    api_leaks: Option<bool>,
    public_checks: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct TenantList {
    tenants: Vec<TenantView>,
}

/// As much as a label of the domain name system: names stand in headers, URLs and metrics.
const MAX_NAME: usize = 63;
const MAX_TITLE: usize = 200;

/// Whoever belongs to one tenant sees that one.
pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<TenantList>> {
    let mut db = app.store.read().await?;
    let tenants = if caller.role.is_global() {
        tenants::views(&mut db).await?
    } else {
        vec![tenants::view(&mut db, caller.tenant.id).await?]
    };
    Ok(Json(TenantList { tenants }))
}

pub(super) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(request): Body<AddTenant>) -> Answer<Response> {
    let name = name(&request.name)?;
    let title = line("title", request.title.as_deref().unwrap_or(&name), MAX_TITLE)?;
    let mut db = app.store.write().await?;
    let tenant = tenants::add(&mut db, &name, &title, Time::now()).await?.ok_or(Problem::NameTaken { what: "tenant" })?;
    let view = tenants::view(&mut db, tenant.id).await?;
    let object = format!("tenant/{}", tenant.name);
    audit::record(&mut db, &caller.of(&tenant), "tenant.add", &object, None, audit::seen(&view)).await?;
    db.commit().await?;
    app.publisher.open(&tenant).await.map_err(Problem::Internal)?;
    tracing::info!(tenant = tenant.name, author = caller.name, "tenant added");
    let location = [(header::LOCATION, format!("/api/v1/tenants/{}", tenant.name))];
    Ok((StatusCode::CREATED, location, Json(view)).into_response())
}

pub(super) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(request): Body<ChangeTenant>,
) -> Answer<Json<TenantView>> {
    let title = request.title.as_deref().map(|title| line("title", title, MAX_TITLE)).transpose()?;
    let change = TenantChange { title, api_leaks: request.api_leaks, public_checks: request.public_checks };
    let mut db = app.store.write().await?;
    let tenant = tenants::find(&mut db, &name).await?.ok_or(Problem::NotFound { what: "tenant" })?;
    let before = tenants::view(&mut db, tenant.id).await?;
    tenants::change(&mut db, tenant.id, &change).await?;
    let after = tenants::view(&mut db, tenant.id).await?;
    let (object, caller) = (format!("tenant/{}", tenant.name), caller.of(&tenant));
    audit::record(&mut db, &caller, "tenant.change", &object, audit::seen(&before), audit::seen(&after)).await?;
    db.commit().await?;
    if before.api_leaks != after.api_leaks {
        app.publisher.wake(tenant.id);
        app.job_queued.notify_waiters();
    }
    tracing::info!(tenant = tenant.name, api_leaks = after.api_leaks, author = caller.name, "tenant changed");
    Ok(Json(after))
}

fn name(text: &str) -> Answer<String> {
    let name = line("name", text, MAX_NAME)?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.chars().all(is_plain) && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(name);
    }
    let detail =
        "may have lower-case letters, digits and hyphens, the first and the last no hyphen; give any other name as title";
    Err(Problem::Invalid { field: "name", detail: detail.to_owned() })
}
