//! The gateway's half of the feed: what it says, what it believes, and what it keeps.
//!
//! Welcome brings the tenant's key, a sealed header announces an index, parts complete it. Whatever cannot be verified is refused
//! with its reason, and the last good index stays in force.

use stopleak_contract::feed::wire::{self, to_control_plane, to_gateway};
use stopleak_contract::feed::{Assembly, MAX_MESSAGE, Message as _};
use stopleak_contract::index::{PublicKey, SealedHeader};
use stopleak_contract::{CONTRACT_VERSION, FingerprintKey};

use crate::verdict::Enforced;

/// One VM's subscription. It outlives the streams that it runs over.
#[derive(Debug)]
pub struct Subscription {
    public_key: PublicKey,
    welcome: Option<Welcome>,
    arriving: Option<Arriving>,
    enforced: Option<Enforced>,
}

/// What a message of the control plane leads to.
#[derive(Debug)]
pub enum Event {
    /// Nothing to do.
    Noted,
    /// A new index is in force: acknowledge it, and leave the snapshot for the VMs that come after.
    Installed {
        /// The answer.
        ack: wire::ToControlPlane,
        /// For shared data.
        snapshot: Vec<u8>,
    },
    /// A push was refused: say so.
    Refused {
        /// The answer.
        nack: wire::ToControlPlane,
        /// For the log.
        reason: String,
    },
    /// A batch of attempts is stored.
    AttemptsStored {
        /// The batch's number.
        batch: u64,
    },
}

#[derive(Clone, Debug)]
struct Welcome {
    key: FingerprintKey,
    tenant: String,
}

#[derive(Debug)]
struct Arriving {
    assembly: Assembly,
    /// As it came: the snapshot needs the seal.
    header: wire::IndexHeader,
}

impl Subscription {
    /// Believes only what is sealed with this key.
    #[must_use]
    pub fn new(public_key: PublicKey) -> Self {
        Self { public_key, welcome: None, arriving: None, enforced: None }
    }

    /// The index in force.
    #[must_use]
    pub fn enforced(&self) -> Option<&Enforced> {
        self.enforced.as_ref()
    }

    /// The first message of a stream. Whatever was arriving on the stream before is void.
    pub fn hello(&mut self, node: String, worker: &[u8]) -> wire::ToControlPlane {
        self.arriving = None;
        let header = self.enforced.as_ref().map(|enforced| enforced.index.header());
        message(to_control_plane::Message::Hello(wire::Hello {
            contract_version: CONTRACT_VERSION,
            filter_version: env!("CARGO_PKG_VERSION").to_owned(),
            node,
            worker: worker.to_vec(),
            epoch: self.epoch(),
            root: header.map(|header| header.root().to_vec()).unwrap_or_default(),
        }))
    }

    /// Takes a message of the control plane.
    pub fn receive(&mut self, bytes: &[u8]) -> Event {
        if bytes.len() > MAX_MESSAGE {
            return refused(0, format!("a message of {} bytes is over the limit of {MAX_MESSAGE}", bytes.len()));
        }
        match wire::ToGateway::decode(bytes) {
            Err(error) => refused(0, format!("a message that cannot be decoded: {error}")),
            // A newer control plane may say more than this filter understands.
            Ok(wire::ToGateway { message: None }) => Event::Noted,
            Ok(wire::ToGateway { message: Some(message) }) => match message {
                to_gateway::Message::Welcome(welcome) => self.welcome(welcome),
                to_gateway::Message::Header(header) => self.header(header),
                to_gateway::Message::Shard(part) => self.part(&part),
                to_gateway::Message::AttemptsAck(ack) => Event::AttemptsStored { batch: ack.batch },
            },
        }
    }

    /// Starts with the index that an earlier VM of this Envoy left, verified like one that comes over the feed.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), String> {
        let snapshot = wire::Snapshot::decode(snapshot).map_err(|error| error.to_string())?;
        let (Some(welcome), Some(header)) = (snapshot.welcome, snapshot.header) else {
            return Err("the snapshot is not complete".to_owned());
        };
        let welcome = Welcome::new(welcome)?;
        let sealed = SealedHeader::try_from(header).map_err(|error| error.to_string())?;
        let header =
            sealed.verify(&self.public_key, &welcome.tenant, &welcome.key, self.epoch()).map_err(|error| error.to_string())?;
        let index = stopleak_contract::index::Index::open(header, snapshot.shards).map_err(|error| error.to_string())?;
        self.enforced = Some(Enforced { key: welcome.key.clone(), index });
        self.welcome = Some(welcome);
        Ok(())
    }

    /// The epoch in force; 0 when there is none.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.enforced.as_ref().map_or(0, |enforced| enforced.index.header().epoch)
    }

    fn welcome(&mut self, welcome: wire::Welcome) -> Event {
        match Welcome::new(welcome) {
            Ok(welcome) => {
                self.welcome = Some(welcome);
                Event::Noted
            }
            Err(reason) => refused(0, reason),
        }
    }

    fn header(&mut self, header: wire::IndexHeader) -> Event {
        self.arriving = None;
        let epoch = header.epoch;
        let Some(welcome) = &self.welcome else { return refused(epoch, "a header came before the welcome".to_owned()) };
        let verified = SealedHeader::try_from(header.clone())
            .and_then(|sealed| sealed.verify(&self.public_key, &welcome.tenant, &welcome.key, self.epoch()));
        match verified {
            Ok(verified) => {
                self.arriving = Some(Arriving { assembly: Assembly::new(verified), header });
                Event::Noted
            }
            Err(error) => refused(epoch, error.to_string()),
        }
    }

    fn part(&mut self, part: &wire::ShardPart) -> Event {
        // Parts of a push whose header was refused are still on their way; the refusal has been said.
        let Some(mut arriving) = self.arriving.take() else { return Event::Noted };
        if let Err(error) = arriving.assembly.push(part) {
            return refused(arriving.header.epoch, error.to_string());
        }
        if arriving.assembly.is_complete() {
            return self.install(arriving);
        }
        self.arriving = Some(arriving);
        Event::Noted
    }

    fn install(&mut self, arriving: Arriving) -> Event {
        let Arriving { assembly, header } = arriving;
        let Some(welcome) = &self.welcome else { return Event::Noted };
        let epoch = header.epoch;
        let index = match assembly.finish() {
            Ok(index) => index,
            Err(error) => return refused(epoch, error.to_string()),
        };
        let snapshot = wire::Snapshot {
            welcome: Some(welcome.to_wire()),
            header: Some(header),
            shards: index.shard_bytes().map(<[u8]>::to_vec).collect(),
        };
        let tokens = index.header().tokens;
        self.enforced = Some(Enforced { key: welcome.key.clone(), index });
        let ack = message(to_control_plane::Message::Ack(wire::Ack { epoch, tokens }));
        Event::Installed { ack, snapshot: snapshot.encode_to_vec() }
    }
}

impl Welcome {
    fn new(wire: wire::Welcome) -> Result<Self, String> {
        let key = FingerprintKey::from_slice(&wire.fingerprint_key)
            .ok_or_else(|| format!("a fingerprint key has 32 bytes, not {}", wire.fingerprint_key.len()))?;
        Ok(Self { key, tenant: wire.tenant })
    }

    fn to_wire(&self) -> wire::Welcome {
        wire::Welcome { fingerprint_key: self.key.as_bytes().to_vec(), tenant: self.tenant.clone() }
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
