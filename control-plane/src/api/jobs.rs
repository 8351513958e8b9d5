//! `/api/v1/jobs`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::input::{Asked, IdInPath};
use super::output::Accepted;
use super::page::history_query;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::jobs::{self, JobView};
use crate::people::Caller;
use crate::time::Time;

history_query! {
    pub(super) struct ListJobs by "id" {
        /// Only those that were given up, or only the others.
        dead: Option<bool>,
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct JobList {
    jobs: Vec<JobView>,
    /// What to give as `cursor` for the next page.
    next: Option<i64>,
}

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller, Asked(asked): Asked<ListJobs>) -> Answer<Json<JobList>> {
    let page = asked.page()?;
    let jobs = jobs::list(&mut *app.store.read().await?, caller.tenant.id, asked.dead, &page).await?;
    let next = page.next(&jobs, |job| job.id);
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
