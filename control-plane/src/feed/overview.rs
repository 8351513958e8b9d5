//! The whole fleet, whichever server is asked: what this one knows, and what the others have written down.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::fleet::{Fleet, LATE};
use super::known::{self, InForce, Known, NackView};
use crate::epochs::Floors;
use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// What is known of a tenant's gateways.
pub struct Overview<'a> {
    fleet: &'a Fleet,
    others: BTreeMap<i64, Vec<(String, Known)>>,
    newest: u64,
}

/// What is known of a gateway that is or was connected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct GatewayState {
    /// Whether any of its Envoys is connected.
    pub connected: bool,
    /// Since when, without a gap.
    pub connected_since: Option<Time>,
    /// How many of its Envoys are connected.
    pub envoys: usize,
    /// To which servers.
    pub servers: Vec<ServerView>,
    /// How many workers its connected Envoys have.
    pub workers: usize,
    /// How many of them have the newest epoch in force.
    pub workers_current: usize,
    /// The newest epochs that are in force there, with how many workers have each.
    pub workers_by_epoch: Vec<WorkersOfEpoch>,
    /// The epoch in force: the lowest of the workers'; the last known when none is connected.
    pub epoch: Option<u64>,
    /// The tokens of that epoch's index.
    pub tokens: Option<u64>,
    /// The bytes of that epoch's index, as long as the control plane remembers it.
    pub index_bytes: Option<u64>,
    /// How long ago that epoch began, in seconds.
    pub index_age_seconds: Option<u64>,
    /// Envoy's node ids; at most 16 for each server.
    pub nodes: Vec<String>,
    /// The filter's version; several while an update is under way.
    pub filter_versions: Vec<String>,
    /// Since when a push is not in force in all workers, once that is five seconds ago: an alarm.
    pub behind_since: Option<Time>,
    /// Whether it has refused a push, and has taken none since: an alarm.
    pub refuses: bool,
    /// Pushes that were refused, as far as the servers that run know.
    pub nacks: u64,
    /// The last push that a worker refused.
    pub last_nack: Option<NackView>,
    /// Attempts that found no room at the gateway, as far as the servers that run know.
    pub attempts_dropped: u64,
    /// When any worker was last heard of.
    #[serde(skip)]
    pub last_seen_at: Option<Time>,
}

/// A server that Envoys of a gateway are connected to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "GatewayServer")]
pub struct ServerView {
    /// The server's host, process and a random part.
    pub server: String,
    /// How many Envoys.
    pub envoys: usize,
    /// Since when.
    pub since: Option<Time>,
}

/// Workers that have the same epoch in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WorkersOfEpoch {
    /// Which; 0: none.
    pub epoch: u64,
    /// How many.
    pub workers: usize,
}

impl Fleet {
    /// What all servers know of a tenant's gateways, whose newest epoch is this one.
    pub async fn overview(&self, db: &mut Connection, tenant: TenantId, newest: u64) -> Result<Overview<'_>, sqlx::Error> {
        let mut others: BTreeMap<i64, Vec<(String, Known)>> = BTreeMap::new();
        if self.is_shared() {
            for (gateway, server, known) in known::of_others(db, self.server(), tenant).await? {
                others.entry(gateway).or_default().push((server, known));
            }
        }
        Ok(Overview { fleet: self, others, newest })
    }

    /// The epochs in force in all connected gateways of a tenant.
    pub async fn all_floors(&self, db: &mut Connection, tenant: TenantId) -> Result<Floors, sqlx::Error> {
        let mut floors = self.floors(tenant);
        if self.is_shared() {
            known::add_floors(db, self.server(), tenant, &mut floors).await?;
        }
        Ok(floors)
    }
}

impl Overview<'_> {
    /// One gateway.
    #[must_use]
    pub fn gateway(&self, gateway: i64, now: Time) -> GatewayState {
        let here = self.fleet.known(gateway).map(|known| (self.fleet.server().to_owned(), known));
        let others = self.others.get(&gateway).into_iter().flatten();
        GatewayState::of(others.cloned().chain(here).collect(), self.newest, now)
    }
}

impl GatewayState {
    /// Whether an Envoy is connected that does not have the newest epoch in force.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.connected && (self.workers_current < self.workers || self.workers == 0)
    }

    pub(super) fn of(known: Vec<(String, Known)>, newest: u64, now: Time) -> Self {
        let mut state = Self::default();
        let mut by_epoch: BTreeMap<u64, usize> = BTreeMap::new();
        // The lowest of those that are in force, and the one of which was heard last.
        let (mut in_force, mut last) = (None, None);
        for (server, known) in known {
            if known.envoys > 0 {
                state.connected = true;
                state.connected_since = earliest(state.connected_since, known.connected_at);
                state.servers.push(ServerView { server, envoys: known.envoys, since: known.connected_at });
            }
            state.envoys += known.envoys;
            state.workers += known.workers;
            for (epoch, workers) in known.epochs {
                *by_epoch.entry(epoch).or_default() += workers;
            }
            match known.in_force {
                Some(new) if known.workers > 0 => {
                    in_force = in_force.filter(|lowest: &InForce| lowest.epoch <= new.epoch).or(Some(new));
                }
                Some(new) => {
                    let is_newer = last.is_none_or(|(seen, _): (Option<Time>, InForce)| known.last_seen_at > seen);
                    last = if is_newer { Some((known.last_seen_at, new)) } else { last };
                }
                None => {}
            }
            state.nodes.extend(known.nodes);
            state.filter_versions.extend(known.filter_versions);
            let late = known.behind_since.filter(|since| since.age(now) >= LATE);
            state.behind_since = earliest(state.behind_since, late);
            state.refuses |= known.refuses && known.envoys > 0;
            state.nacks += known.nacks;
            if known.last_nack.as_ref().map(|nack| nack.at) > state.last_nack.as_ref().map(|nack| nack.at) {
                state.last_nack = known.last_nack;
            }
            state.attempts_dropped += known.attempts_dropped;
            state.last_seen_at = state.last_seen_at.max(known.last_seen_at);
        }
        for texts in [&mut state.nodes, &mut state.filter_versions] {
            texts.sort_unstable();
            texts.dedup();
        }
        state.workers_current = by_epoch.range(newest..).map(|(_, workers)| workers).sum();
        state.workers_by_epoch = by_epoch.into_iter().rev().map(|(epoch, workers)| WorkersOfEpoch { epoch, workers }).collect();
        // Epoch 0 is none.
        let in_force = in_force.or(last.map(|(_, in_force)| in_force));
        if let Some(in_force) = in_force.filter(|in_force| in_force.epoch > 0) {
            state.epoch = Some(in_force.epoch);
            (state.tokens, state.index_bytes) = (in_force.tokens, in_force.bytes);
            state.index_age_seconds = in_force.built_at.map(|at| at.age(now).as_secs());
        }
        state
    }
}

fn earliest(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn known(envoys: usize, workers: &[(u64, usize)], in_force: u64) -> Known {
        Known {
            envoys,
            workers: workers.iter().map(|(_, count)| count).sum(),
            epochs: workers.to_vec(),
            in_force: Some(InForce { epoch: in_force, tokens: Some(in_force * 10), bytes: Some(100), built_at: Some(at(0)) }),
            ..Known::default()
        }
    }

    fn merged(known: Vec<Known>) -> GatewayState {
        let named = known.into_iter().enumerate().map(|(n, known)| (format!("server-{n}"), known));
        GatewayState::of(named.collect(), 7, at(10_000))
    }

    #[test]
    fn what_several_servers_know_is_one_gateway() {
        let nack = |epoch, at| Some(NackView { epoch, reason: format!("at {epoch}"), at });
        let one = Known {
            connected_at: Some(at(400)),
            nodes: vec!["b".to_owned(), "a".to_owned()],
            nacks: 2,
            last_nack: nack(5, at(300)),
            behind_since: Some(at(9_000)),
            ..known(2, &[(7, 5), (6, 1)], 6)
        };
        let other = Known {
            connected_at: Some(at(200)),
            nodes: vec!["a".to_owned()],
            nacks: 1,
            last_nack: nack(6, at(500)),
            refuses: true,
            behind_since: Some(at(1_000)),
            ..known(1, &[(7, 3)], 7)
        };
        // It was connected there, and was heard of last.
        let gone = Known { last_seen_at: Some(at(9_999)), refuses: true, ..known(0, &[], 3) };
        let state = merged(vec![one, gone.clone(), other]);
        assert_eq!((state.connected, state.envoys, state.connected_since), (true, 3, Some(at(200))));
        assert_eq!(state.servers.iter().map(|server| server.server.as_str()).collect::<Vec<_>>(), ["server-0", "server-2"]);
        assert_eq!((state.workers, state.workers_current, state.epoch, state.tokens), (9, 8, Some(6), Some(60)));
        assert_eq!(state.workers_by_epoch[0], WorkersOfEpoch { epoch: 7, workers: 8 });
        assert_eq!((state.index_bytes, state.index_age_seconds), (Some(100), Some(10)));
        assert_eq!(state.nodes, ["a", "b"]);
        assert_eq!((state.nacks, state.last_nack.map(|nack| nack.epoch), state.refuses), (3, Some(6), true));
        assert_eq!(state.behind_since, Some(at(1_000)), "a second is no alarm");
        assert_eq!(state.last_seen_at, Some(at(9_999)));

        let older = Known { last_seen_at: Some(at(100)), ..known(0, &[], 2) };
        let state = merged(vec![older.clone(), gone, older]);
        assert_eq!((state.connected, state.workers, state.epoch, state.refuses), (false, 0, Some(3), false));
    }

    #[test]
    fn who_has_nothing_is_behind() {
        assert!(!merged(Vec::new()).is_behind(), "nobody is connected");
        assert!(merged(vec![Known { in_force: None, ..known(1, &[], 0) }]).is_behind());
        assert!(merged(vec![known(1, &[(7, 2), (6, 1)], 6)]).is_behind());
        assert!(!merged(vec![known(1, &[(8, 1), (7, 2)], 7)]).is_behind());
    }
}
