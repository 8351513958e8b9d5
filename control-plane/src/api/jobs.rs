//! `/api/v1/jobs`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::input::{Asked, IdInPath, MAX_LIMIT, limit};
use super::output::Accepted;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::jobs::{self, JobView};
use crate::people::Caller;
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListJobs {
    /// Only those that were given up, or only the others.
    dead: Option<bool>,
    /// What `next` has said: the next page.
    #[serde(alias = "before")]
    cursor: Option<i64>,
    #[schemars(range(min = 1, max = MAX_LIMIT))]
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct JobList {
    jobs: Vec<JobView>,
    /// What to give as `cursor` for the next page.
    next: Option<i64>,
}

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller, Asked(asked): Asked<ListJobs>) -> Answer<Json<JobList>> {
    let limit = limit(asked.limit)?;
    let jobs = jobs::list(&mut *app.store.read().await?, caller.tenant.id, asked.dead, asked.cursor, limit).await?;
    let full = jobs.len() == limit as usize;
    let next = jobs.last().filter(|_| full).map(|job| job.id);
    Ok(Json(JobList { jobs, next }))
}

/// Only of a dead one: the others are tried again by themselves.
pub(super) async fn retry(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Accepted<JobView>> {
    let mut db = app.store.write().await?;
    let before = jobs::get(&mut db, caller.tenant.id, id).await?;
    if !jobs::retry(&mut db, caller.tenant.id, id, Time::now()).await? {
        return Err(Problem::NotFound { what: "dead job" });
    }
    let after = jobs::get(&mut db, caller.tenant.id, id).await?.ok_or(Problem::NotFound { what: "job" })?;
    audit::record(&mut db, &caller, "job.retry", &format!("job/{id}"), audit::seen(&before), audit::seen(&after)).await?;
    db.commit().await?;
    app.job_queued.notify_waiters();
    tracing::info!(job = id, author = caller.name, "dead job tried again");
    Ok(Accepted::new(after))
}
