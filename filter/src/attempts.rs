//! What was seen, kept until the control plane has stored it.
//!
//! Uses of one token that agree in leak, client, route, outcome and minute are one attempt with a count. A batch on its way is
//! kept until its acknowledgement and sent again, with the same ids, after a reconnect: the control plane stores each id once.

use std::collections::BTreeMap;

use stopleak_contract::feed::wire::{Attempt, AttemptBatch, Outcome};

use crate::request::Route;
use crate::verdict::Match;

/// One use of a leaked token.
#[derive(Clone, Debug)]
pub struct Use {
    /// The token that decided.
    pub found: Match,
    /// Whether it passed.
    pub outcome: Outcome,
    /// The client's address without the port.
    pub client: String,
    /// Where to.
    pub route: Route,
    /// The upstream's status; 0 when there was none.
    pub status: u32,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Attempts that wait, and the batch that is on its way.
#[derive(Debug)]
pub struct AttemptBuffer {
    /// Random: makes this VM's attempt ids unique.
    vm: [u8; 8],
    recorded: u64,
    waiting: BTreeMap<Key, Attempt>,
    on_its_way: Option<AttemptBatch>,
    batches: u64,
    dropped: u64,
}

/// What the uses of one attempt agree in: fingerprint, outcome, client, route, status and minute.
type Key = ([u8; 32], i32, String, Route, u32, u64);

/// Different attempts that can wait: some 400 KB. What comes when it is full is dropped and counted.
pub const MAX_WAITING: usize = 1_024;

/// Attempts in one batch: some 100 KB, far below the feed's limit for a message.
pub const MAX_BATCH: usize = 256;

impl AttemptBuffer {
    /// An empty buffer; `vm` is random.
    #[must_use]
    pub fn new(vm: [u8; 8]) -> Self {
        Self { vm, recorded: 0, waiting: BTreeMap::new(), on_its_way: None, batches: 0, dropped: 0 }
    }

    /// Adds a use to the attempt that it belongs to.
    pub fn record(&mut self, used: Use) {
        let Use { found, outcome, client, route, status, at_ms } = used;
        let key = (*found.fingerprint.as_bytes(), outcome as i32, client.clone(), route.clone(), status, at_ms / 60_000);
        if let Some(attempt) = self.waiting.get_mut(&key) {
            attempt.count = attempt.count.saturating_add(1);
            attempt.last_seen_ms = at_ms;
            return;
        }
        if self.waiting.len() >= MAX_WAITING {
            self.dropped += 1;
            return;
        }
        self.recorded += 1;
        let attempt = Attempt {
            id: [self.vm, self.recorded.to_be_bytes()].concat(),
            leak: found.leak,
            fingerprint: found.fingerprint.as_bytes().to_vec(),
            outcome: outcome as i32,
            place: found.place as i32,
            header: found.header,
            client,
            method: route.method,
            host: route.host,
            path: route.path,
            status,
            first_seen_ms: at_ms,
            last_seen_ms: at_ms,
            count: 1,
        };
        self.waiting.insert(key, attempt);
    }

    /// The next batch to send; none while one is on its way.
    pub fn next_batch(&mut self) -> Option<&AttemptBatch> {
        if self.on_its_way.is_some() || self.waiting.is_empty() {
            return None;
        }
        let mut attempts = Vec::with_capacity(self.waiting.len().min(MAX_BATCH));
        while attempts.len() < MAX_BATCH
            && let Some((_, attempt)) = self.waiting.pop_first()
        {
            attempts.push(attempt);
        }
        self.batches += 1;
        self.on_its_way = Some(AttemptBatch { batch: self.batches, attempts });
        self.on_its_way.as_ref()
    }

    /// The batch that a broken stream left without acknowledgement.
    #[must_use]
    pub fn unacknowledged(&self) -> Option<&AttemptBatch> {
        self.on_its_way.as_ref()
    }

    /// Forgets a batch that is stored.
    pub fn acknowledge(&mut self, batch: u64) {
        self.on_its_way.take_if(|on_its_way| on_its_way.batch == batch);
    }

    /// Attempts that found no room, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests;
