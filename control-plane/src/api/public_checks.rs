//! `/public/v1/{tenant}/checks`: for anybody, and off until a tenant switches it on.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::openapi::{Operation, Tells};
use super::peer::{Peer, network};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::public_checks::{self, Prefix};

/// All hashes that begin alike, a line each.
pub(super) struct Range(String);

pub(super) async fn range(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Answer<Range> {
    // Before anything that costs something.
    let client = app.proxies.client(&headers, peer).map(network);
    app.limits.public_checks.take(client, Instant::now()).map_err(|left| Problem::RateLimited { left })?;
    let Path((tenant, prefix)) = path.map_err(|_| Problem::NoSuchRoute)?;
    let mut db = app.store.read().await?;
    // A tenant that is not there and one that has none look alike.
    let tenant = public_checks::tenant(&mut db, &tenant).await?.ok_or(Problem::NoSuchRoute)?;
    let detail = || "is not the first five hexadecimal digits of a SHA-256".to_owned();
    let prefix = Prefix::parse(&prefix).ok_or_else(|| Problem::Invalid { field: "prefix", detail: detail() })?;
    let lines = public_checks::lines(&mut db, &app.keys, tenant, prefix).await?;
    Ok(Range(lines))
}

impl IntoResponse for Range {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
        (headers, self.0).into_response()
    }
}

impl Tells for Range {
    fn describe(operation: &mut Operation<'_>) {
        String::describe(operation);
    }
}
