//! Scans: reading a source once, and turning what is found into leaks.
//!
//! A scan is queued together with the job that runs it, so that one that a crash cut short runs again. What it
//! finds becomes [`findings`](crate::findings). Running a scan twice adds nothing.

mod worker;

pub use worker::{give_up, run, wait_again};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::jobs::{self, Kind};
use crate::store::{Connection, text_enum};
use crate::tenants::TenantId;
use crate::time::Time;

/// Where a scan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ScanStatus")]
pub enum Status {
    /// Waits for its turn.
    Queued,
    /// Reads.
    Running,
    /// Has read everything that its coverage names.
    Done,
    /// Could not read the source; what it had found by then stands.
    Failed,
}

text_enum!(Status { Queued = "queued", Running = "running", Done = "done", Failed = "failed" });

/// A scan as people see it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Scan")]
pub struct ScanView {
    /// Its key.
    pub id: i64,
    /// The source.
    pub source: i64,
    /// Where it stands.
    pub status: Status,
    /// How far it is.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub progress: Option<Box<RawValue>>,
    /// What was and was not read, and why.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub coverage: Option<Box<RawValue>>,
    /// Tokens found at any place, each place counted.
    pub found: i64,
    /// Tokens found that no leak had before.
    pub found_new: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: Time,
    /// When it began.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
}

/// The answer to a wish for a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It waits for its turn.
    New(i64),
    /// One of the same source has not ended yet.
    UnderWay(i64),
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    source_id: i64,
    status: Status,
    progress: Option<String>,
    coverage: Option<String>,
    found: i64,
    found_new: i64,
    error: Option<String>,
    created_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
}

/// Asks for a scan of a source.
pub async fn queue(db: &mut Connection, tenant: TenantId, source: i64, now: Time) -> Result<Queued, sqlx::Error> {
    let under_way: Option<i64> =
        sqlx::query_scalar("SELECT id FROM scans WHERE source_id = $1 AND status IN ($2, $3) ORDER BY id LIMIT 1")
            .bind(source)
            .bind(Status::Queued)
            .bind(Status::Running)
            .fetch_optional(&mut *db)
            .await?;
    if let Some(scan) = under_way {
        return Ok(Queued::UnderWay(scan));
    }
    let insert = "INSERT INTO scans (tenant_id, source_id, status, created_at) VALUES ($1, $2, $3, $4) RETURNING id";
    let scan: i64 =
        sqlx::query_scalar(insert).bind(tenant).bind(source).bind(Status::Queued).bind(now).fetch_one(&mut *db).await?;
    jobs::enqueue(db, tenant, Kind::Scan, &json!({"scan": scan}), now).await?;
    Ok(Queued::New(scan))
}

/// One scan.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<ScanView>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, source_id, status, progress, coverage, found, found_new, error, created_at, started_at, finished_at
         FROM scans WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(id)
    .fetch_optional(db)
    .await?;
    Ok(row.map(Row::view))
}

/// The newest scan of a source.
pub async fn newest(db: &mut Connection, source: i64) -> Result<Option<(i64, Status)>, sqlx::Error> {
    sqlx::query_as("SELECT id, status FROM scans WHERE source_id = $1 ORDER BY id DESC LIMIT 1")
        .bind(source)
        .fetch_optional(db)
        .await
}

impl Row {
    fn view(self) -> ScanView {
        // Written by this program as JSON; what somebody else broke is left out.
        let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        ScanView {
            id: self.id,
            source: self.source_id,
            status: self.status,
            progress: json(self.progress),
            coverage: json(self.coverage),
            found: self.found,
            found_new: self.found_new,
            error: self.error,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}
