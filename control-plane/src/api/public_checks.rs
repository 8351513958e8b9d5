//! `/public/v1/{tenant}/checks`: for anybody, and off until a tenant switches it on.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};

use super::peer::Peer;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::public_checks::{self, Prefix};

pub(super) async fn range(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Path((tenant, prefix)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    // Before anything that costs something.
    let client = app.proxies.client(&headers, peer);
    app.public_limit.admit(client, Instant::now()).map_err(|wait| Problem::TooManyRequests { wait })?;
    let mut db = app.store.read().await?;
    // A tenant that is not there and one that has none look alike.
    let tenant = public_checks::tenant(&mut db, &tenant).await?.ok_or(Problem::NoSuchRoute)?;
    let detail = || "is not the first five hexadecimal digits of a SHA-256".to_owned();
    let prefix = Prefix::parse(&prefix).ok_or_else(|| Problem::Invalid { field: "prefix", detail: detail() })?;
    let lines = public_checks::lines(&mut db, &app.keys, tenant, prefix).await?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, lines).into_response())
}
