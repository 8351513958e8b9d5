//! Takes jobs that are due and does them, one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::{Ended, Job, Kind, LEASE, MAX_ATTEMPTS, handlers, queue};
use crate::app::App;
use crate::time::Time;

/// How often is looked for jobs that nobody told of: those that are due by the time, and those of another process.
const POLL: Duration = Duration::from_secs(1);
/// Between two tries when the database cannot be used.
const RETRY: Duration = Duration::from_secs(1);

/// Does jobs until the control plane stops. What is under way then goes back into the queue.
pub async fn work(app: Arc<App>) {
    if let Err(error) = queue::release_all(&app.store).await {
        tracing::warn!(%error, "what a crash cut short is begun again a minute later");
    }
    while !*app.stopping.borrow() {
        // From before the look, so that nothing is missed that comes right after it.
        let told = app.job_queued.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        match next(&app).await {
            Ok(Some(job)) => attend(&app, job).await,
            Ok(None) => {
                tokio::select! {
                    () = told => {}
                    () = tokio::time::sleep(POLL) => {}
                    () = app.stopped() => {}
                }
            }
            Err(error) => {
                tracing::error!(%error, "jobs cannot be taken; trying again");
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    () = app.stopped() => {}
                }
            }
        }
    }
}

/// A look needs no turn at writing, and most of them find nothing.
async fn next(app: &App) -> Result<Option<Job>, sqlx::Error> {
    let (now, kinds) = (Time::now(), &Kind::ALL);
    if queue::is_due(&app.store, kinds, now).await? { queue::claim(&app.store, kinds, &app.process, now).await } else { Ok(None) }
}

/// Does one job while keeping its claim.
async fn attend(app: &Arc<App>, job: Job) {
    let (id, kind, worker) = (job.id, job.kind.as_str(), app.process.as_str());
    let ended = if job.attempts > MAX_ATTEMPTS {
        Err(anyhow::anyhow!("its workers ended before it did"))
    } else {
        // On its own, so that a panic ends the job and not the worker.
        let doing = tokio::spawn({
            let (app, job) = (Arc::clone(app), job.clone());
            async move { handlers::run(&app, &job).await }
        });
        let aborting = doing.abort_handle();
        let ended = tokio::select! {
            done = doing => done.unwrap_or_else(|broken| Err(anyhow::anyhow!("broke off by a defect: {broken}"))),
            () = claim_lost(app, &job, worker) => {
                aborting.abort();
                tracing::warn!(job = id, kind, "the claim on a job was lost: another worker has it");
                return;
            }
            () = app.stopped() => Ok(Ended::Later(Duration::ZERO)),
        };
        aborting.abort();
        ended
    };
    while let Err(error) = settle(app, &job, worker, &ended).await {
        tracing::error!(job = id, kind, error = format!("{error:#}"), "the end of a job cannot be written down");
        if *app.stopping.borrow() {
            // The claim runs out, and another worker begins it again.
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn settle(app: &Arc<App>, job: &Job, worker: &str, ended: &anyhow::Result<Ended>) -> anyhow::Result<()> {
    let (id, kind) = (job.id, job.kind.as_str());
    match ended {
        Ok(Ended::Done) => queue::remove(&app.store, job, worker).await?,
        Ok(Ended::Later(pause)) => {
            handlers::postponed(app, job).await?;
            queue::put_back(&app.store, job, worker, Time::now().plus(*pause)).await?;
        }
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(job = id, kind, attempt = job.attempts, error, "a job failed");
            if queue::fail(&app.store, job, worker, &error, Time::now()).await? {
                tracing::error!(job = id, kind, "a job is dead: see `stopleak job list`");
                handlers::died(app, job, &error).await?;
            }
        }
    }
    Ok(())
}

/// Keeps the claim, and returns when it is lost.
async fn claim_lost(app: &App, job: &Job, worker: &str) {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        match queue::renew(&app.store, job, worker, Time::now()).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(job = job.id, %error, "the claim on a job was not renewed; trying again"),
        }
    }
}
