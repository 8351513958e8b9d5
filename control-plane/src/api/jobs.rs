//! `/api/v1/jobs`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{Asked, IdInPath, limit};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::jobs::{self, JobView};
use crate::people::Caller;
use crate::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListJobs {
    dead: Option<bool>,
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct JobList {
    jobs: Vec<JobView>,
    /// What to give as `before` for the next page.
    next: Option<i64>,
}

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller, Asked(asked): Asked<ListJobs>) -> Answer<Json<JobList>> {
    let limit = limit(asked.limit)?;
    let jobs = jobs::list(&mut *app.store.read().await?, caller.tenant.id, asked.dead, asked.before, limit).await?;
    let full = jobs.len() == limit as usize;
    let next = jobs.last().filter(|_| full).map(|job| job.id);
    Ok(Json(JobList { jobs, next }))
}

/// Only of a dead one: the others are tried again by themselves.
pub(super) async fn retry(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<StatusCode> {
    let mut db = app.store.write().await?;
    let before = jobs::get(&mut db, caller.tenant.id, id).await?;
    if !jobs::retry(&mut db, caller.tenant.id, id, Time::now()).await? {
        return Err(Problem::NotFound { what: "dead job" });
    }
    let after = jobs::get(&mut db, caller.tenant.id, id).await?;
    audit::record(&mut db, &caller, "job.retry", &format!("job/{id}"), audit::seen(&before), audit::seen(&after)).await?;
    db.commit().await?;
    app.job_queued.notify_waiters();
    tracing::info!(job = id, author = caller.name, "dead job tried again");
    Ok(StatusCode::ACCEPTED)
}
