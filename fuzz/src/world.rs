//! What the targets share: tokens, an index of them, and shared data that counts what lies in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use stopleak_contract::index::{Action, BuiltIndex, Entry, SealedHeader, SigningKey, build};
use stopleak_contract::{Canonical, Fingerprint, FingerprintKey};
use stopleak_filter::enforced::{Enforced, Trust};
use stopleak_filter::proxy::Shared;
use stopleak_filter::records::Records;

/// Patched.
pub const PATCHED: &str = "fk_9aQ7zLm2Xw4RtB8v0001";
/// Of an open leak.
pub const OPEN: &str = "fk_9aQ7zLm2Xw4RtB8v0002";
/// Short and open: six bytes of any make are worth a hash then.
pub const SHORT: &str = "s3cr3t";

/// Whether an input may have the patched token in it: as the byte that stands for it, or because the fuzzer has seen it in a comparison.
pub fn may_hold_token(input: &[u8]) -> bool {
    let (_, middle) = PATCHED.split_at(6);
    input.contains(&1) || input.windows(8).any(|window| middle.as_bytes().starts_with(window))
}

/// Everything is written down here, as in Envoy's shared data.
#[derive(Default)]
pub struct Store {
    records: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
}

impl Store {
    /// Bytes of all records.
    pub fn size(&self) -> usize {
        self.records.borrow().values().map(|(value, _)| value.len()).sum()
    }
}

impl Shared for Store {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.records.borrow().get(key).cloned()
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut records = self.records.borrow_mut();
        let there = records.get(key).map_or(0, |(_, version)| *version);
        if there != 0 && version.is_some_and(|expected| expected != there) {
            return false;
        }
        records.insert(key.to_owned(), (value.to_vec(), there + 1));
        true
    }
}

/// The tenant's key.
pub fn key() -> FingerprintKey {
    FingerprintKey::new([7; 32])
}

/// The control plane's key.
pub fn signing_key() -> SigningKey {
    SigningKey::new(&[3; 32])
}

/// An entry of an index.
pub fn entry(text: &str, leak: u32, action: Action) -> Entry {
    let text = Canonical::of(text.as_bytes());
    Entry { fingerprint: Fingerprint::of_canonical(&key(), &text), leak, action, kind: text.kind() }
}

/// An index with these entries, sealed by `signing_key`.
pub fn sealed(signing_key: &SigningKey, tenant: &str, epoch: u64, entries: Vec<Entry>) -> (SealedHeader, BuiltIndex) {
    let built = build(tenant, &key(), epoch, 0, entries).expect("the entries differ");
    (signing_key.seal(built.header.clone()), built)
}

/// The index that requests are judged by.
pub fn enforced() -> Enforced {
    let entries = vec![entry(PATCHED, 1, Action::Block), entry(OPEN, 2, Action::Observe), entry(SHORT, 3, Action::Observe)];
    let (header, built) = sealed(&signing_key(), "acme", 1, entries);
    let trust = Trust::of(signing_key().public_key(), key(), "acme".to_owned());
    let records = Records::new(Rc::new(Store::default()), "slg_fuzz", signing_key().public_key());
    records.install(&trust.state(header.to_wire()), built.shards.iter().map(|shard| &**shard));
    let mut enforced = None;
    Enforced::restore(&mut enforced, trust.pinned, &records).expect("what was just sealed is believed");
    enforced.expect("it was put into force")
}
