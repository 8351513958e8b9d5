//! Which code does which kind of job.

use std::sync::Arc;

use super::{Ended, Job, Kind};
use crate::app::App;
use crate::scans;

/// Does the job, or what is left of it. Is dropped at any point when the claim is lost or the process stops.
pub(super) async fn run(app: &Arc<App>, job: &Job) -> anyhow::Result<Ended> {
    match job.kind {
        Kind::Scan => scans::run(app, job).await,
    }
}

/// The job waits again, without having failed.
pub(super) async fn postponed(app: &Arc<App>, job: &Job) -> anyhow::Result<()> {
    match job.kind {
        Kind::Scan => scans::wait_again(app, job).await,
    }
}

/// The job is dead: what waits for it should know.
pub(super) async fn died(app: &Arc<App>, job: &Job, error: &str) -> anyhow::Result<()> {
    match job.kind {
        Kind::Scan => scans::give_up(app, job, error).await,
    }
}
