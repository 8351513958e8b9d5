//! The numbers of charts: read from counters that grow with each change.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// The numbers of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// All leaks.
    pub total: i64,
    /// Of all risks and sources.
    #[serde(flatten)]
    pub all: Counts,
    /// By risk.
    pub risks: BTreeMap<String, Counts>,
    /// By life: whether their tokens work.
    pub lives: BTreeMap<String, Counts>,
    /// By source: those with most open leaks.
    pub sources: Vec<SourceCounts>,
    /// What happened on each day, the oldest first; days on which nothing happened are left out.
    pub days: Vec<Day>,
}

/// Leaks by where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Open, with or without a virtual patch.
    pub open: i64,
    /// Open with a virtual patch.
    pub patched: i64,
    /// Closed.
    pub closed: i64,
    /// Marked as false.
    pub false_positive: i64,
}

/// Leaks of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceCounts {
    /// The source; `null`: leaks that were added by hand.
    pub source: Option<i64>,
    /// What people call it.
    pub title: Option<String>,
    /// Its leaks.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What happened on one day in UTC: leaks `found`, decisions by action, uses of tokens by outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Day {
    /// When it began.
    pub day: Time,
    /// How much of what.
    #[serde(flatten)]
    pub counts: BTreeMap<String, i64>,
}

/// Sources that are named.
const SOURCES: i64 = 100;
const DAY: u64 = 24 * 60 * 60 * 1000;

/// Reads the numbers.
pub async fn summarise(db: &mut Connection, tenant: TenantId, days: u32, now: Time) -> Result<Summary, sqlx::Error> {
    let mut summary = Summary { sources: sources(&mut *db, tenant).await?, ..Summary::default() };
    let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT status, risk, patched, CAST(sum(leaks) AS BIGINT) FROM leak_counts WHERE tenant_id = $1
         GROUP BY status, risk, patched",
    )
    .bind(tenant)
    .fetch_all(&mut *db)
    .await?;
    for (status, risk, patched, leaks) in rows {
        summary.total += leaks;
        summary.all.add(&status, patched != 0, leaks);
        summary.risks.entry(risk).or_default().add(&status, patched != 0, leaks);
    }
    let rows: Vec<(String, String, i64, i64)> =
        sqlx::query_as("SELECT life, status, patched, leaks FROM life_counts WHERE tenant_id = $1")
            .bind(tenant)
            .fetch_all(&mut *db)
            .await?;
    for (life, status, patched, leaks) in rows {
        summary.lives.entry(life).or_default().add(&status, patched != 0, leaks);
    }
    let today = now.as_millis() / DAY;
    let first = today.saturating_sub(u64::from(days).saturating_sub(1));
    let rows: Vec<(i64, String, i64)> = sqlx::query_as(
        "SELECT day, what, count FROM day_counts WHERE tenant_id = $1 AND day >= $2 AND day <= $3 ORDER BY day, what",
    )
    .bind(tenant)
    .bind(i64::try_from(first).unwrap_or(i64::MAX))
    .bind(i64::try_from(today).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    for (day, what, count) in rows {
        let day = Time::from_millis(u64::try_from(day).unwrap_or(0) * DAY);
        if summary.days.last().is_none_or(|last| last.day != day) {
            summary.days.push(Day { day, counts: BTreeMap::new() });
        }
        if let Some(last) = summary.days.last_mut() {
            last.counts.insert(what, count);
        }
    }
    Ok(summary)
}

async fn sources(db: &mut Connection, tenant: TenantId) -> Result<Vec<SourceCounts>, sqlx::Error> {
    type SourceRow = (i64, Option<String>, i64, i64, i64, i64);
    let rows: Vec<SourceRow> = sqlx::query_as(
        "SELECT c.source, s.title, c.open_leaks, c.patched_leaks, c.closed_leaks, c.false_leaks FROM
             (SELECT source, CAST(sum(CASE WHEN status = 'open' THEN leaks ELSE 0 END) AS BIGINT) AS open_leaks,
                     CAST(sum(CASE WHEN patched = 1 THEN leaks ELSE 0 END) AS BIGINT) AS patched_leaks,
                     CAST(sum(CASE WHEN status = 'closed' THEN leaks ELSE 0 END) AS BIGINT) AS closed_leaks,
                     CAST(sum(CASE WHEN status = 'false_positive' THEN leaks ELSE 0 END) AS BIGINT) AS false_leaks
              FROM leak_counts WHERE tenant_id = $1 GROUP BY source ORDER BY open_leaks DESC, source LIMIT $2) c
         LEFT JOIN sources s ON s.id = c.source AND s.tenant_id = $1
         ORDER BY c.open_leaks DESC, c.source",
    )
    .bind(tenant)
    .bind(SOURCES)
    .fetch_all(db)
    .await?;
    let counts = |(source, title, open, patched, closed, false_positive): SourceRow| SourceCounts {
        source: Some(source).filter(|&source| source != 0),
        title,
        counts: Counts { open, patched, closed, false_positive },
    };
    Ok(rows.into_iter().map(counts).collect())
}

impl Counts {
    pub(super) fn add(&mut self, status: &str, patched: bool, leaks: i64) {
        match status {
            "open" => self.open += leaks,
            "closed" => self.closed += leaks,
            _ => self.false_positive += leaks,
        }
        if patched {
            self.patched += leaks;
        }
    }
}
