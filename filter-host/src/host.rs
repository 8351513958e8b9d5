//! What the host holds for one VM.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use wasmtime::StoreLimits;
use zeroize::Zeroize;

use crate::limits::{MAX_KEPT, MAX_LINES};
use crate::shared_data::SharedData;

/// Names and values.
pub type HeaderMap = Vec<(Vec<u8>, Vec<u8>)>;

/// What time a VM is told.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The time.
    System,
    /// Always this one, in nanoseconds since the Unix epoch, so that every run is the same run.
    Fixed(u64),
}

pub(crate) struct Host {
    /// `NAME=value`.
    pub environment: Vec<String>,
    pub clock: Clock,
    pub limits: StoreLimits,
    /// By type, as numbered by the ABI.
    pub buffers: BTreeMap<u32, Vec<u8>>,
    /// By type, as numbered by the ABI.
    pub maps: BTreeMap<u32, HeaderMap>,
    /// By path, joined by zero bytes.
    pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub shared_data: SharedData,
    /// Pages that are about to be written, in that order: the host has them already and needs no copy of its own.
    pub pages: VecDeque<Arc<[u8]>>,
    pub metrics: Vec<u64>,
    pub streams: u32,
    pub cancelled: u32,
    pub queues: u32,
    /// Messages for the control plane.
    pub sent: Vec<Vec<u8>>,
    /// Messages for other VMs.
    pub queued: Vec<Vec<u8>>,
    /// Bytes in both.
    pub kept: usize,
    pub answered: Option<u32>,
    pub log: VecDeque<String>,
    /// Not random at all: nothing in here is secret, and a run of the same module is the same run.
    pub random: u8,
}

impl Host {
    pub fn now_ns(&self) -> u64 {
        match self.clock {
            Clock::Fixed(now) => now,
            Clock::System => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
            }
        }
    }

    pub fn note(&mut self, line: String) {
        if self.log.len() == MAX_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    /// Whether there is room for one more message.
    pub fn has_room(&mut self, message: &[u8]) -> bool {
        let kept = self.kept.saturating_add(message.len());
        let fits = kept <= MAX_KEPT;
        if fits {
            self.kept = kept;
        }
        fits
    }

    /// The page that is about to be written, when this is it.
    pub fn page(&mut self, bytes: &[u8]) -> Option<Arc<[u8]>> {
        if self.pages.front().is_some_and(|page| **page == *bytes) { self.pages.pop_front() } else { None }
    }

    /// Overwrites what is left of a request.
    pub fn forget(&mut self) {
        self.buffers.values_mut().for_each(Zeroize::zeroize);
        for (name, value) in self.maps.values_mut().flatten() {
            name.zeroize();
            value.zeroize();
        }
        self.buffers.clear();
        self.maps.clear();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.forget();
        self.environment.iter_mut().for_each(Zeroize::zeroize);
    }
}
