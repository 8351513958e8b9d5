//! The VM that holds the stream, on behalf of all VMs of its Envoy.

use std::collections::BTreeMap;
use std::rc::Rc;

use stopleak_contract::feed::Message as _;
use stopleak_contract::feed::wire::{self, to_control_plane};

use super::Settings;
use crate::enforced::Enforced;
use crate::link::Link;
use crate::proxy::{Level, Proxy};
use crate::records::Records;
use crate::subscription::{Event, Subscription, message};

/// The stream, and what was said over it.
pub struct Leader {
    proxy: Rc<dyn Proxy>,
    settings: Settings,
    link: Link,
    subscription: Subscription,
    /// The epoch that each worker was reported with on this stream.
    reported: BTreeMap<Vec<u8>, u64>,
    mended_ms: u64,
}

/// What a message led to.
pub enum Outcome {
    /// Nothing to do.
    Nothing,
    /// Another index lies in shared data.
    Installed,
    /// A push was refused, for this reason.
    Refused(String),
    /// A worker's batch is stored.
    AttemptsStored(wire::AttemptsAck),
}

/// A damaged page is fetched again at most that often: whoever damages it must not make the control plane send for ever.
const MEND_MS: u64 = 10_000;

impl Leader {
    pub fn new(proxy: Rc<dyn Proxy>, records: Records, settings: Settings) -> Self {
        let subscription = Subscription::new(settings.pinned, records);
        Self { proxy, settings, link: Link::new(), subscription, reported: BTreeMap::new(), mended_ms: 0 }
    }

    pub fn stream(&self) -> Option<u32> {
        self.link.stream()
    }

    /// Whether the control plane cannot be reached, as this VM is configured.
    pub fn is_unlucky(&self) -> bool {
        self.link.is_unlucky()
    }

    /// Opens the stream when it is time to. Whether it did.
    pub fn connect(&mut self, enforced: Option<&Enforced>) -> bool {
        if !self.link.is_due(self.proxy.now_ms()) {
            return false;
        }
        match self.proxy.open_stream(&self.settings.target, &self.settings.credential) {
            Ok(stream) => {
                self.link.opened(stream);
                self.reported.clear();
                let hello = self.subscription.hello(self.proxy.node(), enforced);
                self.send(&hello);
                true
            }
            Err(reason) => {
                self.proxy.log(Level::Warn, &format!("cluster {:?} of the feed: {reason}", self.settings.cluster));
                self.broke();
                false
            }
        }
    }

    pub fn broke(&mut self) {
        self.link.broke(self.proxy.now_ms(), self.proxy.jitter());
    }

    pub fn cancel(&self) {
        if let Some(stream) = self.link.stream() {
            self.proxy.cancel(stream);
        }
    }

    pub fn send(&self, message: &wire::ToControlPlane) {
        if let Some(stream) = self.link.stream() {
            self.proxy.send(stream, &message.encode_to_vec());
        }
    }

    pub fn receive(&mut self, bytes: &[u8], enforced: Option<&Enforced>) -> Outcome {
        self.link.proved();
        match self.subscription.receive(bytes, enforced) {
            Event::Noted => Outcome::Nothing,
            Event::Complete => Outcome::Installed,
            Event::Refused { nack, reason } => {
                self.send(&nack);
                Outcome::Refused(reason)
            }
            Event::AttemptsStored(ack) => Outcome::AttemptsStored(ack),
        }
    }

    /// Says what has changed in who has which epoch, and, when it is time, all totals.
    pub fn report(&mut self, workers: &wire::Workers, with_totals: bool) {
        if self.link.stream().is_none() {
            return;
        }
        let mut news = Vec::new();
        for worker in &workers.workers {
            if self.reported.get(&worker.id) != Some(&worker.epoch) {
                self.reported.insert(worker.id.clone(), worker.epoch);
                let ack = wire::Ack { epoch: worker.epoch, tokens: worker.tokens, worker: worker.id.clone() };
                news.push(to_control_plane::Message::Ack(ack));
            }
            if with_totals {
                news.push(to_control_plane::Message::Stats(wire::Stats {
                    attempts_dropped: worker.attempts_dropped,
                    requests: worker.requests,
                    worker: worker.id.clone(),
                }));
            }
        }
        let is_there = |id: &[u8]| workers.workers.iter().any(|worker| worker.id == id);
        for (worker, _) in self.reported.extract_if(.., |id, _| !is_there(id)) {
            news.push(to_control_plane::Message::Gone(wire::Gone { worker }));
        }
        for message_of in news {
            self.send(&message(message_of));
        }
    }

    /// Gives the stream up, so that the next one brings the whole index again. Not more often than is good; whether it did.
    pub fn mend(&mut self) -> bool {
        let now_ms = self.proxy.now_ms();
        if self.link.stream().is_none() || self.subscription.is_arriving() || now_ms.abs_diff(self.mended_ms) < MEND_MS {
            return false;
        }
        self.mended_ms = now_ms;
        self.subscription.distrust_pages();
        self.cancel();
        self.broke();
        true
    }
}
