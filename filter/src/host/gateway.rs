//! What one VM does beside judging requests: it restores, connects, receives, reports.

use std::cell::RefCell;

use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;
use stopleak_contract::PluginConfig;
use stopleak_contract::feed::wire::{Stats, ToControlPlane, to_control_plane};
use stopleak_contract::feed::{METHOD, Message as _, SERVICE};
use stopleak_contract::index::PublicKey;

use super::calls::{jitter, log, now_ms, property};
use super::metrics::{Gauges, Metrics};
use crate::attempts::AttemptBuffer;
use crate::counted::Counted;
use crate::link::{self, Link};
use crate::subscription::{Event, Subscription, message};
use crate::verdict::Policy;

/// What the root context and the requests of one VM share.
pub struct Gateway {
    cluster: String,
    /// What Envoy is told to connect to.
    target: String,
    credential: String,
    pub policy: Policy,
    /// Of this VM's stream, random.
    worker: [u8; 8],
    /// Where the snapshot lies in shared data.
    snapshot_key: String,
    pub state: RefCell<State>,
}

/// What changes.
pub struct State {
    pub subscription: Subscription,
    link: Link,
    pub attempts: AttemptBuffer,
    pub counted: Counted,
    metrics: Metrics,
}

impl Gateway {
    pub fn new(json: &[u8]) -> Result<Self, String> {
        let config = PluginConfig::from_json(json).map_err(|error| error.to_string())?;
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let credential = config.credential.clone().or_else(|| environment("STOPLEAK_CREDENTIAL")).ok_or(
            "plugin configuration, key `credential`: is missing, and the VM's environment has no STOPLEAK_CREDENTIAL; \
             `stopleak gateway add` makes one",
        )?;
        let public_key = match config.public_key {
            Some(key) => key,
            None => environment("STOPLEAK_PUBLIC_KEY").as_deref().and_then(PublicKey::from_hex).ok_or(
                "plugin configuration, key `public_key`: is missing, and the VM's environment has no \
                 STOPLEAK_PUBLIC_KEY of 64 hexadecimal digits; `stopleak gateway add` shows it",
            )?,
        };
        let target = link::target(&config.cluster, config.authority.as_deref()).ok_or_else(|| {
            format!("plugin configuration, key `authority`: it and `cluster` have at most {} bytes each", link::MAX_NAME)
        })?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| format!("no random numbers: {error}"))?;
        let [worker @ .., _, _, _, _, _, _, _, _] = random;
        let [_, _, _, _, _, _, _, _, vm @ ..] = random;

        Ok(Self {
            policy: Policy::new(&config),
            worker,
            snapshot_key: snapshot_key(&credential),
            state: RefCell::new(State {
                subscription: Subscription::new(public_key),
                link: Link::new(),
                attempts: AttemptBuffer::new(vm),
                counted: Counted::default(),
                metrics: Metrics::define(),
            }),
            cluster: config.cluster,
            target,
            credential,
        })
    }

    /// Starts with what the VMs before this one knew, before the first request is judged.
    pub fn restore(&self) {
        let Ok((Some(snapshot), _)) = hostcalls::get_shared_data(&self.snapshot_key) else { return };
        let mut state = self.state.borrow_mut();
        match state.subscription.restore(&snapshot) {
            Ok(()) => log(LogLevel::Info, &format!("restored epoch {} from shared data", state.subscription.epoch())),
            Err(reason) => log(LogLevel::Warn, &format!("the index in shared data is not used: {reason}")),
        }
    }

    pub fn connect(&self) {
        let mut state = self.state.borrow_mut();
        if !state.link.is_due(now_ms()) {
            return;
        }
        let authorization = format!("Bearer {}", self.credential);
        let metadata = vec![("authorization", authorization.as_bytes())];
        match hostcalls::open_grpc_stream(&self.target, SERVICE, METHOD, metadata) {
            Ok(stream) => {
                state.link.opened(stream);
                let node = property(&["xds", "node", "id"]);
                let hello = state.subscription.hello(node, &self.worker);
                send(stream, &hello);
                if let Some(batch) = state.attempts.unacknowledged() {
                    send(stream, &message(to_control_plane::Message::Attempts(batch.clone())));
                }
            }
            Err(status) => {
                log(LogLevel::Warn, &format!("cluster {:?} of the feed: {status:?}", self.cluster));
                state.link.broke(now_ms(), jitter());
            }
        }
    }

    pub fn receive(&self, stream: u32, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        if state.link.stream() != Some(stream) {
            return;
        }
        state.link.proved();
        match state.subscription.receive(bytes) {
            Event::Noted => {}
            Event::Installed { ack, snapshot } => {
                send(stream, &ack);
                state.counted.pushes_accepted += 1;
                if let Err(status) = hostcalls::set_shared_data(&self.snapshot_key, Some(&snapshot), None) {
                    log(LogLevel::Warn, &format!("the index could not be left in shared data: {status:?}"));
                }
            }
            Event::Refused { nack, reason } => {
                send(stream, &nack);
                state.counted.pushes_refused += 1;
                log(LogLevel::Error, &format!("push refused, epoch {} stays: {reason}", state.subscription.epoch()));
            }
            Event::AttemptsStored { batch } => state.attempts.acknowledge(batch),
        }
    }

    pub fn closed(&self, stream: u32, code: u32) {
        let mut state = self.state.borrow_mut();
        if state.link.stream() != Some(stream) {
            return;
        }
        let reason = hostcalls::get_grpc_status().ok().and_then(|(_, reason)| reason).unwrap_or_default();
        log(LogLevel::Warn, &format!("feed closed with gRPC status {code}: {reason}"));
        state.link.broke(now_ms(), jitter());
    }

    pub fn send_attempts(&self) {
        let mut state = self.state.borrow_mut();
        if let Some(stream) = state.link.stream()
            && let Some(batch) = state.attempts.next_batch(now_ms())
        {
            send(stream, &message(to_control_plane::Message::Attempts(batch.clone())));
        }
    }

    pub fn send_stats(&self) {
        let state = self.state.borrow();
        if let Some(stream) = state.link.stream() {
            let stats = Stats { attempts_dropped: state.attempts.dropped(), requests: state.counted.requests };
            send(stream, &message(to_control_plane::Message::Stats(stats)));
        }
    }

    pub fn write_metrics(&self) {
        let mut state = self.state.borrow_mut();
        let State { subscription, link, attempts, counted, metrics } = &mut *state;
        counted.attempts_dropped = attempts.dropped();
        let header = subscription.enforced().map(|enforced| enforced.index.header());
        let age_ms = header.map_or(0, |header| now_ms().saturating_sub(header.built_at_ms));
        let gauges = Gauges {
            index_epoch: header.map_or(0, |header| header.epoch),
            index_tokens: header.map_or(0, |header| header.tokens),
            index_age_seconds: age_ms / 1_000,
            feed_connected: u64::from(link.stream().is_some()),
        };
        metrics.write(counted, &gauges);
    }
}

/// All plugins of an Istio proxy share one space of keys, and two gateways of different tenants may be in one proxy.
fn snapshot_key(credential: &str) -> String {
    let owner = blake3::Hash::from(blake3::derive_key("stopleak snapshot key v1", credential.as_bytes()));
    format!("stopleak.snapshot.v1.{}", owner.to_hex())
}

fn send(stream: u32, message: &ToControlPlane) {
    // A stream that has just closed takes nothing more; what matters is sent again over the next one.
    let _ = hostcalls::send_grpc_stream_message(stream, Some(&message.encode_to_vec()), false);
}
