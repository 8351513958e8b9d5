//! One gateway's stream: gRPC over HTTP/2, without more of a client than it needs.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};
use axum::http::Request;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use prost::bytes::{Bytes, BytesMut};
use stopleak_contract::CONTRACT_VERSION;
use stopleak_contract::feed::wire::{self, to_control_plane, to_gateway};
use stopleak_contract::feed::{METHOD, Message as _, SERVICE};
use stopleak_tests::Plan;
use tokio::net::TcpStream;

use crate::attack::Attacker;
use crate::frames::{self, Incoming};
use crate::tally::{self, Tally};

/// A gateway.
pub struct Gateway {
    plan: Rc<Plan>,
    tally: Rc<Tally>,
    /// Tells its workers from those of others.
    number: usize,
}

/// What is in force in a gateway.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    epoch: u64,
    root: Vec<u8>,
    tokens: u64,
}

struct Stream {
    gateway: Gateway,
    outgoing: SendStream<Bytes>,
    incoming: RecvStream,
    frames: Incoming,
    in_force: InForce,
    /// What is on its way, and how many bytes of its shards have yet to come.
    arriving: Option<(InForce, u64)>,
    attacker: Option<Attacker>,
}

/// Opens a connection.
pub async fn connect(feed: SocketAddr) -> Result<SendRequest<Bytes>> {
    let socket = TcpStream::connect(feed).await?;
    socket.set_nodelay(true)?;
    let (client, connection) = h2::client::handshake(socket).await?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tally::tell_end(&error.into());
        }
    });
    Ok(client)
}

impl Gateway {
    pub fn new(plan: Rc<Plan>, tally: Rc<Tally>, number: usize) -> Self {
        Self { plan, tally, number }
    }

    /// Opens its stream and goes on until it ends. Returns when it has the newest index: all of it is sent to whoever had nothing.
    pub async fn start(self, client: &mut SendRequest<Bytes>, had: Option<&InForce>) -> Result<InForce> {
        let credential = &self.plan.credentials[self.number % self.plan.credentials.len()];
        let request = Request::post(format!("http://{}/{SERVICE}/{METHOD}", self.plan.feed))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {credential}"))
            .body(())?;
        *client = client.clone().ready().await?;
        let (answer, outgoing) = client.send_request(request, false)?;
        let had = had.cloned().unwrap_or_default();
        let hello = wire::Hello {
            contract_version: CONTRACT_VERSION,
            filter_version: "simulated".to_owned(),
            node: format!("simulated-{}", self.number),
            epoch: had.epoch,
            root: had.root.clone(),
        };
        let answer = async {
            let answer = answer.await?;
            ensure!(answer.status() == 200, "{}", answer.status());
            let status = answer.headers().get("grpc-status").map(|status| (status.clone(), answer.headers().get("grpc-message")));
            ensure!(status.is_none(), "refused: {status:?}");
            anyhow::Ok(answer.into_body())
        };
        let mut outgoing = outgoing;
        let mut bytes = BytesMut::new();
        frames::write(&mut bytes, &to_control_plane(to_control_plane::Message::Hello(hello)));
        outgoing.send_data(bytes.freeze(), false)?;
        let incoming = answer.await?;
        let is_there = had.epoch > 0;
        let mut stream = Stream {
            gateway: self,
            outgoing,
            incoming,
            frames: Incoming::default(),
            in_force: had,
            arriving: None,
            attacker: None,
        };
        if is_there {
            stream.acknowledge()?;
        }
        while stream.in_force.epoch == 0 {
            stream.turn().await?;
        }
        stream.gateway.tally.ready();
        let in_force = stream.in_force.clone();
        tokio::task::spawn_local(async move {
            loop {
                if let Err(error) = stream.turn().await {
                    return tally::tell_end(&error);
                }
            }
        });
        Ok(in_force)
    }
}

impl Stream {
    /// Takes what comes next.
    async fn turn(&mut self) -> Result<()> {
        let Some(bytes) = self.incoming.data().await else {
            let trailers = self.incoming.trailers().await?;
            bail!("the control plane has ended the stream: {trailers:?}");
        };
        let bytes = bytes?;
        self.incoming.flow_control().release_capacity(bytes.len())?;
        self.frames.push(&bytes);
        while let Some(message) = self.frames.next() {
            self.receive(&message)?;
        }
        Ok(())
    }

    fn receive(&mut self, message: &[u8]) -> Result<()> {
        match wire::ToGateway::decode(message)?.message.context("an empty message")? {
            to_gateway::Message::Welcome(welcome) => {
                let attack = self.gateway.plan.attack.as_ref();
                self.attacker =
                    attack.map(|attack| Attacker::new(attack, &welcome, self.gateway.number, &self.gateway.plan)).transpose()?;
                self.report()?;
            }
            to_gateway::Message::Header(header) => {
                let bytes = header.shards.iter().map(|shard| u64::from(shard.length)).sum();
                let coming = InForce { epoch: header.epoch, root: header.root, tokens: header.tokens };
                self.arriving = Some((coming, bytes));
                self.arrived(0)?;
            }
            to_gateway::Message::Shard(part) => self.arrived(part.bytes.len())?,
            to_gateway::Message::AttemptsAck(ack) => {
                if let Some(attacker) = &mut self.attacker {
                    attacker.stored(&ack);
                }
                self.report()?;
            }
        }
        Ok(())
    }

    fn arrived(&mut self, bytes: usize) -> Result<()> {
        let (_, missing) = self.arriving.as_mut().context("a shard without a header")?;
        *missing = missing.checked_sub(bytes as u64).context("more came than was announced")?;
        if *missing == 0
            && let Some((index, _)) = self.arriving.take()
        {
            self.in_force = index;
            self.acknowledge()?;
        }
        Ok(())
    }

    /// Each worker has it.
    fn acknowledge(&mut self) -> Result<()> {
        let mut bytes = BytesMut::new();
        for worker in 0..self.gateway.plan.workers {
            let ack = wire::Ack {
                epoch: self.in_force.epoch,
                tokens: self.in_force.tokens,
                worker: worker_id(self.gateway.number, worker),
            };
            frames::write(&mut bytes, &to_control_plane(to_control_plane::Message::Ack(ack)));
        }
        self.outgoing.send_data(bytes.freeze(), false)?;
        self.gateway.tally.acknowledged(self.in_force.epoch);
        Ok(())
    }

    /// What the attack has for it, if there is one.
    fn report(&mut self) -> Result<()> {
        let Some(batch) = self.attacker.as_mut().and_then(Attacker::next) else { return Ok(()) };
        let mut bytes = BytesMut::new();
        frames::write(&mut bytes, &to_control_plane(to_control_plane::Message::Attempts(batch)));
        self.outgoing.send_data(bytes.freeze(), false)?;
        Ok(())
    }
}

/// As long as those of the filter.
pub fn worker_id(gateway: usize, worker: usize) -> Vec<u8> {
    [gateway, worker].map(|number| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()).concat()
}

fn to_control_plane(message: to_control_plane::Message) -> wire::ToControlPlane {
    wire::ToControlPlane { message: Some(message) }
}
