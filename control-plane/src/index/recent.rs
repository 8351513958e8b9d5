//! Which indexes are remembered, so that a gateway that comes back is sent the difference.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Published;

/// Indexes that are kept to tell the difference from. They share the shards that did not change, so that most cost little more than
/// their header.
pub(super) const RECENT: usize = 16;

/// Bytes of shards that are kept for that, when the newest index has fewer: changes of many tokens each leave nothing to share, and a
/// difference from before them would be as large as the index.
pub(super) const RECENT_BYTES: usize = 16 * 1024 * 1024;

/// How many indexes, the newest first, have shards of their own of no more bytes than the newest has in all.
pub(super) fn worth_keeping(recent: &VecDeque<Arc<Published>>) -> usize {
    let most = recent.front().map_or(0, |newest| newest.shards.iter().map(|shard| shard.len()).sum()).max(RECENT_BYTES);
    let mut bytes = 0;
    let pairs = recent.iter().zip(recent.iter().skip(1));
    let kept = pairs.take_while(|(newer, older)| {
        bytes += older.bytes_beside(newer);
        bytes <= most
    });
    (kept.count() + 1).min(RECENT)
}

impl Published {
    /// Of the shards that it does not share with a newer one.
    fn bytes_beside(&self, newer: &Self) -> usize {
        let is_shared = |place: usize, shard: &Arc<[u8]>| newer.shards.get(place).is_some_and(|other| Arc::ptr_eq(shard, other));
        let own = self.shards.iter().enumerate().filter(|(place, shard)| !is_shared(*place, shard));
        own.map(|(_, shard)| shard.len()).sum()
    }
}
