//! `/healthz`, `/readyz` and `/metrics`: for machines, without a token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::openapi::{Operation, Tells};
use super::problem::{Answer, NoIndex, Problem};
use crate::app::App;
use crate::metrics::Counted;
use crate::tenants::{self, Tenant};
use crate::time::Time;

/// Metrics as Prometheus reads them.
pub(super) struct Exposition(String);

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers and takes what is written, and every tenant has an index.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Answer<String> {
    let tenants = tenants::all(&mut *app.store.read().await?).await?;
    app.store.probe().await?;
    for tenant in &tenants {
        app.publisher.open(tenant).await.map_err(Problem::Internal)?;
        if app.publisher.subscribe(tenant.id).is_none() {
            return Err(Problem::NoIndex(NoIndex::Unproved));
        }
    }
    // Numbers and no names: anybody may ask.
    let count = |is: &dyn Fn(&Tenant) -> bool| tenants.iter().filter(|tenant| is(tenant)).count();
    let (of, off) = (tenants.len(), count(&|tenant| !app.publisher.is_on(tenant.id)));
    let off = if off > 0 { format!("module-off: the API Leaks module of {off} of {of} tenants is off\n") } else { String::new() };
    // Still ready: gateways keep the last good index, and people need the API now more than ever.
    Ok(match count(&|tenant| app.publisher.is_unproved(tenant.id)) {
        0 => format!("ready\n{off}"),
        unproved => format!("ready\n{off}index-unproved: the newest index of {unproved} of {of} tenants is not published\n"),
    })
}

/// What Prometheus reads.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Answer<Exposition> {
    let mut db = app.store.read().await?;
    let leaks =
        sqlx::query_as("SELECT status, CASE WHEN patched_at IS NULL THEN 0 ELSE 1 END, count(*) FROM leaks GROUP BY 1, 2");
    let leaks = leaks.fetch_all(&mut *db).await?;
    let tokens = sqlx::query_scalar("SELECT count(*) FROM tokens").fetch_one(&mut *db).await?;
    let epochs = sqlx::query_as("SELECT name, epoch FROM tenants").fetch_all(&mut *db).await?;
    let counted = Counted { leaks, tokens, epochs, gateways: app.fleet.watched(Time::now()) };
    let text = app.metrics.encode(&counted).map_err(|error| Problem::Internal(error.into()))?;
    Ok(Exposition(text))
}

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], self.0).into_response()
    }
}

impl Tells for Exposition {
    fn describe(operation: &mut Operation<'_>) {
        operation.content(200, "OpenMetrics 1.0", "application/openmetrics-text", &json!({"type": "string"}));
    }
}
