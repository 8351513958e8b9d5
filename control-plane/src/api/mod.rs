//! The API, `/api/v1`: JSON in, JSON out, problem+json when something is wrong.
//!
//! A request passes the access log, then `auth` says who calls and whether `rights` lets them, `input` reads what they send, and a
//! handler beside its noun answers, with one of the kinds of `output`. `openapi` says all that to others. Neither log lines nor answers ever repeat what was sent where it might be a token.

pub(crate) mod problem;
pub(crate) mod input;
mod page;
pub(crate) mod output;
pub mod rights;
mod auth;
mod peer;
pub(crate) mod cookie;
pub(crate) mod limits;
mod idempotency;
mod access_log;
pub(crate) mod leaks;
pub(crate) mod policies;
pub(crate) mod responses;
pub(crate) mod closed_leaks;
pub(crate) mod guard_rails;
mod jobs;
pub(crate) mod attempts;
pub(crate) mod sources;
pub(crate) mod scans;
mod imports;
pub(crate) mod verdicts;
mod intake;
mod webhooks;
mod checks;
mod public_checks;
mod epochs;
pub(crate) mod gateways;
pub(crate) mod notifications;
pub(crate) mod tenants;
pub(crate) mod users;
pub(crate) mod session;
mod sso;
pub(crate) mod api_tokens;
pub(crate) mod audit;
mod health;
mod server;
mod patience;
pub mod openapi;

pub use auth::TENANT_HEADER;
pub use cookie::Site;
pub use input::BODY_TIMEOUT;
pub(crate) use input::MAX_LIMIT;
pub use limits::Limits;
pub use patience::STALL;
pub use peer::Proxies;
pub(crate) use problem::Answer;
pub use problem::Problem;
pub use server::{HEAD_TIMEOUT, serve};
pub use sso::CALLBACK;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::console;

/// Largest body of a request: room for tens of thousands of tokens.
pub const MAX_BODY: usize = 2 * 1024 * 1024;

/// All routes of the tables, and what refuses everything else.
pub fn router(app: Arc<App>) -> Router {
    let routes: Vec<rights::Route> = rights::routes().into_iter().chain(rights::pages()).collect();
    let gate = Arc::new(auth::Gate::of(&routes));
    let router = routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler));
    router
        .fallback(async || Problem::NoSuchRoute)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(from_fn_with_state(Arc::clone(&app), idempotency::once))
        .layer(from_fn_with_state((Arc::clone(&app), gate), auth::authorise))
        .layer(from_fn(console::for_browsers))
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
