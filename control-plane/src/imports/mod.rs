//! Imports: what other scanners found.
//!
//! An import is made first and gets its report afterwards, as a stream: [`report`] reads it finding by finding, [`Reading`] writes
//! the findings down in batches, each with the place in the report that it goes to. A report whose connection broke is sent again
//! and goes on behind what was written; one that is read twice adds nothing.

pub(crate) mod report;
pub(crate) mod taking;
mod reading;

pub use reading::{ImportError, Reading};
pub use report::ReportError;

use schemars::JsonSchema;
use serde::Serialize;

use crate::sources;
use crate::store::{Connection, Page, Sql};
use crate::tenants::TenantId;
use crate::time::Time;

/// An import as people see it.
#[derive(Clone, Debug, Serialize, JsonSchema, sqlx::FromRow)]
#[schemars(rename = "Import")]
pub struct ImportView {
    /// Its key.
    pub id: i64,
    /// The source that its findings belong to.
    pub source: i64,
    /// What people call that.
    pub title: String,
    /// `waiting` for its report, or for the rest of it; or `done`.
    #[schemars(extend("enum" = ["waiting", "done"]))]
    pub status: String,
    /// Findings of the report so far.
    pub findings: i64,
    /// Tokens that no leak had before.
    pub found_new: i64,
    /// Findings passed over, since the report has no text of the token.
    pub without_secret: i64,
    /// Findings passed over, since the other scanner has hidden the token.
    pub redacted: i64,
    /// Findings passed over, since they have white space: private keys and passages of text.
    pub with_white_space: i64,
    /// Findings passed over, since they are too short for a token or too long.
    pub unfit: i64,
    /// Why the last reading ended early.
    pub error: Option<String>,
    /// Who made it.
    pub author: String,
    /// When.
    pub created_at: Time,
    /// Until when somebody's report is being read for it, unless that goes on; absent when nobody sends one.
    pub reading_until: Option<Time>,
    /// When it was done.
    pub finished_at: Option<Time>,
}

/// Reports that are read at the same time.
pub const READING_AT_ONCE: usize = 2;

const COLUMNS: &str =
    "SELECT i.id, i.source_id AS source, s.title, i.status, i.findings, i.found_new, i.without_secret, i.redacted,
    i.with_white_space, i.unfit, i.error, i.author, i.created_at, i.reading_until, i.finished_at
    FROM imports i JOIN sources s ON s.id = i.source_id";

/// Makes an import of a source that is called so; that source is made too when it is not there.
pub async fn add(db: &mut Connection, tenant: TenantId, name: &str, author: &str, now: Time) -> Result<ImportView, sqlx::Error> {
    let (source, _) = sources::add(&mut *db, tenant, sources::IMPORT, &format!("{}/{name}", sources::IMPORT), name, now).await?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO imports (tenant_id, source_id, status, digest, author, created_at) VALUES ($1, $2, 'waiting', $3, $4, $5)
         RETURNING id",
    )
    .bind(tenant)
    .bind(source.id)
    .bind(reading::NOTHING_READ.as_slice())
    .bind(author)
    .bind(now)
    .fetch_one(&mut *db)
    .await?;
    get(db, tenant, id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// One import.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<ImportView>, sqlx::Error> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE i.tenant_id = $1 AND i.id = $2")))
        .bind(tenant)
        .bind(id)
        .fetch_optional(db)
        .await
}

/// The tenant's imports.
pub async fn list(db: &mut Connection, tenant: TenantId, page: &Page) -> Result<Vec<ImportView>, sqlx::Error> {
    let mut sql = Sql::new(COLUMNS);
    sql.push(" WHERE i.tenant_id = ").int(tenant.0).page("i.id", page);
    sql.fetch_all(db).await
}
