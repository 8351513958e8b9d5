//! The records in shared data by which the VMs of one Envoy agree: the index, who leads, who is there.

use std::rc::Rc;

use stopleak_contract::feed::{Message, wire};
use stopleak_contract::index::{Pinned, PublicKey};

use crate::proxy::Shared;

/// The records of one gateway.
#[derive(Clone)]
pub struct Records {
    shared: Rc<dyn Shared>,
    prefix: String,
    /// What they would begin with if another pinned key came first.
    others: Vec<String>,
}

/// Another VM may write between reading and writing; with many of them that can happen several times in a row.
const TRIES: usize = 16;

/// Pushes of different indexes of which pages may lie there: one that is arriving, and as many as broke off in a row before it. The
/// header of ten million tokens has 160 KB.
pub const MAX_ANNOUNCED: usize = 8;

impl Records {
    /// The records of the gateway with this credential: all plugins of an Istio proxy share one space of keys, and two gateways of
    /// different tenants may be in one proxy. Whoever believes another public key can use nothing of what lies there, and must not wait
    /// for a leader that refuses what it would believe. With two pinned keys, they are those that a configuration with one of them has left
    /// there, or will look for: no index is fetched anew when the key is changed.
    #[must_use]
    pub fn new(shared: Rc<dyn Shared>, credential: &str, pinned: impl Into<Pinned>) -> Self {
        let mut others: Vec<String> = pinned.into().iter().map(|key| prefix(credential, key)).collect();
        let moved = others.iter().find_map(|of| {
            let (moved, _) = shared.read(&moved_key(of))?;
            String::from_utf8(moved).ok().filter(|moved| moved.len() == of.len())
        });
        let has_index = |of: &&String| shared.read(&format!("{of}changed")).is_some();
        let prefix = moved.or_else(|| others.iter().find(has_index).or(others.first()).cloned()).unwrap_or_default();
        others.retain(|other| *other != prefix);
        Self { shared, prefix, others }
    }

    /// Tells configurations that pin but one of the keys where the records are.
    pub fn settle(&self) {
        for other in &self.others {
            let _ = self.shared.write(&moved_key(other), self.prefix.as_bytes(), None);
        }
    }

    /// The name of a queue of this gateway.
    #[must_use]
    pub fn queue_name(&self, worker: &[u8]) -> String {
        use std::fmt::Write as _;
        worker.iter().fold(self.key("queue."), |mut name, byte| {
            let _ = write!(name, "{byte:02x}");
            name
        })
    }

    /// The last good index, without its pages.
    #[must_use]
    pub fn state(&self) -> Option<wire::State> {
        self.get("state").map(|(state, _)| state)
    }

    /// Changes whenever [`Records::state`] does; 0 as long as there is none. Cheaper to read than a state with thousands of sums.
    #[must_use]
    pub fn state_version(&self) -> u32 {
        self.shared.read(&self.key("changed")).map_or(0, |(_, version)| version)
    }

    /// Puts another index into force for all VMs. Its pages are there already.
    pub fn set_state(&self, state: &wire::State) {
        self.put("state", state);
        let _ = self.shared.write(&self.key("changed"), b"+", None);
    }

    /// Puts a whole index there.
    pub fn install<'s>(&self, state: &wire::State, shards: impl IntoIterator<Item = &'s [u8]>) {
        let shard_bits = state.header.as_ref().and_then(|header| u8::try_from(header.shard_bits).ok()).unwrap_or_default();
        for (place, bytes) in shards.into_iter().enumerate() {
            self.set_page(shard_bits, place, bytes);
        }
        self.set_state(state);
    }

    /// The records of pushes whose pages lie among those of the index in force: the one that is arriving, and those that broke off
    /// before it.
    pub fn announced(&self) -> impl Iterator<Item = (Vec<u8>, u32)> {
        (0..MAX_ANNOUNCED).map_while(|slot| self.shared.read(&self.announced_key(slot)).filter(|(record, _)| !record.is_empty()))
    }

    /// Announces pages. Those of a push that broke off still lie there and stay announced, so that they can be told from damaged ones.
    pub fn announce(&self, state: &wire::State) {
        let record = state.encode_to_vec();
        let (mut others, mut slot) = (self.announced(), 0);
        while slot < MAX_ANNOUNCED - 1 && others.next().is_some_and(|(other, _)| other != record) {
            slot += 1;
        }
        let _ = self.shared.write(&self.announced_key(slot), &record, None);
    }

    /// All pages are of the index in force.
    pub fn announce_none(&self) {
        for slot in 0..self.announced().count() {
            let _ = self.shared.write(&self.announced_key(slot), b"", None);
        }
    }

    /// A shard's page, as somebody wrote it.
    #[must_use]
    pub fn page(&self, shard_bits: u8, shard: usize) -> Option<(Vec<u8>, u32)> {
        self.shared.read(&self.page_key(shard_bits, shard))
    }

    /// Writes a shard's page; an empty one frees the memory of what was there.
    pub fn set_page(&self, shard_bits: u8, shard: usize, bytes: &[u8]) {
        let _ = self.shared.write(&self.page_key(shard_bits, shard), bytes, None);
    }

    /// Who leads.
    #[must_use]
    pub fn lease(&self) -> wire::Lease {
        self.get("lease").map(|(lease, _)| lease).unwrap_or_default()
    }

    /// Changes the lease unless `change` does not want to; the lease afterwards.
    pub fn change_lease(&self, change: impl FnMut(&mut wire::Lease) -> bool) -> wire::Lease {
        self.change("lease", change)
    }

    /// Who is there.
    #[must_use]
    pub fn workers(&self) -> wire::Workers {
        self.get("workers").map(|(workers, _)| workers).unwrap_or_default()
    }

    /// Changes who is there unless `change` does not want to.
    pub fn change_workers(&self, change: impl FnMut(&mut wire::Workers) -> bool) -> wire::Workers {
        self.change("workers", change)
    }

    /// Reads, changes and writes until nobody was in between. When that happens every time, the caller sees what is there, and comes
    /// again with its next tick.
    fn change<R: Message + Default>(&self, name: &str, mut change: impl FnMut(&mut R) -> bool) -> R {
        for _ in 0..TRIES {
            let (mut record, version) = self.get::<R>(name).unwrap_or_default();
            if !change(&mut record) {
                return record;
            }
            let written = self.shared.write(&self.key(name), &record.encode_to_vec(), Some(version).filter(|v| *v != 0));
            // A first write is not compared with anything, so that two VMs may both believe to have made it.
            if written && version != 0 {
                return record;
            }
        }
        self.get(name).map(|(record, _)| record).unwrap_or_default()
    }

    fn get<R: Message + Default>(&self, name: &str) -> Option<(R, u32)> {
        let (bytes, version) = self.shared.read(&self.key(name))?;
        // Another plugin may have written there: what cannot be read is as good as nothing, and is written over.
        Some((R::decode(bytes.as_slice()).unwrap_or_default(), version))
    }

    fn put<R: Message>(&self, name: &str, record: &R) {
        let _ = self.shared.write(&self.key(name), &record.encode_to_vec(), None);
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn announced_key(&self, slot: usize) -> String {
        format!("{}next.{slot}", self.prefix)
    }

    fn page_key(&self, shard_bits: u8, shard: usize) -> String {
        format!("{}page.{shard_bits}.{shard}", self.prefix)
    }
}

fn prefix(credential: &str, public_key: &PublicKey) -> String {
    let owner = [credential, &public_key.to_hex()].concat();
    let owner = blake3::Hash::from(blake3::derive_key("stopleak shared data v3", owner.as_bytes()));
    format!("stopleak.3.{}.", owner.to_hex())
}

fn moved_key(prefix: &str) -> String {
    format!("{prefix}moved")
}
