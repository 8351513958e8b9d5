//! One push: the header, then the shards that the gateway does not have, message by message.

use std::sync::Arc;

use stopleak_contract::feed::{MAX_PART, wire};
use stopleak_contract::index::{IndexHeader, SealedHeader};

use super::Published;
use crate::keys::Keys;
use crate::tenants::Tenant;

/// What comes before the first push.
#[must_use]
pub fn welcome(keys: &Keys, tenant: &Tenant) -> wire::ToGateway {
    let welcome =
        wire::Welcome { fingerprint_key: keys.fingerprint(tenant.id).all().to_bytes().to_vec(), tenant: tenant.name.clone() };
    wire::ToGateway { message: Some(wire::to_gateway::Message::Welcome(welcome)) }
}

/// What is left to send.
pub struct Push {
    published: Arc<Published>,
    /// `None` when it is sent.
    header: Option<wire::IndexHeader>,
    /// The shards that follow.
    shards: Vec<u32>,
    /// How many of them are sent, and how many bytes of the next one.
    sent: usize,
    offset: usize,
    is_whole: bool,
}

impl Push {
    /// What a gateway needs that has `base`, or nothing that is known.
    #[must_use]
    pub fn new(published: Arc<Published>, base: Option<&Published>) -> Self {
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
        Self { published, header: Some(header), shards, sent: 0, offset: 0, is_whole }
    }

    /// Whether it makes sense to a gateway that has anything at all.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The shards that it brings.
    #[must_use]
    pub fn shards(&self) -> &[u32] {
        &self.shards
    }

    /// Whether all is sent.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.header.is_none() && self.sent == self.shards.len()
    }
}

impl Iterator for Push {
    type Item = wire::ToGateway;

    fn next(&mut self) -> Option<wire::ToGateway> {
        let message = |message| Some(wire::ToGateway { message: Some(message) });
        if let Some(header) = self.header.take() {
            return message(wire::to_gateway::Message::Header(header));
        }
        let &shard = self.shards.get(self.sent)?;
        let bytes = self.published.shards.get(usize::try_from(shard).ok()?)?;
        let end = bytes.len().min(self.offset + MAX_PART);
        let part = wire::ShardPart {
            epoch: self.published.epoch,
            shard,
            offset: u32::try_from(self.offset).ok()?,
            bytes: bytes.get(self.offset..end)?.to_vec(),
        };
        self.offset = end;
        if end == bytes.len() {
            (self.sent, self.offset) = (self.sent + 1, 0);
        }
        message(wire::to_gateway::Message::Shard(part))
    }
}

impl Published {
    pub(super) fn shard(&self, shard: u32) -> Option<Arc<[u8]>> {
        self.shards.get(usize::try_from(shard).ok()?).cloned()
    }

    pub(super) fn header(&self) -> &IndexHeader {
        SealedHeader::header(&self.sealed)
    }
}
