//! What a virtual patch would have refused: the observed attempts of the last days.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::index::LeakNumber;

use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// What a virtual patch would have refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Impact {
    /// Of so many days until now.
    pub days: u32,
    /// Requests that passed with one of the leak's tokens.
    pub requests: i64,
    /// Those of them that the upstream answered with success: what works today, and would not.
    pub succeeded: i64,
    /// Addresses that they came from.
    pub clients: i64,
    /// Methods, hosts and paths that they went to.
    pub routes: i64,
    /// The routes with most requests.
    pub top_routes: Vec<Route>,
    /// Whether there were more attempts than are looked at: then all numbers are of the newest, and too low.
    pub truncated: bool,
}

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema, sqlx::FromRow)]
#[schemars(rename = "ImpactRoute")]
pub struct Route {
    /// Of the request.
    pub method: String,
    /// Of the request.
    pub host: String,
    /// Of the request, without the query.
    pub path: String,
    /// How many.
    pub requests: i64,
    /// Those that the upstream answered with success.
    pub succeeded: i64,
}

/// The newest attempts that are looked at: whoever holds a leaked token can make as many as they like.
const NEWEST: i64 = 20_000;
/// Routes that are named.
const TOP: i64 = 20;

/// Of the newest observed attempts, those since `$3`.
const SINCE: &str = "(SELECT * FROM (SELECT client, method, host, path, status, count, last_seen_at FROM attempts
    WHERE tenant_id = $1 AND leak = $2 AND outcome = 'observed' ORDER BY id DESC LIMIT $4) newest WHERE last_seen_at >= $3) a";

/// Counts.
pub async fn impact(
    db: &mut Connection,
    tenant: TenantId,
    leak: LeakNumber,
    days: u32,
    now: Time,
) -> Result<Impact, sqlx::Error> {
    let since = now.minus(Duration::from_hours(u64::from(days) * 24));
    let sums = "CAST(coalesce(sum(count), 0) AS BIGINT) AS requests,
                CAST(coalesce(sum(CASE WHEN status >= 200 AND status < 300 THEN count ELSE 0 END), 0) AS BIGINT) AS succeeded";
    let all = format!("SELECT {sums}, count(DISTINCT client), count(*) FROM {SINCE}");
    let (requests, succeeded, clients, looked_at): (i64, i64, i64, i64) = sqlx::query_as(sqlx::AssertSqlSafe(all))
        .bind(tenant)
        .bind(i64::from(leak))
        .bind(since)
        .bind(NEWEST)
        .fetch_one(&mut *db)
        .await?;
    let routes = format!("SELECT count(*) FROM (SELECT DISTINCT method, host, path FROM {SINCE}) r");
    let routes = sqlx::query_scalar(sqlx::AssertSqlSafe(routes))
        .bind(tenant)
        .bind(i64::from(leak))
        .bind(since)
        .bind(NEWEST)
        .fetch_one(&mut *db)
        .await?;
    let top = format!(
        "SELECT method, host, path, {sums} FROM {SINCE} GROUP BY method, host, path
         ORDER BY requests DESC, method, host, path LIMIT $5"
    );
    let top_routes = sqlx::query_as(sqlx::AssertSqlSafe(top))
        .bind(tenant)
        .bind(i64::from(leak))
        .bind(since)
        .bind(NEWEST)
        .bind(TOP)
        .fetch_all(db)
        .await?;
    Ok(Impact { days, requests, succeeded, clients, routes, top_routes, truncated: looked_at == NEWEST })
}
