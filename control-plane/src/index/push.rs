//! One push: the header, then the shards that the gateway does not have, message by message.
//!
//! All gateways that have the same get the same bytes, so these are made once and shared, as long as they are few.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use stopleak_contract::feed::wire::to_gateway::Message;
use stopleak_contract::feed::{MAX_PART, wire};
use stopleak_contract::index::{IndexHeader, SealedHeader};

use super::encoded::Encoded;
use super::{Published, lock};
use crate::keys::Keys;
use crate::tenants::Tenant;

/// What comes before the first push.
#[must_use]
pub fn welcome(keys: &Keys, tenant: &Tenant) -> Encoded {
    let fingerprint_key = keys.fingerprint(tenant.id).all().to_bytes().to_vec();
    Encoded::of(Message::Welcome(wire::Welcome { fingerprint_key, tenant: tenant.name.clone() }))
}

/// What is left to send.
pub struct Push {
    published: Arc<Published>,
    difference: Arc<Difference>,
    /// Whether the header is sent, how many of the shards, and how many bytes of the next one.
    begun: bool,
    sent: usize,
    offset: usize,
}

/// What a gateway needs that has another index, or none.
struct Difference {
    header: Encoded,
    /// The shards that follow.
    shards: Vec<u32>,
    /// Their parts, when they are few.
    parts: Option<Vec<Encoded>>,
    is_whole: bool,
}

/// The differences that gateways were told so far, by the root of what they had.
#[derive(Default)]
pub(super) struct Differences(Mutex<BTreeMap<Option<[u8; 32]>, Arc<Difference>>>);

/// Gateways come back with what they had at any time, but hardly with more different things than are remembered. Further ones begin anew.
const MAX_DIFFERENCES: usize = 2 * super::recent::RECENT;

/// Bytes of shards whose messages are kept: those of a decision, whose shards are of some 30 KB, and not those of a large index, which would be
/// in memory twice.
const MAX_SHARED: usize = 256 * 1024;

impl Push {
    /// What a gateway needs that has `base`, or nothing that is known.
    #[must_use]
    pub fn new(published: Arc<Published>, base: Option<&Published>) -> Self {
        let difference = {
            // Held while it is made: thousands ask at the same time, and one of them makes it.
            let mut differences = lock(&published.differences.0);
            let root = base.map(|base| base.root);
            if !differences.contains_key(&root) && differences.len() >= MAX_DIFFERENCES {
                differences.clear();
            }
            Arc::clone(differences.entry(root).or_insert_with(|| Arc::new(Difference::new(&published, base))))
        };
        Self { published, difference, begun: false, sent: 0, offset: 0 }
    }

    /// Whether it makes sense to a gateway that has anything at all.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.difference.is_whole
    }

    /// The shards that it brings.
    #[must_use]
    pub fn shards(&self) -> &[u32] {
        &self.difference.shards
    }

    /// Whether all is sent.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.begun && self.sent == self.difference.parts.as_ref().map_or(self.difference.shards.len(), Vec::len)
    }
}

impl Iterator for Push {
    type Item = Encoded;

    fn next(&mut self) -> Option<Encoded> {
        if !self.begun {
            self.begun = true;
            return Some(self.difference.header.clone());
        }
        if let Some(parts) = &self.difference.parts {
            let part = parts.get(self.sent)?.clone();
            self.sent += 1;
            return Some(part);
        }
        let (part, end) = self.published.part(*self.difference.shards.get(self.sent)?, self.offset)?;
        (self.sent, self.offset) = if end.is_last { (self.sent + 1, 0) } else { (self.sent, end.at) };
        Some(part)
    }
}

impl Differences {
    /// Nobody asks for what leads to an old index.
    pub(super) fn forget(&self) {
        lock(&self.0).clear();
    }
}

impl Difference {
    fn new(published: &Published, base: Option<&Published>) -> Self {
        let mut header = published.sealed.to_wire();
        let base = base.map(Published::header).filter(|base| base.shard_bits == published.header().shard_bits);
        if let Some(base) = base {
            let changed = |sum: &wire::ShardSum| {
                let before = usize::try_from(sum.shard).ok().and_then(|place| base.shards.get(place));
                before.is_none_or(|before| before.hash.as_slice() != sum.hash)
            };
            header.shards.retain(changed);
            // Nothing takes no room, and is understood by whoever has lost what it had.
            header.settings.take_if(|settings| !settings.is_empty() && *settings == base.settings);
        }
        let shards: Vec<u32> = header.shards.iter().map(|sum| sum.shard).collect();
        let is_whole = shards.len() == published.shards.len() && header.settings.is_some();
        let bytes: usize = shards.iter().filter_map(|shard| published.shard(*shard)).map(|shard| shard.len()).sum();
        let parts = (bytes <= MAX_SHARED).then(|| shards.iter().flat_map(|shard| published.parts(*shard)).collect());
        Self { header: Encoded::of(Message::Header(header)), shards, parts, is_whole }
    }
}

/// Where a part of a shard ends.
struct End {
    at: usize,
    is_last: bool,
}

impl Published {
    pub(super) fn shard(&self, shard: u32) -> Option<Arc<[u8]>> {
        self.shards.get(usize::try_from(shard).ok()?).cloned()
    }

    pub(super) fn header(&self) -> &IndexHeader {
        SealedHeader::header(&self.sealed)
    }

    fn part(&self, shard: u32, offset: usize) -> Option<(Encoded, End)> {
        let bytes = self.shards.get(usize::try_from(shard).ok()?)?;
        let end = bytes.len().min(offset + MAX_PART);
        let part = wire::ShardPart {
            epoch: self.epoch,
            shard,
            offset: u32::try_from(offset).ok()?,
            bytes: bytes.get(offset..end)?.to_vec(),
        };
        Some((Encoded::of(Message::Shard(part)), End { at: end, is_last: end == bytes.len() }))
    }

    fn parts(&self, shard: u32) -> impl Iterator<Item = Encoded> {
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let (part, end) = self.part(shard, next.take()?)?;
            next = (!end.is_last).then_some(end.at);
            Some(part)
        })
    }
}

#[cfg(test)]
mod tests;
