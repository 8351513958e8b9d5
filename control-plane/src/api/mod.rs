//! The API, `/api/v1`: JSON in, JSON out, problem+json when something is wrong.
//!
//! A request passes the access log, then `auth` says who calls, `input` reads what they send, and a handler beside its noun
//! answers. Neither log lines nor answers ever repeat what was sent where it might be a token.

mod problem;
mod input;
mod auth;
mod access_log;
mod leaks;
mod attempts;
mod sources;
mod scans;
mod gateways;
mod notifications;
mod health;
mod server;

pub use problem::Problem;
pub use server::{HEAD_TIMEOUT, serve};

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};

use crate::app::App;

/// Largest body of a request: room for tens of thousands of tokens.
pub const MAX_BODY: usize = 2 * 1024 * 1024;

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/v1/leaks", get(leaks::list).post(leaks::add))
        .route("/api/v1/leaks/{number}", get(leaks::show))
        .route("/api/v1/leaks/{number}/decisions", post(leaks::decide))
        .route("/api/v1/attempts", get(attempts::list))
        .route("/api/v1/sources", get(sources::list).post(sources::add))
        .route("/api/v1/sources/{id}/scans", post(scans::start))
        .route("/api/v1/scans/{id}", get(scans::show))
        .route("/api/v1/gateways", get(gateways::list).post(gateways::add))
        .route("/api/v1/gateways/{id}", delete(gateways::revoke))
        .route("/api/v1/notifications/channels", get(notifications::list).post(notifications::add))
        .route(
            "/api/v1/notifications/channels/{id}",
            get(notifications::show).patch(notifications::change).delete(notifications::remove),
        )
        .route("/api/v1/notifications/channels/{id}/secret", post(notifications::renew_secret))
        .route("/api/v1/notifications/channels/{id}/test", post(notifications::test))
        .route("/api/v1/notifications/deliveries", get(notifications::deliveries))
        .route("/api/v1/notifications/deliveries/{id}", get(notifications::delivery))
        .route("/api/v1/notifications/deliveries/{id}/retry", post(notifications::retry))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .fallback(async || Problem::NoSuchRoute)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(access_log::log))
        .layer(from_fn(to_the_end))
        .with_state(app)
}

/// A caller that goes away drops its request, perhaps just after the commit of a change that gateways have yet to be told of. So what
/// changes something runs on its own.
async fn to_the_end(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(panicked) => Problem::Internal(panicked.into()).into_response(),
    }
}
