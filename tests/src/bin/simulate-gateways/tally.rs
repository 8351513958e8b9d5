//! Who has which epoch, and what there is to tell of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

/// Of all streams.
pub struct Tally {
    streams: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    ready: usize,
    epochs: BTreeMap<u64, Acknowledged>,
}

struct Acknowledged {
    by: usize,
    first_us: u64,
}

impl Tally {
    /// Of so many.
    pub fn new(streams: usize) -> Self {
        Self { streams, state: RefCell::default() }
    }

    /// A stream has its first index.
    pub fn ready(&self) {
        let mut state = self.state.borrow_mut();
        state.ready += 1;
        if state.ready == self.streams {
            println!("{}", json!({"ready": self.streams}));
        }
    }

    /// A stream has acknowledged an epoch.
    pub fn acknowledged(&self, epoch: u64) {
        let mut state = self.state.borrow_mut();
        let now_us = now_us();
        let of_epoch = state.epochs.entry(epoch).or_insert(Acknowledged { by: 0, first_us: now_us });
        of_epoch.by += 1;
        if of_epoch.by == self.streams {
            let first_us = of_epoch.first_us;
            println!("{}", json!({"everywhere": {"epoch": epoch, "first_us": first_us, "last_us": now_us}}));
            state.epochs.retain(|other, _| *other > epoch);
        }
    }
}

/// A stream has ended.
pub fn tell_end(error: &anyhow::Error) {
    println!("{}", json!({"ended": format!("{error:#}")}));
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}
