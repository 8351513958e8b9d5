//! What the VMs of one Envoy share: keys and values, each with the number of its last write.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Shared data, as it is at one moment. A copy costs nothing until one of the two is written to, and values are never copied.
#[derive(Clone, Default)]
pub struct SharedData(Arc<BTreeMap<Arc<[u8]>, Value>>);

/// A value and the number of its last write.
pub(crate) type Value = (Arc<[u8]>, u32);

impl SharedData {
    pub(crate) fn get(&self, key: &[u8]) -> Option<Value> {
        self.0.get(key).cloned()
    }

    /// Whether it was written: not when the caller knows another version than the one that is there.
    pub(crate) fn set(&mut self, key: Vec<u8>, value: Arc<[u8]>, known: u32) -> bool {
        let before = self.0.get(key.as_slice()).map_or(0, |(_, version)| *version);
        if known != 0 && before != 0 && known != before {
            return false;
        }
        Arc::make_mut(&mut self.0).insert(key.into(), (value, before + 1));
        true
    }
}
