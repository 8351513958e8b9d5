//! Runs the scans that jobs name.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use stopleak_scanner::{Cancel, Coverage, Finding, Observer, Options, Progress, Scan, ScanError, SourceLocation};
use tokio::sync::{mpsc, watch};

use super::Status;
use crate::app::App;
use crate::findings::{self, Found, Target};
use crate::jobs::{Ended, Job};
use crate::keys::TenantKeys;
use crate::time::Time;
use crate::{sources, tenants};

/// Findings in one transaction: nobody else writes meanwhile.
const BATCH: usize = 200;
/// Findings that wait to be written; a scan that finds more waits too.
const WAITING: usize = 2 * BATCH;
/// How often progress is written down.
const PROGRESS_STEP: Duration = Duration::from_millis(500);
/// Between two tries when the database cannot be used.
const RETRY: Duration = Duration::from_secs(1);
/// How soon a scan is looked at again whose tenant has switched its module off.
const MODULE_OFF: Duration = Duration::from_secs(5);

/// What the scanner's thread tells.
struct Teller {
    app: Arc<App>,
    key: TenantKeys,
    findings: mpsc::Sender<Found>,
    progress: watch::Sender<Option<Progress>>,
}

/// Stops the scanner's thread when whoever waits for it is gone.
struct Leash(Cancel);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs the scan that a job names, from its beginning.
pub async fn run(app: &Arc<App>, job: &Job) -> anyhow::Result<Ended> {
    let scan = named(job)?;
    let mut db = app.store.write().await?;
    let row: Option<(Status, i64, String, String)> = sqlx::query_as(
        "SELECT c.status, s.id, s.title, s.location FROM scans c JOIN sources s ON s.id = c.source_id
         WHERE c.tenant_id = $1 AND c.id = $2",
    )
    .bind(job.tenant)
    .bind(scan)
    .fetch_optional(&mut *db)
    .await?;
    let Some((Status::Queued | Status::Running, source, title, location)) = row else { return Ok(Ended::Done) };
    if !tenants::is_on(&mut db, job.tenant).await? {
        return Ok(Ended::Later(MODULE_OFF));
    }
    // Found is counted from the beginning when a scan runs once more.
    sqlx::query("UPDATE scans SET status = $2, started_at = $3, found = 0, found_new = 0, progress = NULL WHERE id = $1")
        .bind(scan)
        .bind(Status::Running)
        .bind(Time::now())
        .execute(&mut *db)
        .await?;
    db.commit().await?;
    read_all(app, scan, Target { tenant: job.tenant, source, title }, location).await;
    Ok(Ended::Done)
}

/// The job waits again.
pub async fn wait_again(app: &App, job: &Job) -> anyhow::Result<()> {
    let mut db = app.store.write().await?;
    sqlx::query("UPDATE scans SET status = $3 WHERE tenant_id = $1 AND id = $2 AND status = $4")
        .bind(job.tenant)
        .bind(named(job)?)
        .bind(Status::Queued)
        .bind(Status::Running)
        .execute(&mut *db)
        .await?;
    Ok(db.commit().await?)
}

/// The job is dead, and the scan with it.
pub async fn give_up(app: &App, job: &Job, error: &str) -> anyhow::Result<()> {
    finish(app, named(job)?, &Err(format!("given up: {error}"))).await.map_err(Into::into)
}

fn named(job: &Job) -> anyhow::Result<i64> {
    job.payload["scan"].as_i64().context("the job names no scan")
}

async fn read_all(app: &Arc<App>, scan: i64, target: Target, location: String) {
    tracing::info!(scan, source = target.source, "scan started");
    let (findings, mut found) = mpsc::channel(WAITING);
    let (progress, mut progressed) = watch::channel(None);
    let teller = Teller { app: Arc::clone(app), key: app.keys.fingerprint(target.tenant), findings, progress };
    let leash = Leash(Cancel::default());
    let (reading, cancel) = (Arc::clone(app), leash.0.clone());
    let thread = tokio::task::spawn_blocking(move || read(&reading, &location, teller, &cancel));

    let mut tick = tokio::time::interval(PROGRESS_STEP);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            count = found.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    break;
                }
                let epoch = loop {
                    match write(app, scan, &target, &batch).await {
                        Ok(epoch) => break epoch,
                        Err(error) => try_again("findings", &error).await,
                    }
                };
                if let Some(epoch) = epoch {
                    app.committed(target.tenant, epoch);
                }
                batch.clear();
            }
            _ = tick.tick() => {
                let newest = *progressed.borrow_and_update();
                if let Some(progress) = newest
                    && let Err(error) = write_progress(app, scan, progress).await
                {
                    tracing::warn!(scan, %error, "progress was not written down");
                }
            }
        }
    }
    let outcome = thread.await.unwrap_or_else(|panicked| Err(format!("the scan broke off by a defect: {panicked}")));
    let last = *progressed.borrow();
    if let Some(progress) = last {
        // Only for show.
        let _ = write_progress(app, scan, progress).await;
    }
    while let Err(error) = finish(app, scan, &outcome).await {
        try_again("the end of a scan", &error).await;
    }
}

/// In one transaction; returns the epoch that carries what is new.
async fn write(app: &App, scan: i64, target: &Target, batch: &[Found]) -> Result<Option<i64>, sqlx::Error> {
    let mut db = app.store.write().await?;
    let found: Vec<&Found> = batch.iter().collect();
    let written = findings::write(&mut db, target, &found, Time::now()).await?;
    sqlx::query("UPDATE scans SET found = found + $2, found_new = found_new + $3 WHERE id = $1")
        .bind(scan)
        .bind(i64::try_from(batch.len()).unwrap_or(i64::MAX))
        .bind(written.new)
        .execute(&mut *db)
        .await?;
    db.commit().await?;
    Ok(written.epoch)
}

/// `Ok(None)` when the scan was stopped.
fn read(app: &App, location: &str, mut teller: Teller, cancel: &Cancel) -> Result<Option<Coverage>, String> {
    let (location, _): (SourceLocation, _) =
        sources::check(location, &app.local_sources).map_err(|error| format!("the location {error}"))?;
    let options = Options { temporary_folder: Some(app.clones.clone()), ..Options::default() };
    match Scan::new(app.detector(), options).run(&location, &mut teller, cancel) {
        Ok(coverage) => Ok(Some(coverage)),
        Err(ScanError::Cancelled) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

async fn finish(app: &App, scan: i64, outcome: &Result<Option<Coverage>, String>) -> Result<(), sqlx::Error> {
    let (status, coverage, error) = match outcome {
        Ok(Some(coverage)) => (Status::Done, serde_json::to_string(coverage).ok(), None),
        Ok(None) => (Status::Queued, None, None),
        Err(error) => (Status::Failed, None, Some(error)),
    };
    let mut db = app.store.write().await?;
    sqlx::query("UPDATE scans SET status = $2, coverage = $3, error = $4, finished_at = $5 WHERE id = $1")
        .bind(scan)
        .bind(status)
        .bind(coverage)
        .bind(error)
        .bind((status != Status::Queued).then(Time::now))
        .execute(&mut *db)
        .await?;
    db.commit().await?;
    tracing::info!(scan, ?status, error, "scan ended");
    Ok(())
}

async fn write_progress(app: &App, scan: i64, progress: Progress) -> Result<(), sqlx::Error> {
    let Progress { phase, done, total, bytes } = progress;
    let json = json!({"phase": phase.describe(), "done": done, "total": total, "bytes": bytes});
    let mut db = app.store.write().await?;
    sqlx::query("UPDATE scans SET progress = $2 WHERE id = $1").bind(scan).bind(json.to_string()).execute(&mut *db).await?;
    db.commit().await
}

/// The scanner waits as long as the database does not take what it found, so nothing is lost.
async fn try_again(what: &str, error: &sqlx::Error) {
    tracing::error!(%error, "{what} cannot be written down; trying again");
    tokio::time::sleep(RETRY).await;
}

impl Observer for Teller {
    fn found(&mut self, finding: Finding) {
        let risk = self.app.risk_of(&finding.rule).given(&finding.reasons);
        let found = Found::of(&self.key, &finding, risk);
        drop(finding);
        // Fails only when the writer gave up, and then the scan runs again.
        let _ = self.findings.blocking_send(found);
    }

    fn progress(&mut self, progress: Progress) {
        self.progress.send_replace(Some(progress));
    }
}
