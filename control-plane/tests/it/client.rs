//! One worker of a gateway, as the filter would behave.

use std::net::SocketAddr;

use stopleak_contract::feed::wire::{self, to_control_plane, to_gateway};
use stopleak_contract::feed::{Assembly, METHOD, SERVICE};
use stopleak_contract::index::{Index, Pinned, PublicKey, SealedHeader};
use stopleak_contract::settings::Settings;
use stopleak_contract::{CONTRACT_VERSION, Fingerprint, FingerprintKeys, Token};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use crate::world::{DEADLINE, World};

/// Small, so that a gateway that does not read is soon felt at the other end.
const WINDOW: u32 = 65_535;

pub struct Gateway {
    outbound: mpsc::Sender<wire::ToControlPlane>,
    inbound: Streaming<wire::ToGateway>,
    pub pinned: Pinned,
    pub tenant: String,
    pub keys: Option<FingerprintKeys>,
    /// Its id.
    pub worker: Vec<u8>,
    pub index: Option<Index>,
    /// Of the index.
    shards: Vec<Vec<u8>>,
}

/// The id of the one worker.
pub const WORKER: &[u8] = b"worker-1";

impl Gateway {
    pub async fn open(world: &World, credential: &str) -> Result<Self, Status> {
        Self::open_with(world, Some(&format!("Bearer {credential}"))).await
    }

    pub async fn open_with(world: &World, authorization: Option<&str>) -> Result<Self, Status> {
        let channel = Channel::from_shared(format!("http://{}", world.addresses.feed)).unwrap();
        Self::open_by(channel, authorization, world.app.keys.signing.public_key()).await
    }

    pub async fn open_by(channel: Endpoint, authorization: Option<&str>, public_key: PublicKey) -> Result<Self, Status> {
        let channel = channel.initial_stream_window_size(WINDOW).connect().await.unwrap();
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        let (outbound, messages) = mpsc::channel(8);
        let mut request = Request::new(ReceiverStream::new(messages));
        if let Some(authorization) = authorization {
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        }
        let path = format!("/{SERVICE}/{METHOD}").parse().unwrap();
        let codec = tonic_prost::ProstCodec::<wire::ToControlPlane, wire::ToGateway>::default();
        let inbound = grpc.streaming(request, path, codec).await?.into_inner();
        Ok(Self {
            outbound,
            inbound,
            pinned: public_key.into(),
            tenant: String::new(),
            keys: None,
            worker: WORKER.to_vec(),
            index: None,
            shards: Vec::new(),
        })
    }

    /// Of a stream that is opened over another address than the feed's.
    pub async fn open_at(world: &World, address: SocketAddr, credential: &str) -> Result<Self, Status> {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap();
        Self::open_by(channel, Some(&format!("Bearer {credential}")), world.app.keys.signing.public_key()).await
    }

    pub async fn send(&self, message: to_control_plane::Message) {
        self.outbound.send(wire::ToControlPlane { message: Some(message) }).await.unwrap();
    }

    pub async fn next(&mut self) -> Result<to_gateway::Message, Status> {
        let next = tokio::time::timeout(DEADLINE, self.inbound.message()).await.expect("nothing came");
        next.map(|message| message.expect("the stream ended without a reason").message.unwrap())
    }

    /// What ends the stream.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }

    /// Hello and Welcome.
    pub async fn hello(&mut self) {
        self.hello_with(0, Vec::new()).await;
    }

    pub async fn hello_with(&mut self, epoch: u64, root: Vec<u8>) {
        let hello = wire::Hello {
            contract_version: CONTRACT_VERSION,
            filter_version: "0.0-test".to_owned(),
            node: "test-node".to_owned(),
            epoch,
            root,
        };
        self.send(to_control_plane::Message::Hello(hello)).await;
        let to_gateway::Message::Welcome(welcome) = self.next().await.unwrap() else { panic!("no Welcome") };
        self.tenant = welcome.tenant;
        self.keys = FingerprintKeys::from_slice(&welcome.fingerprint_key);
        self.ack(epoch, 0).await;
    }

    /// The next index, verified, in force and acknowledged.
    pub async fn take_index(&mut self) -> u64 {
        let to_gateway::Message::Header(header) = self.next().await.unwrap() else { panic!("no header") };
        self.take_shards(header).await
    }

    /// The same, when the header came already.
    pub async fn take_shards(&mut self, header: wire::IndexHeader) -> u64 {
        let expected = header.shards.iter().map(|sum| sum.shard).collect();
        let sealed = SealedHeader::from_wire(header, self.index.as_ref().map(Index::header)).unwrap();
        let check = self.keys.as_ref().unwrap().check();
        let header = sealed.verify_by(&self.pinned, &self.tenant, &check, 0).unwrap();
        self.shards.resize(header.shards.len(), Vec::new());
        let mut assembly = Assembly::new(header, expected);
        while !assembly.is_complete() {
            let to_gateway::Message::Shard(part) = self.next().await.unwrap() else { panic!("no shard") };
            if let Some((place, shard)) = assembly.push(&part).unwrap() {
                self.shards[place] = shard.bytes().to_vec();
            }
        }
        let index = Index::open(assembly.into_header(), self.shards.clone()).unwrap();
        let (epoch, tokens) = (index.header().epoch, index.header().tokens);
        self.index = Some(index);
        self.ack(epoch, tokens).await;
        epoch
    }

    async fn ack(&self, epoch: u64, tokens: u64) {
        self.send(to_control_plane::Message::Ack(wire::Ack { epoch, tokens, worker: self.worker.clone() })).await;
    }

    /// Indexes until one carries the epoch.
    pub async fn take_index_until(&mut self, epoch: u64) {
        while self.take_index().await < epoch {}
    }

    /// Of the token, under the key that the index knows it by, or the first.
    pub fn fingerprint(&self, token: &str) -> Fingerprint {
        let token = Token::parse(token.as_bytes()).unwrap();
        let all: Vec<_> = self.keys.as_ref().unwrap().iter().map(|key| Fingerprint::of(key, &token)).collect();
        let index = self.index.as_ref();
        let known = all.iter().find(|fingerprint| index.is_some_and(|index| index.look_up(fingerprint).is_some()));
        *known.unwrap_or(&all[0])
    }

    /// What the index in force says of the token: the leak, and whether it is blocked, for a client and a target of no scope's exceptions.
    pub fn verdict(&self, token: &str) -> Option<(u32, bool)> {
        let hit = self.index.as_ref().unwrap().look_up(&self.fingerprint(token))?;
        let settings = Settings::read(&self.index.as_ref().unwrap().header().settings).unwrap();
        let is_paused = stopleak::time::Time::now().as_millis() < settings.paused_until_ms();
        Some((hit.leak, hit.action == stopleak_contract::index::Action::Block && !is_paused))
    }

    pub fn attempt(&self, id: u8, leak: u32, token: &str) -> wire::Attempt {
        wire::Attempt {
            id: vec![id; 16],
            leak,
            fingerprint: self.fingerprint(token).as_bytes().to_vec(),
            outcome: wire::Outcome::Blocked.into(),
            place: wire::Place::Header.into(),
            header: "x-api-key".to_owned(),
            client: "192.0.2.7".to_owned(),
            method: "GET".to_owned(),
            host: "api.example".to_owned(),
            path: "/v1/things".to_owned(),
            status: 0,
            first_seen_ms: 1_700_000_000_000,
            last_seen_ms: 1_700_000_001_000,
            count: 3,
        }
    }

    /// Sends a batch and waits until it is acknowledged.
    pub async fn report(&mut self, batch: u64, attempts: Vec<wire::Attempt>) {
        self.send(to_control_plane::Message::Attempts(wire::AttemptBatch { batch, attempts, worker: WORKER.to_vec() })).await;
        loop {
            if let to_gateway::Message::AttemptsAck(ack) = self.next().await.unwrap() {
                assert_eq!((ack.batch, ack.worker.as_slice()), (batch, WORKER));
                return;
            }
        }
    }
}
