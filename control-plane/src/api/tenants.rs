//! `/api/v1/tenants`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::input::{Asked, Body, IfMatchTag, NameInPath, line};
use super::output::{Created, Tagged, tag};
use super::page::{Page, has, list_query};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::people::Caller;
use crate::tenants::{self, TenantChange, TenantView};
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddTenant {
    /// Stays for ever: every gateway's index has it.
    #[schemars(length(min = 1, max = MAX_NAME), regex(pattern = NAME))]
    name: String,
    /// The name when absent.
    #[schemars(length(min = 1, max = MAX_TITLE))]
    title: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeTenant {
    #[schemars(length(min = 1, max = MAX_TITLE))]
    pub(crate) title: Option<String>,
    /// Whether its API Leaks module is on: scans and pushes.
    pub(crate) api_leaks: Option<bool>,
    /// Whether anybody may check whether a token is leaked.
    pub(crate) public_checks: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct TenantList {
    tenants: Vec<TenantView>,
    /// What to give as `cursor` for the next page.
    next: Option<String>,
}

list_query! {
    pub(super) struct ListTenants by ["name", "title", "created_at", "epoch"] {
        /// A part of the name or of the title, in any case.
        text: Option<String>,
        /// Whether its API Leaks module is on.
        api_leaks: Option<bool>,
    }
}

/// As much as a label of the domain name system: names stand in headers, URLs and metrics.
const MAX_NAME: usize = 63;
const NAME: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
const MAX_TITLE: usize = 200;

/// Whoever belongs to one tenant sees that one.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListTenants>,
) -> Answer<Json<TenantList>> {
    let mut db = app.store.read().await?;
    let mut tenants = if caller.role.is_global() {
        tenants::views(&mut db).await?
    } else {
        vec![tenants::view(&mut db, caller.tenant.id).await?]
    };
    let text = asked.text.as_deref();
    tenants.retain(|tenant| {
        (has(&tenant.name, text) || has(&tenant.title, text)) && asked.api_leaks.is_none_or(|is_on| tenant.api_leaks == is_on)
    });
    let Page { items: tenants, next } = asked.page().of(tenants)?;
    Ok(Json(TenantList { tenants, next }))
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(request): Body<AddTenant>,
) -> Answer<Created<TenantView>> {
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
    Ok(Created::at(format!("/api/v1/tenants/{}", tenant.name), view))
}

/// Whoever belongs to one tenant sees that one.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    NameInPath(name): NameInPath,
) -> Answer<Tagged<TenantView>> {
    let mut db = app.store.read().await?;
    let tenant = tenants::find(&mut db, &name).await?;
    let tenant = tenant.filter(|tenant| caller.role.is_global() || tenant.id == caller.tenant.id);
    let tenant = tenant.ok_or(Problem::NotFound { what: "tenant" })?;
    Ok(tagged(tenants::view(&mut db, tenant.id).await?))
}

pub(crate) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    NameInPath(name): NameInPath,
    seen: IfMatchTag,
    Body(request): Body<ChangeTenant>,
) -> Answer<Tagged<TenantView>> {
    let title = request.title.as_deref().map(|title| line("title", title, MAX_TITLE)).transpose()?;
    let change = TenantChange { title, api_leaks: request.api_leaks, public_checks: request.public_checks };
    let mut db = app.store.write().await?;
    let tenant = tenants::find(&mut db, &name).await?.ok_or(Problem::NotFound { what: "tenant" })?;
    let before = tenants::view(&mut db, tenant.id).await?;
    seen.holds(&etag(&before))?;
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
    Ok(tagged(after))
}

fn tagged(tenant: TenantView) -> Tagged<TenantView> {
    Tagged { etag: etag(&tenant), body: tenant }
}

/// A decision moves the epoch, and changes nothing else of the tenant.
fn etag(tenant: &TenantView) -> String {
    tag(&TenantView { epoch: 0, ..tenant.clone() })
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
