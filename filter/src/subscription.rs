//! The leader's half of the feed: what it says, what it believes, and what it writes down for all VMs.
//!
//! Welcome brings the tenant's key, a sealed header announces an index, parts bring the shards that have changed. Each shard is verified
//! and written to its page when it is complete; when all are there, the index is put into force. Whatever cannot be verified is
//! refused with its reason, and the last good index stays in force.

use stopleak_contract::CONTRACT_VERSION;
use stopleak_contract::feed::wire::{self, to_control_plane, to_gateway};
use stopleak_contract::feed::{Assembly, MAX_MESSAGE, Message as _};
use stopleak_contract::index::{IndexHeader, Pinned};

use crate::enforced::{Enforced, Trust};
use crate::records::Records;

/// The leader's subscription. It outlives the streams that it runs over.
pub struct Subscription {
    pinned: Pinned,
    records: Records,
    trust: Option<Trust>,
    arriving: Option<Arriving>,
    /// Pages were written of a push that did not come to its end: what lies there is of no one index.
    torn: bool,
}

/// What a message of the control plane leads to.
#[derive(Debug)]
pub enum Event {
    /// Nothing to do.
    Noted,
    /// Another index lies in shared data and is to be put into force.
    Complete,
    /// A push was refused: say so.
    Refused {
        /// The answer.
        nack: wire::ToControlPlane,
        /// For the log.
        reason: String,
    },
    /// A batch of attempts is stored.
    AttemptsStored(wire::AttemptsAck),
}

struct Arriving {
    assembly: Assembly,
    /// With all shards, as other VMs need it.
    header: wire::IndexHeader,
}

impl Subscription {
    /// Believes only what is sealed with a pinned key.
    #[must_use]
    pub fn new(pinned: impl Into<Pinned>, records: Records) -> Self {
        // The VM that led before may have left in the middle of a push.
        let torn = records.announced().next().is_some();
        Self { pinned: pinned.into(), records, trust: None, arriving: None, torn }
    }

    /// The first message of a stream. Whatever was arriving on the stream before is void.
    pub fn hello(&mut self, node: String, enforced: Option<&Enforced>) -> wire::ToControlPlane {
        self.arriving = None;
        let header = enforced.map(Enforced::header);
        message(to_control_plane::Message::Hello(wire::Hello {
            contract_version: CONTRACT_VERSION,
            filter_version: env!("CARGO_PKG_VERSION").to_owned(),
            node,
            epoch: header.map_or(0, |header| header.epoch),
            root: header.filter(|_| !self.torn).map(|header| header.root().to_vec()).unwrap_or_default(),
        }))
    }

    /// Whether a push is on its way, which may replace any page.
    #[must_use]
    pub fn is_arriving(&self) -> bool {
        self.arriving.is_some()
    }

    /// A page was found damaged: the next Hello asks for all of them.
    pub fn distrust_pages(&mut self) {
        self.torn = true;
    }

    /// Takes a message of the control plane.
    pub fn receive(&mut self, bytes: &[u8], enforced: Option<&Enforced>) -> Event {
        if bytes.len() > MAX_MESSAGE {
            return refused(0, format!("a message of {} bytes is over the limit of {MAX_MESSAGE}", bytes.len()));
        }
        match wire::ToGateway::decode(bytes) {
            Err(error) => refused(0, format!("a message that cannot be decoded: {error}")),
            // A newer control plane may say more than this filter understands.
            Ok(wire::ToGateway { message: None }) => Event::Noted,
            Ok(wire::ToGateway { message: Some(message) }) => match message {
                to_gateway::Message::Welcome(welcome) => self.welcome(&welcome),
                to_gateway::Message::Header(header) => {
                    let epoch = header.epoch;
                    self.header(header, enforced).unwrap_or_else(|reason| refused(epoch, reason))
                }
                to_gateway::Message::Shard(part) => self.part(&part, enforced),
                to_gateway::Message::AttemptsAck(ack) => Event::AttemptsStored(ack),
            },
        }
    }

    fn welcome(&mut self, welcome: &wire::Welcome) -> Event {
        match Trust::new(self.pinned, welcome) {
            Ok(trust) => {
                // What is arriving was verified with the key before: with this one it would be written down as something else.
                self.arriving = None;
                self.trust = Some(trust);
                Event::Noted
            }
            Err(reason) => refused(0, reason),
        }
    }

    fn header(&mut self, wire: wire::IndexHeader, enforced: Option<&Enforced>) -> Result<Event, String> {
        self.arriving = None;
        let trust = self.trust.as_ref().ok_or("a header came before the welcome")?;
        trust.is_of_the_tenant_of(enforced)?;
        let base = enforced.map(Enforced::header).filter(|_| !self.torn);
        let epoch = enforced.map_or(0, |enforced| enforced.header().epoch);
        let expected = wire.shards.iter().map(|sum| sum.shard).collect();
        let signature = wire.signature.clone();
        let header = trust.verify(wire, base, epoch)?;
        let complete = header.to_wire(&signature);
        self.arriving = Some(Arriving { assembly: Assembly::new(header, expected), header: complete });
        self.announce();
        Ok(self.finish_if_complete(enforced))
    }

    /// Before the first page is written over, so that every VM can tell a page of this push from a damaged one.
    fn announce(&mut self) {
        if let (Some(arriving), Some(trust)) = (&self.arriving, &self.trust) {
            self.records.announce(&trust.state(arriving.header.clone()));
            self.torn = true;
        }
    }

    fn part(&mut self, part: &wire::ShardPart, enforced: Option<&Enforced>) -> Event {
        // Parts of a push whose header was refused are still on their way; the refusal has been said.
        let Some(arriving) = &mut self.arriving else { return Event::Noted };
        let IndexHeader { epoch, shard_bits, .. } = *arriving.assembly.header();
        match arriving.assembly.push(part) {
            Err(error) => {
                self.arriving = None;
                refused(epoch, error.to_string())
            }
            Ok(None) => Event::Noted,
            Ok(Some((place, shard))) => {
                self.records.set_page(shard_bits, place, shard.bytes());
                self.finish_if_complete(enforced)
            }
        }
    }

    fn finish_if_complete(&mut self, enforced: Option<&Enforced>) -> Event {
        let Some(arriving) = self.arriving.take_if(|arriving| arriving.assembly.is_complete()) else { return Event::Noted };
        let Some(trust) = &self.trust else { return Event::Noted };
        self.records.set_state(&trust.state(arriving.header));
        self.records.announce_none();
        self.torn = false;
        if let Some(before) = enforced.map(Enforced::header).filter(|h| h.shard_bits != arriving.assembly.header().shard_bits) {
            for place in 0..before.shards.len() {
                self.records.set_page(before.shard_bits, place, b"");
            }
        }
        Event::Complete
    }
}

/// Wraps what a gateway says.
#[must_use]
pub fn message(message: to_control_plane::Message) -> wire::ToControlPlane {
    wire::ToControlPlane { message: Some(message) }
}

fn refused(epoch: u64, reason: String) -> Event {
    let nack = message(to_control_plane::Message::Nack(wire::Nack { epoch, reason: reason.clone() }));
    Event::Refused { nack, reason }
}

#[cfg(test)]
mod tests;
