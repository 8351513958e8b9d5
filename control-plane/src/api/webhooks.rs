//! `/api/v1/webhooks`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::input::{Body, IdInPath, line};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::intake::webhooks::{self, WebhookView};
use crate::people::Caller;
use crate::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddWebhook {
    name: String,
}

/// The only answer that ever holds a webhook's secret.
#[derive(Serialize)]
struct WebhookAdded<'a> {
    #[serde(flatten)]
    webhook: WebhookView,
    /// Where deliveries go, below the server's address.
    path: String,
    /// Shown here and never again.
    secret: &'a str,
}

#[derive(Serialize)]
pub(super) struct WebhookList {
    webhooks: Vec<WebhookView>,
}

const MAX_NAME: usize = 100;

pub(super) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(request): Body<AddWebhook>) -> Answer<Response> {
    let name = line("name", &request.name, MAX_NAME)?;
    let mut db = app.store.write().await?;
    let added = webhooks::add(&mut db, &app.keys, caller.tenant.id, &name, &caller.name, Time::now()).await?;
    let (webhook, secret) = added.ok_or(Problem::NameTaken { what: "webhook" })?;
    audit::record(&mut db, &caller, "webhook.add", &object(webhook.id), None, audit::seen(&webhook)).await?;
    db.commit().await?;
    tracing::info!(webhook = webhook.id, author = caller.name, "webhook added");
    let headers =
        [(header::LOCATION, format!("/api/v1/webhooks/{}", webhook.id)), (header::CACHE_CONTROL, "no-store".to_owned())];
    let path = format!("/api/v1/intake/webhooks/{}", webhook.id);
    let added = WebhookAdded { webhook, path, secret: secret.expose() };
    Ok((StatusCode::CREATED, headers, Json(added)).into_response())
}

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<WebhookList>> {
    let webhooks = webhooks::list(&mut *app.store.read().await?, caller.tenant.id).await?;
    Ok(Json(WebhookList { webhooks }))
}

pub(super) async fn revoke(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<StatusCode> {
    let mut db = app.store.write().await?;
    let before = webhooks::get(&mut db, caller.tenant.id, id).await?;
    if !webhooks::revoke(&mut db, caller.tenant.id, id, Time::now()).await? {
        return Err(Problem::NotFound { what: "webhook" });
    }
    let after = webhooks::get(&mut db, caller.tenant.id, id).await?;
    audit::record(&mut db, &caller, "webhook.revoke", &object(id), audit::seen(&before), audit::seen(&after)).await?;
    db.commit().await?;
    tracing::info!(webhook = id, author = caller.name, "webhook revoked");
    Ok(StatusCode::NO_CONTENT)
}

/// As the audit log names it.
fn object(id: i64) -> String {
    format!("webhook/{id}")
}
