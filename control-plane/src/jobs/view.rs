//! What people see of jobs, and what they can do about dead ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::{Connection, Page, Sql};
use crate::tenants::TenantId;
use crate::time::Time;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobState")]
pub enum State {
    /// Waits for its time or for a worker.
    Waiting,
    /// A worker has it.
    Running,
    /// Failed too often.
    Dead,
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub struct JobView {
    /// Its key.
    pub id: i64,
    /// What it is.
    pub kind: String,
    /// What it is about.
    pub payload: Value,
    /// Where it stands.
    pub state: State,
    /// How often it was begun.
    pub attempts: i64,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// When it was asked for.
    pub created_at: Time,
    /// Not begun before.
    pub run_at: Time,
    /// When it was given up.
    pub died_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    kind: String,
    payload: String,
    attempts: i64,
    last_error: Option<String>,
    created_at: Time,
    run_at: Time,
    claimed_by: Option<String>,
    died_at: Option<Time>,
}

/// The tenant's jobs: all, or the dead ones, or those that are not.
pub async fn list(db: &mut Connection, tenant: TenantId, dead: Option<bool>, page: &Page) -> Result<Vec<JobView>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT id, kind, payload, attempts, last_error, created_at, run_at, claimed_by, died_at FROM jobs WHERE tenant_id = ",
    );
    sql.int(tenant.0).push(match dead {
        None => "",
        Some(true) => " AND died_at IS NOT NULL",
        Some(false) => " AND died_at IS NULL",
    });
    sql.page("id", page);
    let rows: Vec<Row> = sql.fetch_all(db).await?;
    Ok(rows.into_iter().map(Row::view).collect())
}

/// One job.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<JobView>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, kind, payload, attempts, last_error, created_at, run_at, claimed_by, died_at FROM jobs
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(id)
    .fetch_optional(db)
    .await?;
    Ok(row.map(Row::view))
}

/// Gives a dead job another life, from now on; false when the tenant has no such dead job.
pub async fn retry(db: &mut Connection, tenant: TenantId, id: i64, now: Time) -> Result<bool, sqlx::Error> {
    let retry =
        "UPDATE jobs SET died_at = NULL, attempts = 0, run_at = $3 WHERE tenant_id = $1 AND id = $2 AND died_at IS NOT NULL";
    let done = sqlx::query(retry).bind(tenant).bind(id).bind(now).execute(db).await?;
    Ok(done.rows_affected() == 1)
}

impl Row {
    fn view(self) -> JobView {
        let state = match (self.died_at, self.claimed_by) {
            (Some(_), _) => State::Dead,
            (None, Some(_)) => State::Running,
            (None, None) => State::Waiting,
        };
        JobView {
            id: self.id,
            kind: self.kind,
            payload: serde_json::from_str(&self.payload).unwrap_or(Value::Null),
            state,
            attempts: self.attempts,
            last_error: self.last_error,
            created_at: self.created_at,
            run_at: self.run_at,
            died_at: self.died_at,
        }
    }
}
