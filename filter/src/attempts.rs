//! What was seen, kept until the control plane has stored it.
//!
//! Uses of one token that agree in leak, client, route, outcome and minute are one attempt with a count. A batch on its way is
//! kept until its acknowledgement and sent again, with the same ids, after a reconnect: the control plane stores each id once.

use std::collections::{BTreeMap, BTreeSet};

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
    /// What was sent this minute already: its further uses wait a little longer.
    sent: BTreeSet<Key>,
    /// Routes of this minute, by token and client.
    routes: BTreeMap<([u8; 32], String), BTreeSet<Route>>,
    minute: u64,
    on_its_way: Option<AttemptBatch>,
    batches: u64,
    dropped: u64,
}

/// What the uses of one attempt agree in: fingerprint, outcome, client, route, status and minute.
type Key = ([u8; 32], i32, String, Route, u32, u64);

/// Different attempts that can wait: some 400 KB. What comes when it is full is dropped and counted.
pub const MAX_WAITING: usize = 1_024;

/// Routes of one token and client in a minute; whoever holds a token chooses the path, and must not choose how much is stored.
pub const MAX_ROUTES: usize = 16;

/// Stands for the routes that are too many.
const OTHER_ROUTES: &str = "…";

/// Further uses of what was sent this minute are sent together after this time.
const HOLD_MS: u64 = 5_000;

/// Attempts in one batch: some 100 KB, far below the feed's limit for a message.
pub const MAX_BATCH: usize = 256;

impl AttemptBuffer {
    /// An empty buffer; `vm` is random.
    #[must_use]
    pub fn new(vm: [u8; 8]) -> Self {
        Self {
            vm,
            recorded: 0,
            waiting: BTreeMap::new(),
            sent: BTreeSet::new(),
            routes: BTreeMap::new(),
            minute: 0,
            on_its_way: None,
            batches: 0,
            dropped: 0,
        }
    }

    /// Adds a use to the attempt that it belongs to.
    pub fn record(&mut self, used: Use) {
        let Use { found, outcome, client, route, status, at_ms } = used;
        self.begin_minute(at_ms / 60_000);
        let route = self.bounded(*found.fingerprint.as_bytes(), &client, route);
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
    pub fn next_batch(&mut self, now_ms: u64) -> Option<&AttemptBatch> {
        if self.on_its_way.is_some() {
            return None;
        }
        self.begin_minute(now_ms / 60_000);
        let sent = &self.sent;
        let is_due =
            |key: &Key, attempt: &mut Attempt| !sent.contains(key) || now_ms.saturating_sub(attempt.first_seen_ms) >= HOLD_MS;
        let due: Vec<_> = self.waiting.extract_if(.., is_due).take(MAX_BATCH).collect();
        if due.is_empty() {
            return None;
        }
        let mut attempts = Vec::with_capacity(due.len());
        for (key, attempt) in due {
            attempts.push(attempt);
            if self.sent.len() < MAX_WAITING {
                self.sent.insert(key);
            }
        }
        self.batches += 1;
        self.on_its_way = Some(AttemptBatch { batch: self.batches, attempts, worker: Vec::new() });
        self.on_its_way.as_ref()
    }

    /// The batch that a broken stream left without acknowledgement.
    #[must_use]
    pub fn unacknowledged(&self) -> Option<&AttemptBatch> {
        self.on_its_way.as_ref()
    }

    /// The next batch of a VM that goes: all that waits is due, and no answer is waited for.
    pub fn last_batch(&mut self) -> Option<AttemptBatch> {
        self.on_its_way = None;
        self.next_batch(u64::MAX).cloned()
    }

    /// Forgets a batch that is stored.
    pub fn acknowledge(&mut self, batch: u64) {
        self.on_its_way.take_if(|on_its_way| on_its_way.batch == batch);
    }

    fn begin_minute(&mut self, minute: u64) {
        if minute != self.minute {
            self.minute = minute;
            self.sent.clear();
            self.routes.clear();
        }
    }

    /// The route, or what stands for the routes that are too many.
    fn bounded(&mut self, fingerprint: [u8; 32], client: &str, route: Route) -> Route {
        let full = self.routes.len() >= MAX_WAITING;
        let routes = match self.routes.get_mut(&(fingerprint, client.to_owned())) {
            Some(routes) => routes,
            None if full => return other_routes(),
            None => self.routes.entry((fingerprint, client.to_owned())).or_default(),
        };
        if routes.contains(&route) {
            return route;
        }
        if routes.len() >= MAX_ROUTES {
            return other_routes();
        }
        routes.insert(route.clone());
        route
    }

    /// Attempts that found no room, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

fn other_routes() -> Route {
    Route { method: "OTHER".to_owned(), host: OTHER_ROUTES.to_owned(), path: OTHER_ROUTES.to_owned() }
}

#[cfg(test)]
mod tests;
