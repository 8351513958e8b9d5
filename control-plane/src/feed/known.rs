//! What one server knows of one gateway, for itself and for the other servers.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use super::convergence::Rise;
use crate::epochs::Floors;
use crate::store::{Connection, number, placeholders};
use crate::tenants::TenantId;
use crate::time::Time;

/// What a server knows. It is bounded: it is a row of the database, written again when it changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Known {
    /// Streams, one for each Envoy.
    pub(super) envoys: usize,
    /// Since when there is one, without a gap.
    pub(super) connected_at: Option<Time>,
    pub(super) workers: usize,
    /// The newest that are in force, with how many workers have each.
    pub(super) epochs: Vec<(u64, usize)>,
    /// The lowest of all workers, or the last one when none is there.
    pub(super) in_force: Option<InForce>,
    pub(super) nodes: Vec<String>,
    pub(super) filter_versions: Vec<String>,
    pub(super) nacks: u64,
    pub(super) last_nack: Option<NackView>,
    /// Whether nothing was taken since.
    pub(super) refuses: bool,
    /// Since when it has been sent something that is not in force in all its workers.
    pub(super) behind_since: Option<Time>,
    pub(super) attempts_dropped: u64,
    pub(super) last_seen_at: Option<Time>,
}

/// An index that is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Its epoch.
    pub epoch: u64,
    /// Its tokens, as the worker counts them.
    pub tokens: Option<u64>,
    /// Its size, as long as this control plane remembers it.
    pub bytes: Option<u64>,
    /// When its epoch began, likewise.
    pub built_at: Option<Time>,
}

/// A push that a worker refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Nack")]
pub struct NackView {
    /// The epoch of the push.
    pub epoch: u64,
    /// What the worker says.
    pub reason: String,
    /// When.
    pub at: Time,
}

/// The same as a row.
pub(super) struct Row {
    pub(super) tenant: TenantId,
    pub(super) gateway: i64,
    /// The lowest epoch in force; `None` when it is not connected.
    pub(super) floor: Option<u64>,
    pub(super) floor_at: Time,
    pub(super) known: Known,
}

/// What other servers say of a tenant's connected gateways together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Others {
    pub(super) lowest: Rise,
    pub(super) since: Option<Time>,
}

/// Writes what this server knows.
pub(super) async fn write(db: &mut Connection, server: &str, rows: &[Row]) -> Result<(), sqlx::Error> {
    const WIDTH: usize = 7;
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement =
        "INSERT INTO server_gateways (tenant_id, gateway_id, server, epoch, epoch_at, connected_at, state) VALUES ".to_owned();
    for n in 0..rows.len() {
        // Writing into a String does not fail.
        let _ = write!(statement, "{}({})", if n == 0 { "" } else { ", " }, placeholders(1 + n * WIDTH, WIDTH));
    }
    statement.push_str(
        " ON CONFLICT (tenant_id, gateway_id, server) DO UPDATE SET epoch = excluded.epoch, epoch_at = excluded.epoch_at,
          connected_at = excluded.connected_at, state = excluded.state",
    );
    let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(false);
    for Row { tenant, gateway, floor, floor_at, known } in rows {
        let state = serde_json::to_string(known).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let floor = floor.map(|floor| i64::try_from(floor).unwrap_or(i64::MAX));
        query = query.bind(*tenant).bind(*gateway).bind(server).bind(floor).bind(*floor_at).bind(known.connected_at).bind(state);
    }
    query.execute(db).await.map(drop)
}

/// What the other servers know of a tenant's gateways: gateway, server and what.
pub(super) async fn of_others(
    db: &mut Connection,
    server: &str,
    tenant: TenantId,
) -> Result<Vec<(i64, String, Known)>, sqlx::Error> {
    let rows: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT gateway_id, server, state FROM server_gateways WHERE tenant_id = $1 AND server <> $2 ORDER BY gateway_id, server",
    )
    .bind(tenant)
    .bind(server)
    .fetch_all(db)
    .await?;
    let read = |(gateway, server, state): (i64, String, String)| {
        let known = serde_json::from_str(&state).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok((gateway, server, known))
    };
    rows.into_iter().map(read).collect()
}

/// Adds what the other servers know to the epochs in force in a tenant's gateways.
pub(super) async fn add_floors(
    db: &mut Connection,
    server: &str,
    tenant: TenantId,
    floors: &mut Floors,
) -> Result<(), sqlx::Error> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT gateway_id, epoch FROM server_gateways WHERE tenant_id = $1 AND server <> $2 AND epoch IS NOT NULL",
    )
    .bind(tenant)
    .bind(server)
    .fetch_all(db)
    .await?;
    for (gateway, epoch) in rows {
        floors.add(gateway, number(epoch)?);
    }
    Ok(())
}

/// What the other servers say of each tenant.
pub(super) async fn lowest_of_others(db: &mut Connection, server: &str) -> Result<Vec<(TenantId, Others)>, sqlx::Error> {
    let rows: Vec<(TenantId, i64, Time, Option<Time>)> = sqlx::query_as(
        "SELECT tenant_id, min(epoch), max(epoch_at), min(connected_at) FROM server_gateways
         WHERE server <> $1 AND epoch IS NOT NULL GROUP BY tenant_id",
    )
    .bind(server)
    .fetch_all(db)
    .await?;
    let read = |(tenant, epoch, at, since)| Ok((tenant, Others { lowest: Rise { epoch: number(epoch)?, at }, since }));
    rows.into_iter().map(read).collect()
}

/// How many gateways of a tenant are connected to any server.
pub(super) async fn connected(db: &mut Connection, tenant: TenantId) -> Result<usize, sqlx::Error> {
    let query = "SELECT count(DISTINCT gateway_id) FROM server_gateways WHERE tenant_id = $1 AND epoch IS NOT NULL";
    number(sqlx::query_scalar(query).bind(tenant).fetch_one(db).await?)
}
