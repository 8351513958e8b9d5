//! What a virtual patch would have refused: the observed attempts of the last days.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::feed::wire;
use stopleak_contract::index::LeakNumber;
use stopleak_contract::settings::{Scope, Target};
use tokio_stream::StreamExt as _;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
const TOP: usize = 20;

#[derive(sqlx::FromRow)]
struct Row {
    client: String,
    method: String,
    host: String,
    path: String,
    status: Option<i64>,
    count: i64,
    last_seen_at: Time,
}

/// Uses that are counted together.
#[derive(Clone, Copy, Default)]
struct Uses {
    requests: i64,
    succeeded: i64,
}

/// Counts what a virtual patch of this scope would have refused. Where nobody can say whether it would have, it is counted.
pub async fn impact(
    db: &mut Connection,
    tenant: TenantId,
    leak: LeakNumber,
    days: u32,
    scope: Option<&Scope>,
    now: Time,
) -> Result<Impact, sqlx::Error> {
    let since = now.minus(Duration::from_hours(u64::from(days) * 24));
    let scope = scope.cloned().map(Scope::into_wire);
    // All at once: counting in the database took three such reads.
    let mut rows = sqlx::query_as::<_, Row>(
        "SELECT client, method, host, path, status, count, last_seen_at FROM attempts
         WHERE tenant_id = $1 AND leak = $2 AND outcome = 'observed' ORDER BY id DESC LIMIT $3",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .bind(NEWEST)
    .fetch(db);
    let (mut looked_at, mut all) = (0, Uses::default());
    let (mut clients, mut routes) = (HashSet::new(), HashMap::<[String; 3], Uses>::new());
    while let Some(row) = rows.next().await {
        let row = row?;
        looked_at += 1;
        if row.last_seen_at < since || scope.as_ref().is_some_and(|scope| !row.is_refused_by(scope)) {
            continue;
        }
        let uses = row.uses();
        all.add(uses);
        clients.insert(row.client);
        routes.entry([row.method, row.host, row.path]).or_default().add(uses);
    }
    let (clients, number) = (clients.len(), routes.len());
    let [clients, number] = [clients, number].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let (requests, succeeded, truncated) = (all.requests, all.succeeded, looked_at == NEWEST);
    Ok(Impact { days, requests, succeeded, clients, routes: number, top_routes: top(routes), truncated })
}

fn top(routes: HashMap<[String; 3], Uses>) -> Vec<Route> {
    let mut routes: Vec<_> = routes.into_iter().collect();
    routes.sort_unstable_by(|(a, of_a), (b, of_b)| of_b.requests.cmp(&of_a.requests).then_with(|| a.cmp(b)));
    let route = |([method, host, path], Uses { requests, succeeded }): ([String; 3], Uses)| Route {
        method,
        host,
        path,
        requests,
        succeeded,
    };
    routes.into_iter().take(TOP).map(route).collect()
}

impl Row {
    fn is_refused_by(&self, scope: &wire::Scope) -> bool {
        let is_exempt = || self.client.parse().is_ok_and(|client| scope.exempts(client));
        scope.covers(&Target::new(self.host.as_bytes(), self.path.as_bytes())) && !is_exempt()
    }

    fn uses(&self) -> Uses {
        let has_succeeded = self.status.is_some_and(|status| (200..300).contains(&status));
        Uses { requests: self.count, succeeded: if has_succeeded { self.count } else { 0 } }
    }
}

impl Uses {
    fn add(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.succeeded = self.succeeded.saturating_add(more.succeeded);
    }
}
