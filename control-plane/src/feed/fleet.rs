//! What is in force where: every connected worker of every gateway, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::feed::wire;
use tokio::sync::watch;

use super::convergence::Convergence;
use crate::metrics::Metrics;
use crate::tenants::TenantId;
use crate::time::Time;

/// The connected gateways of all tenants.
pub struct Fleet {
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

/// One stream's place in the fleet; leaving is dropping it.
pub struct Member {
    fleet: Arc<Fleet>,
    tenant: TenantId,
    gateway: i64,
    connection: u64,
    revoked: watch::Receiver<bool>,
}

/// What is known of a gateway that is or was connected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct GatewayState {
    /// Whether any of its Envoys is connected.
    pub connected: bool,
    /// How many workers its connected Envoys have.
    pub workers: usize,
    /// The epoch in force: the lowest of the workers'; the last known when none is connected.
    pub epoch: Option<u64>,
    /// The tokens of that epoch's index.
    pub tokens: Option<u64>,
    /// How long ago that epoch began, in seconds.
    pub index_age_seconds: Option<u64>,
    /// Envoy's node ids.
    pub nodes: Vec<String>,
    /// The filter's version; several while an update is under way.
    pub filter_versions: Vec<String>,
    /// The last push that a worker refused.
    pub last_nack: Option<NackView>,
    /// Attempts that found no room at the gateway, since this control plane started.
    pub attempts_dropped: u64,
    /// When any worker was last heard of.
    #[serde(skip)]
    pub last_seen_at: Option<Time>,
}

/// A push that a worker refused.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Nack")]
pub struct NackView {
    /// The epoch of the push.
    pub epoch: u64,
    /// What the worker says.
    pub reason: String,
    /// When.
    pub at: Time,
}

#[derive(Default)]
struct State {
    connections: u64,
    streams: usize,
    gateways: BTreeMap<i64, Live>,
    tenants: BTreeMap<TenantId, Convergence>,
}

struct Live {
    revoked: watch::Sender<bool>,
    /// Streams that entered, and those of them that said Hello.
    entered: usize,
    streams: BTreeMap<u64, Stream>,
    /// By the id that each has given itself.
    workers: BTreeMap<Vec<u8>, Worker>,
    /// Totals of workers that left lately: one that comes back goes on counting where it was.
    departed: VecDeque<(Vec<u8>, u64)>,
    last: Option<InForce>,
    last_nack: Option<NackView>,
    attempts_dropped: u64,
    last_seen_at: Time,
    written_at: Option<Instant>,
    logged_at: Option<Instant>,
    unlogged: u64,
}

struct Stream {
    node: String,
    filter_version: String,
}

struct Worker {
    /// Over which it was heard of last: another VM of the same Envoy may have opened a stream since.
    connection: u64,
    in_force: InForce,
    attempts_dropped: u64,
}

#[derive(Clone, Copy, Default)]
struct InForce {
    epoch: u64,
    tokens: Option<u64>,
    built_at: Option<Time>,
}

/// How often the database is told that a gateway was heard of.
const WRITE_STEP: Duration = Duration::from_secs(30);
/// Bounds what gateways can make the control plane remember.
const MAX_DEPARTED: usize = 64;
/// Streams of one gateway, which has one for each Envoy.
pub const MAX_STREAMS: usize = 1_024;
/// Workers of one gateway, over all its streams; further ones are not counted.
pub const MAX_WORKERS: usize = 16 * MAX_STREAMS;
/// Streams of all gateways: an idle one takes some 40 KB, which makes half a gigabyte of all of them, and one whose gateway does its worst may
/// hold two of the largest messages that are taken, which makes 13.
pub const MAX_STREAMS_IN_ALL: usize = 12_288;
/// One line of complaint about a gateway in that time: it can give reason for thousands.
const LOG_STEP: Duration = Duration::from_secs(1);

impl Fleet {
    /// An empty one.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), metrics })
    }

    /// Reserves a place for a stream; `None` when there are too many. Whether the gateway is revoked has to be read after this, so
    /// that no revocation is missed.
    pub fn enter(self: &Arc<Self>, tenant: TenantId, gateway: i64) -> Option<Member> {
        let mut state = self.lock();
        if state.streams >= MAX_STREAMS_IN_ALL {
            return None;
        }
        let live = state.gateways.entry(gateway).or_insert_with(Live::new);
        if live.entered >= MAX_STREAMS {
            return None;
        }
        live.entered += 1;
        let revoked = live.revoked.subscribe();
        state.streams += 1;
        state.connections += 1;
        let connection = state.connections;
        drop(state);
        Some(Member { fleet: Arc::clone(self), tenant, gateway, connection, revoked })
    }

    /// Whether a complaint about this gateway is to be logged now, and then how many were not since the last one that was.
    #[must_use]
    pub fn complains(&self, gateway: i64) -> Option<u64> {
        let mut state = self.lock();
        let live = state.gateways.get_mut(&gateway)?;
        if live.logged_at.is_some_and(|at| at.elapsed() < LOG_STEP) {
            live.unlogged += 1;
            return None;
        }
        live.logged_at = Some(Instant::now());
        Some(std::mem::take(&mut live.unlogged))
    }

    /// Ends all streams of the gateway.
    pub fn revoke(&self, gateway: i64) {
        if let Some(live) = self.lock().gateways.get(&gateway) {
            live.revoked.send_replace(true);
        }
    }

    /// A change committed: the time until every connected worker has it is measured from here.
    pub fn committed(&self, tenant: TenantId, epoch: u64) {
        let mut state = self.lock();
        for elapsed in state.tenants.entry(tenant).or_default().committed(epoch) {
            self.metrics.enforced(elapsed);
        }
    }

    /// What is known of a gateway.
    #[must_use]
    pub fn gateway(&self, gateway: i64, now: Time) -> GatewayState {
        self.lock().gateways.get(&gateway).map(|live| live.view(now)).unwrap_or_default()
    }

    /// Gateways with an open stream.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.lock().gateways.values().filter(|live| !live.streams.is_empty()).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Becomes true when the gateway's credential is taken back.
    #[must_use]
    pub fn revoked(&self) -> watch::Receiver<bool> {
        self.revoked.clone()
    }

    /// The stream's Envoy said Hello.
    pub fn join(&self, hello: &wire::Hello) {
        let stream = Stream { node: hello.node.clone(), filter_version: hello.filter_version.clone() };
        if let Some(live) = self.fleet.lock().gateways.get_mut(&self.gateway) {
            live.streams.insert(self.connection, stream);
        }
    }

    /// An epoch is in force in a worker; 0 when it has none yet.
    pub fn enforced(&self, ack: wire::Ack, built_at: Option<Time>) {
        if ack.epoch > 0 {
            self.fleet.metrics.push_acked();
        }
        let in_force = InForce { epoch: ack.epoch, tokens: Some(ack.tokens), built_at };
        let mut state = self.fleet.lock();
        let Some(live) = state.gateways.get_mut(&self.gateway) else { return };
        let full = live.workers.len() >= MAX_WORKERS;
        let before = match live.workers.get_mut(&ack.worker) {
            Some(worker) => {
                worker.connection = self.connection;
                Some(std::mem::replace(&mut worker.in_force, in_force).epoch)
            }
            None if full => return,
            None => {
                let attempts_dropped = live.departed.iter().find(|(id, _)| *id == ack.worker).map_or(0, |&(_, n)| n);
                live.workers.insert(ack.worker, Worker { connection: self.connection, in_force, attempts_dropped });
                None
            }
        };
        let convergence = state.tenants.entry(self.tenant).or_default();
        convergence.swap(before, Some(ack.epoch));
        for elapsed in convergence.settle() {
            self.fleet.metrics.enforced(elapsed);
        }
    }

    /// A worker is not there any more.
    pub fn gone(&self, worker: &[u8]) {
        let mut state = self.fleet.lock();
        let Some(live) = state.gateways.get_mut(&self.gateway) else { return };
        let in_force = live.part(self.connection, |id| id == worker);
        state.forget(self.tenant, in_force);
    }

    /// A push was refused.
    pub fn kept(&self, nack: &wire::Nack, now: Time) {
        self.fleet.metrics.push_nacked();
        let reason = nack.reason.clone();
        if let Some(live) = self.fleet.lock().gateways.get_mut(&self.gateway) {
            live.last_nack = Some(NackView { epoch: nack.epoch, reason, at: now });
        }
    }

    /// A worker's totals since its start.
    pub fn counted(&self, stats: &wire::Stats) {
        let mut state = self.fleet.lock();
        let Some(live) = state.gateways.get_mut(&self.gateway) else { return };
        let Some(worker) = live.workers.get_mut(&stats.worker) else { return };
        let new = stats.attempts_dropped.saturating_sub(worker.attempts_dropped);
        worker.attempts_dropped = stats.attempts_dropped;
        live.attempts_dropped = live.attempts_dropped.saturating_add(new);
        self.fleet.metrics.attempts_dropped(new);
    }

    /// Something came over this stream; true when it is time to write that down.
    #[must_use]
    pub fn heard(&self, now: Time) -> bool {
        let mut state = self.fleet.lock();
        let Some(live) = state.gateways.get_mut(&self.gateway) else { return false };
        live.last_seen_at = now;
        let due = live.written_at.is_none_or(|at| at.elapsed() >= WRITE_STEP);
        if due {
            live.written_at = Some(Instant::now());
        }
        due
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.fleet.lock();
        state.streams = state.streams.saturating_sub(1);
        let Some(live) = state.gateways.get_mut(&self.gateway) else { return };
        live.entered = live.entered.saturating_sub(1);
        live.streams.remove(&self.connection);
        let in_force = live.part(self.connection, |_| true);
        state.forget(self.tenant, in_force);
    }
}

impl State {
    /// Nobody is left to wait for, or those who are left have acknowledged before: neither is a time worth measuring.
    fn forget(&mut self, tenant: TenantId, in_force: Vec<InForce>) {
        let convergence = self.tenants.entry(tenant).or_default();
        for in_force in in_force {
            convergence.swap(Some(in_force.epoch), None);
        }
        convergence.settle();
    }
}

impl Live {
    fn new() -> Self {
        Self {
            revoked: watch::Sender::new(false),
            entered: 0,
            streams: BTreeMap::new(),
            workers: BTreeMap::new(),
            departed: VecDeque::new(),
            last: None,
            last_nack: None,
            attempts_dropped: 0,
            last_seen_at: Time::now(),
            written_at: None,
            logged_at: None,
            unlogged: 0,
        }
    }

    /// Takes workers of a connection out and returns what was in force in them.
    fn part(&mut self, connection: u64, which: impl Fn(&[u8]) -> bool) -> Vec<InForce> {
        let leaves = |id: &Vec<u8>, worker: &mut Worker| worker.connection == connection && which(id);
        let mut parted = Vec::new();
        for (id, worker) in self.workers.extract_if(.., leaves) {
            self.departed.retain(|(departed, _)| *departed != id);
            if self.departed.len() == MAX_DEPARTED {
                self.departed.pop_front();
            }
            self.departed.push_back((id, worker.attempts_dropped));
            self.last = Some(worker.in_force);
            parted.push(worker.in_force);
        }
        parted
    }

    fn view(&self, now: Time) -> GatewayState {
        let lowest = self.workers.values().map(|worker| worker.in_force).min_by_key(|in_force| in_force.epoch);
        // Epoch 0 is none.
        let in_force = lowest.or(self.last).filter(|in_force| in_force.epoch > 0);
        let distinct = |of: fn(&Stream) -> &String| {
            let mut texts: Vec<_> = self.streams.values().map(of).filter(|text| !text.is_empty()).cloned().collect();
            texts.sort_unstable();
            texts.dedup();
            texts
        };
        GatewayState {
            connected: !self.streams.is_empty(),
            workers: self.workers.len(),
            epoch: in_force.map(|in_force| in_force.epoch),
            tokens: in_force.and_then(|in_force| in_force.tokens),
            index_age_seconds: in_force.and_then(|in_force| in_force.built_at).map(|at| at.age(now).as_secs()),
            nodes: distinct(|stream| &stream.node),
            filter_versions: distinct(|stream| &stream.filter_version),
            last_nack: self.last_nack.clone(),
            attempts_dropped: self.attempts_dropped,
            last_seen_at: Some(self.last_seen_at),
        }
    }
}

#[cfg(test)]
mod tests;
