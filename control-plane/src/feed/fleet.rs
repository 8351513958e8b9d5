//! What is in force where: every worker of every gateway that is connected to this server, in memory.

mod live;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stopleak_contract::feed::wire;
use tokio::sync::{Notify, watch};

use self::live::Live;
use super::convergence::{Convergence, Rise};
use super::known::{InForce, Known, NackView, Row};
use crate::epochs::Floors;
use crate::metrics::{Metrics, Watched};
use crate::tenants::TenantId;
use crate::time::Time;

/// The connected gateways of all tenants.
pub struct Fleet {
    state: Mutex<State>,
    metrics: Arc<Metrics>,
    server: String,
    is_shared: bool,
    changed: Notify,
}

/// One stream's place in the fleet; leaving is dropping it.
pub struct Member {
    fleet: Arc<Fleet>,
    gateway: i64,
    connection: u64,
    revoked: watch::Receiver<bool>,
}

#[derive(Default)]
struct State {
    connections: u64,
    streams: usize,
    gateways: BTreeMap<i64, Live>,
    tenants: BTreeMap<TenantId, Convergence>,
    /// Of which the other servers have to know at once, and with the next beat.
    urgent: BTreeSet<i64>,
    stale: BTreeSet<i64>,
    /// Of which the database is to be told that they were heard of.
    heard: BTreeMap<i64, Time>,
}

/// How often the database is told that a gateway was heard of.
const WRITE_STEP: Duration = Duration::from_secs(30);
/// Streams of one gateway, which has one for each Envoy.
pub const MAX_STREAMS: usize = 1_024;
/// Workers of one gateway, over all its streams; further ones are not counted.
pub const MAX_WORKERS: usize = 16 * MAX_STREAMS;
/// Streams of all gateways: an idle one takes some 50 KB, which makes 600 MB of all of them. One whose gateway does its worst may hold three of
/// the largest messages that are taken: one that comes, one that waits and one that is being stored.
pub const MAX_STREAMS_IN_ALL: usize = 12_288;
/// One line of complaint about a gateway in that time: it can give reason for thousands.
const LOG_STEP: Duration = Duration::from_secs(1);
/// A push that is not in force after that time is an alarm; the promise is a second.
pub(super) const LATE: Duration = Duration::from_secs(5);

impl Fleet {
    /// An empty one, of the server of this name. When the database is shared, the other servers are to know of it.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, server: String, is_shared: bool) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), metrics, server, is_shared, changed: Notify::new() })
    }

    /// Reserves a place for a stream; `None` when there are too many. Whether the gateway is revoked has to be read after this, so
    /// that no revocation is missed.
    pub fn enter(self: &Arc<Self>, tenant: TenantId, gateway: i64) -> Option<Member> {
        let mut state = self.lock();
        if state.streams >= MAX_STREAMS_IN_ALL {
            return None;
        }
        let live = state.gateways.entry(gateway).or_insert_with(|| Live::new(tenant, Time::now()));
        if live.entered >= MAX_STREAMS {
            return None;
        }
        live.entered += 1;
        let revoked = live.revoked.subscribe();
        state.streams += 1;
        state.connections += 1;
        let connection = state.connections;
        drop(state);
        Some(Member { fleet: Arc::clone(self), gateway, connection, revoked })
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

    /// What this server knows of a gateway.
    #[must_use]
    pub(super) fn known(&self, gateway: i64) -> Option<Known> {
        self.lock().gateways.get(&gateway).map(Live::known)
    }

    /// The epochs in force in the tenant's gateways that are connected here.
    pub(super) fn floors(&self, tenant: TenantId) -> Floors {
        let mut floors = Floors::default();
        let state = self.lock();
        for (gateway, live) in state.gateways.iter().filter(|(_, live)| live.tenant == tenant) {
            if let Some(floor) = live.floor() {
                floors.add(*gateway, floor);
            }
        }
        floors
    }

    /// What operators watch.
    #[must_use]
    pub fn watched(&self, now: Time) -> Watched {
        let state = self.lock();
        let count = |is: &dyn Fn(&Live) -> bool| state.gateways.values().filter(|live| live.is_connected() && is(live)).count();
        Watched {
            connected: count(&|_| true),
            workers: state.gateways.values().map(Live::workers).sum(),
            behind: count(&|live| live.behind_since().is_some_and(|since| since.age(now) >= LATE)),
            refusing: count(&Live::refuses),
        }
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
    pub fn join(&self, hello: &wire::Hello, now: Time) {
        let (node, version) = (hello.node.clone(), hello.filter_version.clone());
        self.change(now, |live, connection| live.join(connection, node, version, now));
    }

    /// An epoch is sent.
    pub fn owes(&self, epoch: u64, now: Time) {
        self.change(now, |live, _| live.owes(epoch, now));
    }

    /// An epoch is in force in a worker; 0 when it has none yet.
    pub fn enforced(&self, worker: Vec<u8>, in_force: InForce, now: Time) {
        if in_force.epoch > 0 {
            self.fleet.metrics.push_acked();
        }
        self.change(now, |live, connection| live.enforced(connection, worker, in_force, MAX_WORKERS));
    }

    /// A worker is not there any more.
    pub fn gone(&self, worker: &[u8], now: Time) {
        self.change(now, |live, connection| live.part(connection, |id| id == worker));
    }

    /// A push was refused.
    pub fn kept(&self, nack: &wire::Nack, now: Time) {
        self.fleet.metrics.push_nacked();
        let nack = NackView { epoch: nack.epoch, reason: nack.reason.clone(), at: now };
        self.change(now, |live, _| live.kept(nack));
    }

    /// A worker's totals since its start.
    pub fn counted(&self, stats: &wire::Stats) {
        let mut state = self.fleet.lock();
        let Some(live) = state.gateways.get_mut(&self.gateway) else { return };
        let new = live.counted(&stats.worker, stats.attempts_dropped);
        // They come every few seconds, and mostly say nothing new.
        if new > 0 {
            state.stale.insert(self.gateway);
            self.fleet.metrics.attempts_dropped(new);
        }
    }

    /// Something came over this stream.
    pub fn heard(&self, now: Time) {
        let mut state = self.fleet.lock();
        let Some(live) = state.gateways.get_mut(&self.gateway) else { return };
        live.last_seen_at = now;
        if live.written_at.is_none_or(|at| at.elapsed() >= WRITE_STEP) {
            live.written_at = Some(Instant::now());
            state.heard.insert(self.gateway, now);
        }
    }

    /// Changes what is known of the gateway, and tells whom it concerns.
    fn change<T>(&self, now: Time, change: impl FnOnce(&mut Live, u64) -> T) -> Option<T> {
        let mut state = self.fleet.lock();
        let changed = change(state.gateways.get_mut(&self.gateway)?, self.connection);
        if state.refloor(self.gateway, now) {
            self.fleet.changed.notify_one();
        }
        Some(changed)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        {
            let mut state = self.fleet.lock();
            state.streams = state.streams.saturating_sub(1);
        }
        self.change(Time::now(), Live::leave);
    }
}

impl State {
    /// After a change of a gateway; whether another epoch is in force in it now.
    fn refloor(&mut self, gateway: i64, now: Time) -> bool {
        let Some(live) = self.gateways.get_mut(&gateway) else { return false };
        self.stale.insert(gateway);
        let Some((before, after)) = live.refloor(now) else { return false };
        self.tenants.entry(live.tenant).or_default().swap(before, after, now);
        self.urgent.insert(gateway);
        true
    }
}

/// What the [exchange](super::exchange) with the database needs.
impl Fleet {
    /// What this server is called.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Whether there may be others on the database.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Waits until another epoch is in force in a gateway than before.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Rows that have to be written, up to a bound: at once, or also those that can wait for a beat.
    pub(super) fn take_rows(&self, is_beat: bool, most: usize) -> Vec<Row> {
        let mut state = self.lock();
        let State { gateways, urgent, stale, .. } = &mut *state;
        let mut rows = Vec::new();
        for set in [Some(&mut *urgent), is_beat.then_some(&mut *stale)].into_iter().flatten() {
            while rows.len() < most
                && let Some(gateway) = set.pop_first()
            {
                rows.extend(gateways.get(&gateway).map(|live| live.row(gateway)));
            }
        }
        for row in &rows {
            urgent.remove(&row.gateway);
            stale.remove(&row.gateway);
        }
        // Nobody asks for them.
        if !self.is_shared {
            urgent.clear();
            stale.clear();
        }
        rows
    }

    /// They were not written.
    pub(super) fn give_back(&self, rows: &[Row]) {
        self.lock().urgent.extend(rows.iter().map(|row| row.gateway));
    }

    /// All have to be written again.
    pub(super) fn rewrite(&self) {
        let mut state = self.lock();
        let State { gateways, urgent, .. } = &mut *state;
        urgent.extend(gateways.keys());
    }

    /// Whether the exchange has left something to do.
    pub(super) fn is_urgent(&self) -> bool {
        self.is_shared && !self.lock().urgent.is_empty()
    }

    /// Looks at the convergence of every tenant.
    pub(super) fn tenants<T>(&self, look: impl FnOnce(&BTreeMap<TenantId, Convergence>) -> T) -> T {
        look(&self.lock().tenants)
    }

    /// These were looked at, and the tenant's epochs are settled up to one.
    pub(super) fn settled(&self, tenant: TenantId, rises: &[Rise], epoch: u64) {
        let mut state = self.lock();
        let convergence = state.tenants.entry(tenant).or_default();
        convergence.looked_at(rises);
        convergence.settle(epoch);
    }

    /// The gateways that were heard of since the last time.
    pub(super) fn take_heard(&self) -> BTreeMap<i64, Time> {
        std::mem::take(&mut self.lock().heard)
    }
}

#[cfg(test)]
mod tests;
