//! One line for each request: the route instead of the path, and no query, for both may hold what does not belong into a log.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

pub(super) async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let (status, elapsed_us) = (response.status().as_u16(), started.elapsed().as_micros());
    if matches!(route, "/healthz" | "/readyz" | "/metrics") {
        tracing::debug!(%method, route, status, elapsed_us, "request");
    } else {
        tracing::info!(%method, route, status, elapsed_us, "request");
    }
    response
}
