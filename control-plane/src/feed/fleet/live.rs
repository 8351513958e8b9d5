//! One gateway, as long as this server runs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use tokio::sync::watch;

use super::super::convergence::Epochs;
use super::super::known::{InForce, Known, NackView, Row};
use crate::tenants::TenantId;
use crate::time::Time;

pub(super) struct Live {
    pub(super) tenant: TenantId,
    pub(super) revoked: watch::Sender<bool>,
    /// Streams that entered, and those of them that said Hello.
    pub(super) entered: usize,
    streams: BTreeMap<u64, Stream>,
    /// Streams over which no worker has been heard of yet.
    silent: usize,
    connected_at: Option<Time>,
    /// By the id that each has given itself.
    workers: BTreeMap<Vec<u8>, Worker>,
    /// In force in them.
    epochs: Epochs,
    /// Totals of workers that left lately: one that comes back goes on counting where it was.
    departed: VecDeque<(Vec<u8>, u64)>,
    last: Option<InForce>,
    /// As the tenant's convergence knows it.
    floor: Option<u64>,
    floor_at: Time,
    /// The newest epoch that was sent, and since when something that was sent is not in force.
    owed: Option<(u64, Time)>,
    nacks: u64,
    last_nack: Option<NackView>,
    refuses: bool,
    pub(super) attempts_dropped: u64,
    pub(super) last_seen_at: Time,
    pub(super) written_at: Option<Instant>,
    pub(super) logged_at: Option<Instant>,
    pub(super) unlogged: u64,
}

struct Stream {
    node: String,
    filter_version: String,
    silent: bool,
}

struct Worker {
    /// Over which it was heard of last: another VM of the same Envoy may have opened a stream since.
    connection: u64,
    in_force: InForce,
    attempts_dropped: u64,
}

/// Bounds what gateways can make the control plane remember.
const MAX_DEPARTED: usize = 64;
/// Node ids and versions that are shown of one gateway; it may have a thousand Envoys.
const MAX_SHOWN: usize = 16;
/// Epochs that are shown with how many workers have each.
const MAX_EPOCHS: usize = 8;

impl Live {
    pub(super) fn new(tenant: TenantId, now: Time) -> Self {
        Self {
            tenant,
            revoked: watch::Sender::new(false),
            entered: 0,
            streams: BTreeMap::new(),
            silent: 0,
            connected_at: None,
            workers: BTreeMap::new(),
            epochs: Epochs::default(),
            departed: VecDeque::new(),
            last: None,
            floor: None,
            floor_at: now,
            owed: None,
            nacks: 0,
            last_nack: None,
            refuses: false,
            attempts_dropped: 0,
            last_seen_at: now,
            written_at: None,
            logged_at: None,
            unlogged: 0,
        }
    }

    /// A stream said Hello.
    pub(super) fn join(&mut self, connection: u64, node: String, filter_version: String, now: Time) {
        self.connected_at.get_or_insert(now);
        if self.streams.insert(connection, Stream { node, filter_version, silent: true }).is_none() {
            self.silent += 1;
        }
    }

    /// A worker has an index in force; false when there are too many of them.
    pub(super) fn enforced(&mut self, connection: u64, worker: Vec<u8>, in_force: InForce, most: usize) -> bool {
        if let Some(stream) = self.streams.get_mut(&connection).filter(|stream| stream.silent) {
            stream.silent = false;
            self.silent -= 1;
        }
        let full = self.workers.len() >= most;
        let before = match self.workers.get_mut(&worker) {
            Some(worker) => {
                worker.connection = connection;
                Some(std::mem::replace(&mut worker.in_force, in_force).epoch)
            }
            None if full => return false,
            None => {
                let attempts_dropped = self.departed.iter().find(|(id, _)| *id == worker).map_or(0, |&(_, n)| n);
                self.workers.insert(worker, Worker { connection, in_force, attempts_dropped });
                None
            }
        };
        self.epochs.swap(before, Some(in_force.epoch));
        if self.last_nack.as_ref().is_some_and(|nack| in_force.epoch >= nack.epoch) {
            self.refuses = false;
        }
        true
    }

    /// Takes workers of a connection out.
    pub(super) fn part(&mut self, connection: u64, which: impl Fn(&[u8]) -> bool) {
        let leaves = |id: &Vec<u8>, worker: &mut Worker| worker.connection == connection && which(id);
        for (id, worker) in self.workers.extract_if(.., leaves) {
            self.departed.retain(|(departed, _)| *departed != id);
            if self.departed.len() == MAX_DEPARTED {
                self.departed.pop_front();
            }
            self.departed.push_back((id, worker.attempts_dropped));
            self.last = Some(worker.in_force);
            self.epochs.swap(Some(worker.in_force.epoch), None);
        }
    }

    /// A stream ends, and its workers with it.
    pub(super) fn leave(&mut self, connection: u64) {
        self.entered = self.entered.saturating_sub(1);
        if self.streams.remove(&connection).is_some_and(|stream| stream.silent) {
            self.silent -= 1;
        }
        self.part(connection, |_| true);
        if self.streams.is_empty() {
            (self.connected_at, self.owed) = (None, None);
        }
    }

    /// An epoch is sent.
    pub(super) fn owes(&mut self, epoch: u64, now: Time) {
        let since = self.owed.map_or(now, |(_, since)| since);
        self.owed = Some((epoch, since));
    }

    pub(super) fn kept(&mut self, nack: NackView) {
        self.nacks = self.nacks.saturating_add(1);
        (self.last_nack, self.refuses) = (Some(nack), true);
    }

    /// A worker's total of dropped attempts; how many that adds.
    pub(super) fn counted(&mut self, worker: &[u8], attempts_dropped: u64) -> u64 {
        let Some(worker) = self.workers.get_mut(worker) else { return 0 };
        let new = attempts_dropped.saturating_sub(worker.attempts_dropped);
        worker.attempts_dropped = attempts_dropped;
        self.attempts_dropped = self.attempts_dropped.saturating_add(new);
        new
    }

    /// The lowest epoch in force, when it is another one than before: before and now. `None` when it is not connected.
    pub(super) fn refloor(&mut self, now: Time) -> Option<(Option<u64>, Option<u64>)> {
        // Who has said Hello and nothing else may have nothing.
        let floor = if self.silent > 0 { Some(0) } else { self.epochs.lowest() };
        if self.owed.is_some_and(|(owed, _)| floor.is_some_and(|floor| floor >= owed)) {
            self.owed = None;
        }
        if floor == self.floor {
            return None;
        }
        self.floor_at = now;
        Some((std::mem::replace(&mut self.floor, floor), floor))
    }

    pub(super) fn floor(&self) -> Option<u64> {
        self.floor
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.streams.is_empty()
    }

    pub(super) fn workers(&self) -> usize {
        self.workers.len()
    }

    pub(super) fn refuses(&self) -> bool {
        self.refuses
    }

    /// Since when something that was sent is not in force.
    pub(super) fn behind_since(&self) -> Option<Time> {
        self.owed.map(|(_, since)| since)
    }

    pub(super) fn known(&self) -> Known {
        let lowest = self.workers.values().map(|worker| worker.in_force).min_by_key(|in_force| in_force.epoch);
        let shown = |of: fn(&Stream) -> &String| {
            let mut texts: Vec<_> = self.streams.values().map(of).filter(|text| !text.is_empty()).collect();
            texts.sort_unstable();
            texts.dedup();
            texts.into_iter().take(MAX_SHOWN).cloned().collect()
        };
        Known {
            envoys: self.streams.len(),
            connected_at: self.connected_at,
            workers: self.workers.len(),
            epochs: self.epochs.newest().take(MAX_EPOCHS).collect(),
            in_force: lowest.or(self.last),
            nodes: shown(|stream| &stream.node),
            filter_versions: shown(|stream| &stream.filter_version),
            nacks: self.nacks,
            last_nack: self.last_nack.clone(),
            refuses: self.refuses,
            behind_since: self.behind_since(),
            attempts_dropped: self.attempts_dropped,
            last_seen_at: Some(self.last_seen_at),
        }
    }

    /// For the other servers.
    pub(super) fn row(&self, gateway: i64) -> Row {
        let Self { tenant, floor, floor_at, .. } = *self;
        Row { tenant, gateway, floor, floor_at, known: self.known() }
    }
}
