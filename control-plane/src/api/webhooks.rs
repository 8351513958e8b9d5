//! `/api/v1/webhooks`

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
use crate::app::App;
use crate::audit;
use crate::intake::webhooks::{self, WebhookView};
use crate::people::Caller;
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddWebhook {
    /// What people call it.
    #[schemars(length(min = 1, max = MAX_NAME))]
    name: String,
}

/// The only answer that ever holds a webhook's secret.
#[derive(Serialize, JsonSchema)]
pub(super) struct WebhookAdded {
    #[serde(flatten)]
    webhook: WebhookView,
    /// Where deliveries go, below the server's address.
    path: String,
    /// Shown here and never again.
    secret: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct WebhookList {
    webhooks: Vec<WebhookView>,
    /// What to give as `cursor` for the next page.
    next: Option<String>,
}

list_query! {
    pub(super) struct ListWebhooks by ["id", "name", "created_at", "last_delivered_at", "deliveries", "findings", "found_new"] {
        /// A part of the name, in any case.
        text: Option<String>,
        /// Whether nothing is taken of it any more.
        revoked: Option<bool>,
    }
}

const MAX_NAME: usize = 100;

pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(request): Body<AddWebhook>,
) -> Answer<Created<WebhookAdded>> {
    let name = line("name", &request.name, MAX_NAME)?;
    let mut db = app.store.write().await?;
    let added = webhooks::add(&mut db, &app.keys, caller.tenant.id, &name, &caller.name, Time::now()).await?;
    let (webhook, secret) = added.ok_or(Problem::NameTaken { what: "webhook" })?;
    audit::record(&mut db, &caller, "webhook.add", &object(webhook.id), None, audit::seen(&webhook)).await?;
    db.commit().await?;
    tracing::info!(webhook = webhook.id, author = caller.name, "webhook added");
    let location = format!("/api/v1/webhooks/{}", webhook.id);
    let path = format!("/api/v1/intake/webhooks/{}", webhook.id);
    Ok(Created::at(location, WebhookAdded { webhook, path, secret: secret.expose().to_owned() }).once())
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListWebhooks>,
) -> Answer<Json<WebhookList>> {
    let mut webhooks = webhooks::list(&mut *app.store.read().await?, caller.tenant.id).await?;
    webhooks.retain(|webhook| {
        has(&webhook.name, asked.text.as_deref()) && asked.revoked.is_none_or(|revoked| webhook.revoked_at.is_some() == revoked)
    });
    let Page { items: webhooks, next } = asked.page().by_default("-id").of(webhooks)?;
    Ok(Json(WebhookList { webhooks, next }))
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Json<WebhookView>> {
    let webhook = webhooks::get(&mut *app.store.read().await?, caller.tenant.id, id).await?;
    webhook.map(Json).ok_or(Problem::NotFound { what: "webhook" })
}

pub(super) async fn revoke(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<NoContent> {
    let mut db = app.store.write().await?;
    let before = webhooks::get(&mut db, caller.tenant.id, id).await?;
    if !webhooks::revoke(&mut db, caller.tenant.id, id, Time::now()).await? {
        return Err(Problem::NotFound { what: "webhook" });
    }
    let after = webhooks::get(&mut db, caller.tenant.id, id).await?;
    audit::record(&mut db, &caller, "webhook.revoke", &object(id), audit::seen(&before), audit::seen(&after)).await?;
    db.commit().await?;
    tracing::info!(webhook = id, author = caller.name, "webhook revoked");
    Ok(NoContent)
}

/// As the audit log names it.
fn object(id: i64) -> String {
    format!("webhook/{id}")
}
