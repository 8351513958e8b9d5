//! Epochs: when each was committed, and when it was in force everywhere.
//!
//! A change of the index commits together with its epoch's row. [`feed`](crate::feed) settles epochs when the last connected gateway has them in
//! force, and what a decision is answered, now and later, is read here.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::store::{Connection, number};
use crate::tenants::TenantId;
use crate::time::Time;

/// How far a change has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Enforcement {
    /// In short.
    pub enforcement: Reach,
    /// When every connected gateway had it in force for the first time.
    pub enforced_at: Option<Time>,
    /// How long that took from its commit.
    pub enforced_ms: Option<u64>,
    /// How many gateways those were.
    pub enforced_gateways: Option<u64>,
    /// Connected gateways in which a worker does not have it now.
    pub pending_gateways: usize,
}

/// How far a change has come, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Reach {
    /// It was in force in every connected gateway.
    Everywhere,
    /// Connected gateways do not have it yet.
    Pending,
    /// No gateway is connected that could have it; those that come will be sent it.
    NoGateway,
    /// Gateways need not know of it.
    NothingToEnforce,
    /// It is older than this record.
    #[default]
    Unmeasured,
}

/// What is stored of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Stored {
    /// When it was committed; `None` when it is older than the record.
    pub committed_at: Option<Time>,
    /// When it was in force everywhere.
    pub enforced_at: Option<Time>,
    /// On how many gateways.
    pub gateways: Option<i64>,
}

/// The epoch in force in each connected gateway of a tenant; 0 where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floors(BTreeMap<i64, u64>);

/// An epoch that has come to be in force everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// When it was committed.
    pub committed_at: Time,
    /// How long it took from then.
    pub took: Duration,
}

/// Epochs whose times are looked at: a tenth of each hundred makes a percentile.
const LATELY: i64 = 100;

/// Writes a new epoch down, in the transaction that it carries. The time is taken as late as possible: how long gateways take is measured from it.
pub(crate) async fn begin(db: &mut Connection, tenant: TenantId, epoch: i64) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO epochs (tenant_id, epoch, committed_at) VALUES ($1, $2, $3)")
        .bind(tenant)
        .bind(epoch)
        .bind(Time::now())
        .execute(db)
        .await
        .map(drop)
}

/// Writes down that all epochs up to this one are in force in so many gateways, which are all; those of which that was not known yet.
pub async fn settle(
    db: &mut Connection,
    tenant: TenantId,
    up_to: u64,
    at: Time,
    gateways: usize,
) -> Result<Vec<Settled>, sqlx::Error> {
    // Another server's clock may have been ahead.
    let settled: Vec<(Time, Time)> = sqlx::query_as(
        "UPDATE epochs SET enforced_at = CASE WHEN committed_at > $3 THEN committed_at ELSE $3 END, gateways = $4
         WHERE tenant_id = $1 AND epoch <= $2 AND enforced_at IS NULL RETURNING committed_at, enforced_at",
    )
    .bind(tenant)
    .bind(i64::try_from(up_to).unwrap_or(i64::MAX))
    .bind(at)
    .bind(i64::try_from(gateways).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    Ok(settled.into_iter().map(|(from, to)| Settled { committed_at: from, took: from.age(to) }).collect())
}

/// What is stored of an epoch.
pub async fn stored(db: &mut Connection, tenant: TenantId, epoch: i64) -> Result<Stored, sqlx::Error> {
    let row = sqlx::query_as("SELECT committed_at, enforced_at, gateways FROM epochs WHERE tenant_id = $1 AND epoch = $2")
        .bind(tenant)
        .bind(epoch)
        .fetch_optional(db)
        .await?;
    Ok(row.unwrap_or_default())
}

/// How long the newest epochs took from their commit until they were in force everywhere, in milliseconds and in order of length.
pub async fn took_lately(db: &mut Connection, tenant: TenantId) -> Result<Vec<i64>, sqlx::Error> {
    let mut took: Vec<i64> = sqlx::query_scalar(
        "SELECT enforced_at - committed_at FROM epochs WHERE tenant_id = $1 AND enforced_at IS NOT NULL AND gateways > 0
         ORDER BY epoch DESC LIMIT $2",
    )
    .bind(tenant)
    .bind(LATELY)
    .fetch_all(db)
    .await?;
    took.sort_unstable();
    Ok(took)
}

impl Enforcement {
    /// Of a change that needs no epoch of its own.
    pub const NOTHING: Self = Self {
        enforcement: Reach::NothingToEnforce,
        enforced_at: None,
        enforced_ms: None,
        enforced_gateways: None,
        pending_gateways: 0,
    };

    /// Of what an epoch carries.
    pub fn of(stored: &Stored, epoch: i64, floors: &Floors) -> Result<Self, sqlx::Error> {
        let (pending, gateways) = (floors.below(number(epoch)?), stored.gateways.map(number).transpose()?);
        let enforcement = match stored {
            Stored { enforced_at: Some(_), .. } => Reach::Everywhere,
            Stored { committed_at: None, .. } => Reach::Unmeasured,
            _ if floors.is_empty() => Reach::NoGateway,
            _ => Reach::Pending,
        };
        let took = stored.committed_at.zip(stored.enforced_at).map(|(from, to)| from.age(to));
        Ok(Self {
            enforcement,
            enforced_at: stored.enforced_at,
            enforced_ms: took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            enforced_gateways: gateways,
            pending_gateways: pending,
        })
    }
}

impl Floors {
    /// A server has this epoch in force in all workers of a gateway that are connected to it.
    pub fn add(&mut self, gateway: i64, epoch: u64) {
        self.0.entry(gateway).and_modify(|lowest| *lowest = epoch.min(*lowest)).or_insert(epoch);
    }

    /// How many gateways have an older epoch than this one.
    #[must_use]
    pub fn below(&self, epoch: u64) -> usize {
        self.0.values().filter(|floor| **floor < epoch).count()
    }

    /// Whether no gateway is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn the_table_of_reaches() {
        let floors = |epochs: &[(i64, u64)]| {
            let mut floors = Floors::default();
            for &(gateway, epoch) in epochs {
                floors.add(gateway, epoch);
            }
            floors
        };
        let open = Stored { committed_at: Some(at(1_000)), enforced_at: None, gateways: None };
        let done = Stored { enforced_at: Some(at(1_043)), gateways: Some(2), ..open };
        let table = [
            (open, floors(&[(1, 4), (2, 5)]), Reach::Pending, 1),
            // The same gateway on two servers.
            (open, floors(&[(1, 4), (1, 5), (1, 3)]), Reach::Pending, 1),
            (open, floors(&[]), Reach::NoGateway, 0),
            (done, floors(&[(1, 5), (2, 6)]), Reach::Everywhere, 0),
            // One has come back with an old index.
            (done, floors(&[(1, 5), (2, 0)]), Reach::Everywhere, 1),
            (Stored::default(), floors(&[(1, 5)]), Reach::Unmeasured, 0),
        ];
        for (stored, floors, enforcement, pending_gateways) in table {
            let shown = Enforcement::of(&stored, 5, &floors).unwrap();
            assert_eq!((shown.enforcement, shown.pending_gateways), (enforcement, pending_gateways), "{stored:?} {floors:?}");
            assert_eq!(shown.enforced_ms, stored.enforced_at.map(|_| 43));
        }
    }
}
