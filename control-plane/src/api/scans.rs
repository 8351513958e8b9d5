//! `/api/v1/sources/{id}/scans` and `/api/v1/scans`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::json;

use super::input::IdInPath;
use super::output::Accepted;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::people::Caller;
use crate::scans::{self, Queued, ScanView};
use crate::sources;
use crate::tenants;
use crate::time::Time;

/// A body is not needed, and none is read.
pub(crate) async fn start(State(app): State<Arc<App>>, caller: Caller, IdInPath(source): IdInPath) -> Answer<Accepted<ScanView>> {
    let mut db = app.store.write().await?;
    let source = sources::get(&mut db, caller.tenant.id, source).await?.ok_or(Problem::NotFound { what: "source" })?;
    if source.is_intake() {
        let detail = "holds what others brought, and is not scanned; add the place itself as a source".to_owned();
        return Err(Problem::Invalid { field: "source", detail });
    }
    if !tenants::is_on(&mut db, caller.tenant.id).await? {
        return Err(Problem::ModuleOff);
    }
    let scan = match scans::queue(&mut db, caller.tenant.id, source.id, Time::now()).await? {
        Queued::New(scan) => scan,
        Queued::UnderWay(scan) => return Err(Problem::ScanUnderWay { scan }),
    };
    let after = Some(json!({"source": source.id, "location": source.location}));
    audit::record(&mut db, &caller, "scan.start", &format!("scan/{scan}"), None, after).await?;
    db.commit().await?;
    app.job_queued.notify_waiters();
    tracing::info!(scan, source = source.id, author = caller.name, "scan queued");
    let view = load(&app, &caller, scan).await?;
    Ok(Accepted::at(format!("/api/v1/scans/{scan}"), view))
}

pub(crate) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Json<ScanView>> {
    load(&app, &caller, id).await.map(Json)
}

async fn load(app: &App, caller: &Caller, id: i64) -> Answer<ScanView> {
    let scan = scans::get(&mut *app.store.read().await?, caller.tenant.id, id).await?;
    scan.ok_or(Problem::NotFound { what: "scan" })
}
