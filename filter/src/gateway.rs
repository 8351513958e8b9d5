//! What one VM does beside judging requests: it restores, follows or leads, and reports.
//!
//! The VMs of an Envoy agree by [`Records`]. Each of them looks requests up in the index that lies there; one, the leader, holds the
//! stream that brings it, and hands over what the others report.

mod judge;
mod leader;
mod leadership;

use std::rc::Rc;

use stopleak_contract::PluginConfig;
use stopleak_contract::feed::wire::{local, to_control_plane};
use stopleak_contract::feed::{Message as _, wire};
use stopleak_contract::index::Pinned;

use self::leader::Leader;
use crate::attempts::{AttemptBuffer, Use};
use crate::counted::Counted;
use crate::enforced::Enforced;
use crate::lease;
use crate::proxy::{Level, Proxy};
use crate::records::Records;
use crate::request::{Request, Route};
use crate::subscription::message;
use crate::verdict::{Match, Policy};

/// One plugin configuration in one VM.
pub struct Gateway {
    proxy: Rc<dyn Proxy>,
    records: Records,
    settings: Settings,
    policy: Policy,
    /// This VM, random.
    id: [u8; 8],
    queue: Option<u32>,
    enforced: Option<Enforced>,
    /// The version of the state that was looked at last.
    looked_at: u32,
    lease: wire::Lease,
    leader: Option<Leader>,
    /// When the lease was last left to others.
    yielded_ms: u64,
    attempts: AttemptBuffer,
    /// By which leader's stream the batch on its way was sent, and when.
    sent_by: (Vec<u8>, u64),
    sent_ms: u64,
    counted: Counted,
    ticks: u64,
}

/// What of a plugin configuration decides about the feed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster's name, for messages.
    pub cluster: String,
    /// What Envoy is told to connect to.
    pub target: String,
    /// Of this gateway.
    pub credential: String,
    /// Of the control plane.
    pub pinned: Pinned,
}

/// What is so right now, for Envoy's gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// The epoch in force.
    pub index_epoch: u64,
    /// Tokens of the index in force.
    pub index_tokens: u64,
    /// Seconds since the index in force was built.
    pub index_age_seconds: u64,
    /// 1 while the stream is open, whichever VM holds it.
    pub feed_connected: u64,
}

/// Prefilters that one tick takes from their pages: some milliseconds of work, so that no request waits noticeably longer.
const WARM_UP: usize = 16;

/// Ticks between two reports of totals: every five seconds.
const STATS_EVERY: u64 = 50;

/// A batch that is not acknowledged for that long is sent again: the answer may have been lost on its way from VM to VM. Rarely, since a
/// control plane whose database does not answer for hours would be sent it again and again.
const RESEND_MS: u64 = 300_000;

impl Gateway {
    /// Starts with what the VMs before this one knew, before the first request is judged. `random` is this VM's own.
    #[must_use]
    pub fn new(proxy: Rc<dyn Proxy>, shared: Records, config: &PluginConfig, settings: Settings, random: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, attempts @ ..] = random;
        let mut gateway = Self {
            proxy,
            records: shared,
            settings,
            policy: Policy::new(config),
            id: [a, b, c, d, e, f, g, h],
            queue: None,
            enforced: None,
            looked_at: 0,
            lease: wire::Lease::default(),
            leader: None,
            yielded_ms: 0,
            attempts: AttemptBuffer::new(attempts),
            sent_by: Default::default(),
            sent_ms: 0,
            counted: Counted::default(),
            ticks: 0,
        };
        if gateway.catch_up() {
            let epoch = gateway.epoch();
            gateway.proxy.log(Level::Info, &format!("restored epoch {epoch} from shared data"));
        }
        gateway
    }

    /// What an attempt says of where a token was used, without the token.
    #[must_use]
    pub fn route(&self, request: Request<'_>, found: &Match) -> Option<Route> {
        self.enforced.as_ref().map(|enforced| enforced.route(request, found))
    }

    /// Keeps a use of a leaked token until it is reported.
    pub fn record(&mut self, used: Use) {
        self.attempts.record(used);
    }

    /// Comes ten times a second. Streams and queues are opened here and never before, since a configuration is first tried out in a VM
    /// that is thrown away.
    pub fn tick(&mut self) {
        if self.queue.is_none() {
            self.queue = self.proxy.open_queue(&self.records.queue_name(&self.id));
            self.records.settle();
        }
        self.catch_up();
        self.lead_or_follow();
        self.show();
        self.report();
        self.hand_over();
        // Not when another index came into force just now.
        if self.enforced.as_ref().is_some_and(|enforced| enforced.has_unreadable(WARM_UP)) && !self.catch_up() {
            self.page_is_damaged();
        }
        self.ticks += 1;
    }

    /// Another VM has sent something.
    pub fn on_queue(&mut self, queue: u32) {
        while let Some(bytes) = self.proxy.dequeue(queue) {
            let Ok(wire::Local { message: Some(message) }) = wire::Local::decode(bytes.as_slice()) else { continue };
            match message {
                local::Message::IndexChanged(_) => {
                    self.catch_up();
                    self.show();
                    self.tell_leader(local::Message::WorkerChanged(wire::Nudge {}));
                }
                local::Message::AttemptsAck(ack) => self.attempts.acknowledge(ack.batch),
                local::Message::WorkerChanged(_) => self.report(),
                local::Message::Attempts(batch) => {
                    if let Some(leader) = &self.leader {
                        leader.send(&message_of(batch));
                    }
                }
                local::Message::PageDamaged(_) => self.page_is_damaged(),
            }
        }
    }

    /// Something came over a stream.
    pub fn receive(&mut self, stream: u32, bytes: &[u8]) {
        self.give_way();
        let Some(leader) = self.leader.as_mut().filter(|leader| leader.stream() == Some(stream)) else { return };
        match leader.receive(bytes, self.enforced.as_ref()) {
            leader::Outcome::Nothing => {}
            leader::Outcome::Installed => {
                self.counted.pushes_accepted += 1;
                self.tell_others(&local::Message::IndexChanged(wire::Nudge {}));
                self.catch_up();
                self.show();
                self.report();
            }
            leader::Outcome::Refused(reason) => {
                self.counted.pushes_refused += 1;
                let epoch = self.epoch();
                self.proxy.log(Level::Error, &format!("push refused, epoch {epoch} stays: {reason}"));
            }
            leader::Outcome::AttemptsStored(ack) if ack.worker == self.id => self.attempts.acknowledge(ack.batch),
            leader::Outcome::AttemptsStored(ack) => {
                let workers = self.records.workers().workers;
                if let Some(worker) = workers.iter().find(|worker| worker.id == ack.worker) {
                    self.enqueue(worker.queue, local::Message::AttemptsAck(ack));
                }
            }
        }
    }

    /// A stream has ended.
    pub fn closed(&mut self, stream: u32, reason: &str) {
        if let Some(leader) = self.leader.as_mut().filter(|leader| leader.stream() == Some(stream)) {
            self.proxy.log(Level::Warn, reason);
            leader.broke();
            self.hold(0);
        }
    }

    /// This configuration is going: another VM need not wait until its lease is void.
    pub fn leave(&mut self) {
        let id = self.id;
        // For this VM's own attempts a leader has no time; it is usually the one that carries no traffic.
        let mut last = self.attempts.unacknowledged().cloned();
        while let Some(batch) = last.filter(|_| self.leader.is_none()) {
            self.tell_leader(local::Message::Attempts(wire::AttemptBatch { worker: id.to_vec(), ..batch }));
            last = self.attempts.last_batch();
        }
        self.give_back();
        self.records.change_workers(|workers| {
            let before = workers.workers.len();
            workers.workers.retain(|worker| worker.id != id);
            workers.workers.len() < before
        });
    }

    /// What has been counted since the start.
    pub fn counted(&mut self) -> &Counted {
        self.counted.attempts_dropped = self.attempts.dropped();
        &self.counted
    }

    /// What is so right now.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let header = self.enforced.as_ref().map(Enforced::header);
        let age_ms = header.map_or(0, |header| self.proxy.now_ms().saturating_sub(header.built_at_ms));
        Gauges {
            index_epoch: self.epoch(),
            index_tokens: header.map_or(0, |header| header.tokens),
            index_age_seconds: age_ms / 1_000,
            feed_connected: u64::from(self.lease.stream_since_ms != 0),
        }
    }

    /// The epoch in force; 0 when there is none.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.enforced.as_ref().map_or(0, |enforced| enforced.header().epoch)
    }

    /// Puts the index into force that lies in shared data, when it is another one. Whether it was.
    fn catch_up(&mut self) -> bool {
        let version = self.records.state_version();
        if version == self.looked_at {
            return false;
        }
        self.looked_at = version;
        let restored = Enforced::restore(&mut self.enforced, self.settings.pinned, &self.records);
        if let Err(reason) = &restored {
            self.proxy.log(Level::Warn, &format!("the index in shared data is not used: {reason}"));
        }
        restored.is_ok()
    }

    /// Keeps this worker's entry in the list of those that are there.
    fn show(&mut self) {
        let Some(queue) = self.queue else { return };
        let entry = wire::Worker {
            id: self.id.to_vec(),
            queue,
            seen_ms: self.proxy.now_ms(),
            epoch: self.epoch(),
            tokens: self.enforced.as_ref().map_or(0, |enforced| enforced.header().tokens),
            attempts_dropped: self.attempts.dropped(),
            requests: self.counted.requests,
        };
        self.records.change_workers(|workers| lease::show(workers, &entry));
    }

    /// As the leader, tells the control plane what is in force in which worker.
    fn report(&mut self) {
        let now_ms = self.proxy.now_ms();
        if let Some(leader) = &mut self.leader {
            let workers = self.records.change_workers(|workers| lease::remove_absent(workers, now_ms));
            leader.report(&workers, self.ticks.is_multiple_of(STATS_EVERY));
        }
    }

    /// Hands a batch of attempts to whoever holds the stream, once for each stream unless the answer fails to come.
    fn hand_over(&mut self) {
        let way = (self.lease.worker.clone(), self.lease.stream_since_ms);
        if self.lease.stream_since_ms == 0 {
            return;
        }
        let now_ms = self.proxy.now_ms();
        let is_lost = self.sent_by != way || now_ms.abs_diff(self.sent_ms) > RESEND_MS;
        let again = self.attempts.unacknowledged().filter(|_| is_lost).cloned();
        let Some(batch) = again.or_else(|| self.attempts.next_batch(now_ms).cloned()) else { return };
        let batch = wire::AttemptBatch { worker: self.id.to_vec(), ..batch };
        (self.sent_by, self.sent_ms) = (way, now_ms);
        match &self.leader {
            Some(leader) => leader.send(&message_of(batch)),
            None => self.tell_leader(local::Message::Attempts(batch)),
        }
    }

    /// As the leader, has everything sent again; tells the leader otherwise.
    fn page_is_damaged(&mut self) {
        let Some(leader) = &mut self.leader else {
            self.tell_leader(local::Message::PageDamaged(wire::Nudge {}));
            return;
        };
        if leader.mend() {
            self.proxy.log(Level::Error, "a page in shared data is not what its header says; the index is fetched again");
            self.hold(0);
        }
    }

    fn tell_leader(&self, message: local::Message) {
        if self.lease.worker != self.id && !lease::is_void(&self.lease, self.proxy.now_ms()) {
            self.enqueue(self.lease.queue, message);
        }
    }

    fn tell_others(&self, message: &local::Message) {
        for worker in self.records.workers().workers.iter().filter(|worker| worker.id != self.id) {
            self.enqueue(worker.queue, message.clone());
        }
    }

    fn enqueue(&self, queue: u32, message: local::Message) {
        self.proxy.enqueue(queue, &wire::Local { message: Some(message) }.encode_to_vec());
    }
}

fn message_of(batch: wire::AttemptBatch) -> wire::ToControlPlane {
    message(to_control_plane::Message::Attempts(batch))
}

#[cfg(test)]
mod tests;
