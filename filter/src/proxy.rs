//! What a gateway needs of the proxy around it. The host answers with Envoy's calls, tests with a few maps.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::circumstances::Around;

/// Records that all VMs of one Envoy share, and that outlive each of them.
pub trait Shared {
    /// A record's bytes and version; a version changes with every write and is never 0. `None` when it was never written.
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Writes a record; with a version only while it has that one. Whether it was written.
    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool;
}

/// Records in this process's own memory: for judging outside of a proxy.
#[derive(Debug, Default)]
pub struct Memory {
    records: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    writes: Cell<u32>,
}

/// Everything beside the requests' texts.
pub trait Proxy: Shared + Around {
    /// Makes a queue of which this VM is told when something arrives.
    fn open_queue(&self, name: &str) -> Option<u32>;

    /// Adds to a queue of any VM.
    fn enqueue(&self, queue: u32, message: &[u8]);

    /// Takes from a queue of this VM.
    fn dequeue(&self, queue: u32) -> Option<Vec<u8>>;

    /// Opens a stream of the feed.
    fn open_stream(&self, target: &str, credential: &str) -> Result<u32, String>;

    /// Sends over it. What a broken stream does not take is sent again over the next one.
    fn send(&self, stream: u32, message: &[u8]);

    /// Gives it up.
    fn cancel(&self, stream: u32);

    /// A random byte.
    fn jitter(&self) -> u8;

    /// How Envoy calls itself; may be empty.
    fn node(&self) -> String;

    /// A line in Envoy's log.
    fn log(&self, level: Level, message: &str);
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Info,
    /// It will be tried again.
    Warn,
    /// Somebody has to look.
    Error,
}

impl Shared for Memory {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.records.borrow().get(key).cloned()
    }

    /// As Envoy does it: what is not there yet is written whatever the version.
    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut records = self.records.borrow_mut();
        let there = records.get(key).map(|(_, version)| *version);
        if version.zip(there).is_some_and(|(expected, there)| expected != there) {
            return false;
        }
        self.writes.set(self.writes.get() + 1);
        records.insert(key.to_owned(), (value.to_vec(), self.writes.get()));
        true
    }
}
