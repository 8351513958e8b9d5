//! What was seen, kept until the control plane has stored it.
//!
//! Uses of one token that agree in leak, place, header, client, route, outcome, status and minute are one attempt with a count. A batch on its way is
//! kept until its acknowledgement and sent again, with the same ids, after a reconnect: the control plane stores each id once.

use std::collections::btree_map::Entry;
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
    /// Ways of this minute, by token and client.
    ways: BTreeMap<Key, BTreeSet<Key>>,
    minute: u64,
    on_its_way: Option<AttemptBatch>,
    batches: u64,
    dropped: u64,
}

/// What several uses agree in, hashed: 128 bits, so that nobody finds two that are taken for one another.
type Key = [u8; 16];

/// Different attempts that can wait: some 400 KB. What comes when it is full is dropped and counted.
pub const MAX_WAITING: usize = 1_024;

/// Ways of one token and client in a minute, each a place, a header's name and a route; whoever holds a token chooses all of them, and
/// must not choose how much is stored.
pub const MAX_WAYS: usize = 16;

/// Stands for the ways that are too many.
const OTHER: &str = "…";

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
            ways: BTreeMap::new(),
            minute: 0,
            on_its_way: None,
            batches: 0,
            dropped: 0,
        }
    }

    /// Adds a use to the attempt that it belongs to.
    pub fn record(&mut self, used: Use) {
        let Use { mut found, outcome, client, mut route, status, at_ms } = used;
        self.begin_minute(at_ms / 60_000);
        let fingerprint = *found.fingerprint.as_bytes();
        let place = (found.place as u32).to_be_bytes();
        let [method, host, path] = route.parts();
        let way = key("way", &[&place, found.header.as_bytes(), method, host, path]);
        if !self.has_room(key("client", &[&fingerprint, client.as_bytes()]), way) {
            route = other_routes();
            if !found.header.is_empty() {
                OTHER.clone_into(&mut found.header);
            }
        }
        let numbers = [found.leak, outcome as u32, status].map(u32::to_be_bytes);
        let minute = self.minute.to_be_bytes();
        let [method, host, path] = route.parts();
        let (header, from) = (found.header.as_bytes(), client.as_bytes());
        let key = key("attempt", &[&fingerprint, numbers.as_flattened(), &minute, &place, header, from, method, host, path]);
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
            fingerprint: fingerprint.to_vec(),
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
            self.ways.clear();
        }
    }

    /// Whether a token and client may use one more way in this minute, or have used this one.
    fn has_room(&mut self, client: Key, way: Key) -> bool {
        let full = self.ways.len() >= MAX_WAITING;
        let ways = match self.ways.entry(client) {
            Entry::Vacant(_) if full => return false,
            Entry::Vacant(entry) => entry.insert(BTreeSet::new()),
            Entry::Occupied(entry) => entry.into_mut(),
        };
        ways.contains(&way) || (ways.len() < MAX_WAYS && ways.insert(way))
    }

    /// Attempts that found no room, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Each part with its length in front, so that no two lists of parts are one text.
#[inline(never)]
fn key(of: &str, parts: &[&[u8]]) -> Key {
    let mut hasher = blake3::Hasher::new();
    for part in [of.as_bytes()].iter().chain(parts) {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    // Its own output of any length would be as good, and seven kilobytes of code.
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

fn other_routes() -> Route {
    Route { method: "OTHER".to_owned(), host: OTHER.to_owned(), path: OTHER.to_owned() }
}

#[cfg(test)]
mod tests;
