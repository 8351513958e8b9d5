//! Attempts by who, what and where: what somebody looks at first when there are very many.

use super::{Filter, Outcome};
use crate::store::{Connection, Sql};
use crate::tenants::TenantId;
use crate::time::Time;

/// By what attempts are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The address that they came from.
    Client,
    /// The leak whose token they used.
    Leak,
    /// Method, host and path of the request.
    Route,
}

/// Attempts that have it in common.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Group {
    /// What they have in common: an address, the number of a leak, or a route.
    pub key: String,
    /// Uses that were refused.
    pub blocked: i64,
    /// Uses that passed.
    pub observed: i64,
    /// Leaks that they are of.
    pub leaks: i64,
    /// Clients that they came from.
    pub clients: i64,
    /// The last of them.
    pub last_seen_at: Time,
}

/// Attempts that are looked at, the newest first: some ten milliseconds.
pub const NEWEST: i64 = 20_000;
/// Groups that are told.
pub const MOST: i64 = 100;

impl By {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Client, Self::Leak, Self::Route];

    /// As URLs spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Leak => "leak",
            Self::Route => "route",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Leak => "CAST(leak AS TEXT)",
            Self::Route => "method || ' ' || host || path",
        }
    }
}

/// The groups of the newest attempts, those with most uses first. The page of the filter does not count.
pub async fn groups(db: &mut Connection, tenant: TenantId, filter: &Filter, by: By) -> Result<Vec<Group>, sqlx::Error> {
    let outcome = |outcome: Outcome| match outcome {
        Outcome::Blocked => "CAST(sum(CASE WHEN outcome = 'blocked' THEN count ELSE 0 END) AS BIGINT) AS blocked, ",
        Outcome::Observed => "CAST(sum(CASE WHEN outcome = 'observed' THEN count ELSE 0 END) AS BIGINT) AS observed, ",
    };
    let mut sql = Sql::new("SELECT ");
    sql.push(by.key()).push(" AS key, ").push(outcome(Outcome::Blocked)).push(outcome(Outcome::Observed));
    sql.push("count(DISTINCT leak) AS leaks, count(DISTINCT client) AS clients, max(last_seen_at) AS last_seen_at FROM ");
    sql.push("(SELECT leak, client, method, host, path, outcome, count, last_seen_at FROM attempts WHERE tenant_id = ");
    sql.int(tenant.0);
    if let Some(leak) = filter.leak {
        sql.push(" AND leak = ").int(leak.into());
    }
    if let Some(outcome) = filter.outcome {
        sql.push(" AND outcome = ").text(outcome.as_str());
    }
    sql.push(" ORDER BY id DESC LIMIT ").int(NEWEST).push(") n GROUP BY ").push(by.key());
    sql.push(" ORDER BY sum(count) DESC, 1 LIMIT ").int(MOST);
    sql.fetch_all(db).await
}
