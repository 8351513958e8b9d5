//! Attempts as a filter under attack reports them: batch after batch, each when the one before is stored.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::json;
use stopleak_contract::feed::wire;
use stopleak_contract::{Fingerprint, FingerprintKey, Token};
use stopleak_tests::{Attack, Plan};

use crate::stream::worker_id;

/// As many attempts as the filter puts into one batch.
const MAX_BATCH: u64 = 256;

/// One stream's part of the attack.
pub struct Attacker {
    attack: Attack,
    fingerprint: Vec<u8>,
    worker: Vec<u8>,
    number: usize,
    batches: u64,
    /// Attempts that are not stored yet.
    left: u64,
    on_its_way: u64,
    started: Instant,
}

thread_local! {
    /// Attempts of all streams that are stored: there is one thread.
    static STORED: Rc<Cell<u64>> = Rc::default();
}

impl Attacker {
    pub fn new(attack: &Attack, welcome: &wire::Welcome, number: usize, plan: &Plan) -> Result<Self> {
        let key = FingerprintKey::from_slice(&welcome.fingerprint_key).context("a key has 32 bytes")?;
        let token = Token::parse(attack.token.as_bytes())?;
        Ok(Self {
            attack: attack.clone(),
            fingerprint: Fingerprint::of(&key, &token).as_bytes().to_vec(),
            worker: worker_id(number, 0),
            number,
            batches: 0,
            left: attempts(attack) / plan.streams as u64,
            on_its_way: 0,
            started: Instant::now(),
        })
    }

    /// The next batch, when none is on its way.
    pub fn next(&mut self) -> Option<wire::AttemptBatch> {
        if self.on_its_way > 0 || self.left == 0 {
            return None;
        }
        self.on_its_way = self.left.min(MAX_BATCH);
        self.batches += 1;
        let now_ms = now_ms();
        let attempts = (0..self.on_its_way).map(|n| wire::Attempt {
            id: [self.worker.clone(), (self.batches * MAX_BATCH + n).to_be_bytes().to_vec()].concat(),
            leak: self.attack.leak,
            fingerprint: self.fingerprint.clone(),
            outcome: wire::Outcome::Blocked.into(),
            place: wire::Place::Authorization.into(),
            client: format!("10.{}.{}.{}", self.number % 250, self.batches % 250, n % 250),
            method: "GET".to_owned(),
            host: "api.test".to_owned(),
            path: format!("/orders/{}", n % 16),
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
            count: self.attack.uses_per_attempt,
            ..wire::Attempt::default()
        });
        Some(wire::AttemptBatch { batch: self.batches, attempts: attempts.collect(), worker: self.worker.clone() })
    }

    /// The control plane has stored a batch.
    pub fn stored(&mut self, ack: &wire::AttemptsAck) {
        if ack.batch != self.batches {
            return;
        }
        let stored = std::mem::take(&mut self.on_its_way);
        self.left -= stored;
        let all = STORED.with(|all| {
            all.set(all.get() + stored);
            all.get()
        });
        // What does not divide evenly is no attempt of anybody.
        if all == attempts(&self.attack) {
            println!("{}", json!({"attacked": {"attempts": all, "seconds": self.started.elapsed().as_secs_f64()}}));
        }
    }
}

fn attempts(attack: &Attack) -> u64 {
    attack.uses / u64::from(attack.uses_per_attempt)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
