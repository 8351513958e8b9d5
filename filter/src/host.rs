//! The one file that talks to Envoy: contexts, calls and metrics around the pure core.
//!
//! Host calls go through `proxy_wasm::hostcalls`, which return a `Result`: the SDK's own methods unwrap it, and a panic ends the VM.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType};
use stopleak_contract::feed::wire::{Outcome, Stats, ToControlPlane, to_control_plane};
use stopleak_contract::feed::{METHOD, Message as _, SERVICE};
use stopleak_contract::index::PublicKey;
use stopleak_contract::{OnNotReady, PluginConfig};

use crate::attempts::{AttemptBuffer, Use};
use crate::counted::{COUNTERS, Counted};
use crate::link::Link;
use crate::request::{Request, Route};
use crate::subscription::{Event, Subscription, message};
use crate::verdict::{Match, Policy, Verdict};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The first tick comes at once, so that the stream is opened without delay.
const FIRST_TICK: Duration = Duration::from_millis(1);

/// How often attempts are sent, metrics are written and a broken stream is looked after.
const TICK: Duration = Duration::from_millis(100);

/// Ticks between two reports of totals: every five seconds.
const STATS_EVERY: u64 = 50;

/// The plugin's root context: one for each configuration and VM.
#[derive(Default)]
struct Root {
    gateway: Option<Rc<Gateway>>,
    ticks: u64,
}

/// What the root context and the requests of one VM share.
struct Gateway {
    config: PluginConfig,
    credential: String,
    policy: Policy,
    /// Of this VM's stream, random.
    worker: [u8; 8],
    /// Where the snapshot lies in shared data, which all plugins of an Istio proxy have in common.
    snapshot_key: String,
    metrics: Metrics,
    state: RefCell<State>,
}

struct State {
    subscription: Subscription,
    link: Link,
    attempts: AttemptBuffer,
    counted: Counted,
    /// The totals that the host has.
    written: [u64; COUNTERS],
}

/// The host's ids of the metrics.
struct Metrics {
    counters: Vec<u32>,
    gauges: Vec<u32>,
}

/// In the order in which they are written.
const GAUGES: [&str; 4] =
    ["stopleak.index_epoch", "stopleak.index_tokens", "stopleak.index_age_seconds", "stopleak.feed_connected"];

/// One request.
struct Filter {
    gateway: Rc<Gateway>,
    observed: Option<(Match, Route)>,
    status: u32,
}

impl Context for Root {
    fn on_grpc_stream_message(&mut self, stream: u32, size: usize) {
        if let Some(gateway) = &self.gateway
            && let Ok(Some(bytes)) = hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, size)
        {
            gateway.receive(stream, &bytes);
        }
    }

    fn on_grpc_stream_close(&mut self, stream: u32, code: u32) {
        if let Some(gateway) = &self.gateway {
            gateway.closed(stream, code);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let json = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size).ok().flatten().unwrap_or_default();
        match Gateway::new(&json) {
            Ok(gateway) => {
                gateway.restore();
                self.gateway = Some(Rc::new(gateway));
                hostcalls::set_tick_period(FIRST_TICK).is_ok()
            }
            Err(reason) => {
                log(LogLevel::Critical, &reason);
                false
            }
        }
    }

    /// Streams are opened here and never in `on_configure`, which also runs in the short-lived VM that tries a configuration out.
    fn on_tick(&mut self) {
        let Some(gateway) = &self.gateway else { return };
        if self.ticks == 0 {
            let _ = hostcalls::set_tick_period(TICK);
        }
        gateway.connect();
        gateway.send_attempts();
        if self.ticks.is_multiple_of(STATS_EVERY) {
            gateway.send_stats();
        }
        gateway.write_metrics();
        self.ticks += 1;
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let gateway = Rc::clone(self.gateway.as_ref()?);
        Some(Box::new(Filter { gateway, observed: None, status: 0 }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let Ok(headers) = hostcalls::get_map_bytes(MapType::HttpRequestHeaders) else { return Action::Continue };
        let request = Request::new(&headers);
        let mut state = self.gateway.state.borrow_mut();
        let judgement = self.gateway.policy.judge(request, state.subscription.enforced());
        state.counted.judged(&judgement.verdict, judgement.over_budget);
        if judgement.verdict != Verdict::Pass {
            describe(&judgement.verdict);
        }
        match judgement.verdict {
            Verdict::Pass | Verdict::NotReady(OnNotReady::Allow) => Action::Continue,
            Verdict::NotReady(OnNotReady::Deny) => answer(503, NOT_READY),
            Verdict::Observe(found) => {
                // Reported when the upstream's status is known.
                self.observed = Some((found, request.route()));
                Action::Continue
            }
            Verdict::Block(found) => {
                state.attempts.record(used(found, Outcome::Blocked, request.route(), 0));
                answer(403, BLOCKED)
            }
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if self.observed.is_some() {
            let status = hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, ":status").ok().flatten();
            self.status = status.and_then(|s| std::str::from_utf8(&s).ok()?.parse().ok()).unwrap_or(0);
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        if let Some((found, route)) = self.observed.take() {
            let observed = used(found, Outcome::Observed, route, self.status);
            self.gateway.state.borrow_mut().attempts.record(observed);
        }
    }
}

impl Gateway {
    fn new(json: &[u8]) -> Result<Self, String> {
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
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| format!("no random numbers: {error}"))?;
        let [worker @ .., _, _, _, _, _, _, _, _] = random;
        let [_, _, _, _, _, _, _, _, vm @ ..] = random;

        Ok(Self {
            policy: Policy::new(&config),
            worker,
            snapshot_key: format!("stopleak.snapshot.v1.{}.{}", config.cluster, public_key.to_hex()),
            metrics: Metrics::define(),
            state: RefCell::new(State {
                subscription: Subscription::new(public_key),
                link: Link::new(),
                attempts: AttemptBuffer::new(vm),
                counted: Counted::default(),
                written: [0; COUNTERS],
            }),
            config,
            credential,
        })
    }

    /// Starts with what the VMs before this one knew, before the first request is judged.
    fn restore(&self) {
        let Ok((Some(snapshot), _)) = hostcalls::get_shared_data(&self.snapshot_key) else { return };
        let mut state = self.state.borrow_mut();
        match state.subscription.restore(&snapshot) {
            Ok(()) => log(LogLevel::Info, &format!("restored epoch {} from shared data", state.subscription.epoch())),
            Err(reason) => log(LogLevel::Warn, &format!("the index in shared data is not used: {reason}")),
        }
    }

    fn connect(&self) {
        let mut state = self.state.borrow_mut();
        if !state.link.is_due(now_ms()) {
            return;
        }
        let authorization = format!("Bearer {}", self.credential);
        let mut metadata = vec![("authorization", authorization.as_bytes())];
        if let Some(authority) = &self.config.authority {
            metadata.push((":authority", authority.as_bytes()));
        }
        match hostcalls::open_grpc_stream(&self.config.cluster, SERVICE, METHOD, metadata) {
            Ok(stream) => {
                state.link.opened(stream);
                let node = property(&["node", "id"]);
                let hello = state.subscription.hello(node, &self.worker);
                send(stream, &hello);
                if let Some(batch) = state.attempts.unacknowledged() {
                    send(stream, &message(to_control_plane::Message::Attempts(batch.clone())));
                }
            }
            Err(status) => {
                log(LogLevel::Warn, &format!("cluster {:?} of the feed: {status:?}", self.config.cluster));
                state.link.broke(now_ms(), jitter());
            }
        }
    }

    fn receive(&self, stream: u32, bytes: &[u8]) {
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

    fn closed(&self, stream: u32, code: u32) {
        let mut state = self.state.borrow_mut();
        if state.link.stream() != Some(stream) {
            return;
        }
        let reason = hostcalls::get_grpc_status().ok().and_then(|(_, reason)| reason).unwrap_or_default();
        log(LogLevel::Warn, &format!("feed closed with gRPC status {code}: {reason}"));
        state.link.broke(now_ms(), jitter());
    }

    fn send_attempts(&self) {
        let mut state = self.state.borrow_mut();
        if let Some(stream) = state.link.stream()
            && let Some(batch) = state.attempts.next_batch()
        {
            send(stream, &message(to_control_plane::Message::Attempts(batch.clone())));
        }
    }

    fn send_stats(&self) {
        let state = self.state.borrow();
        if let Some(stream) = state.link.stream() {
            let stats = Stats { attempts_dropped: state.attempts.dropped(), requests: state.counted.requests };
            send(stream, &message(to_control_plane::Message::Stats(stats)));
        }
    }

    fn write_metrics(&self) {
        let mut state = self.state.borrow_mut();
        let State { subscription, link, attempts, counted, written } = &mut *state;
        counted.attempts_dropped = attempts.dropped();
        for ((counter, total), written) in self.metrics.counters.iter().zip(counted.values()).zip(written) {
            if total > *written {
                let _ = hostcalls::increment_metric(*counter, i64::try_from(total - *written).unwrap_or(i64::MAX));
                *written = total;
            }
        }
        let header = subscription.enforced().map(|enforced| enforced.index.header());
        let age_ms = header.map_or(0, |header| now_ms().saturating_sub(header.built_at_ms));
        let values = [
            header.map_or(0, |header| header.epoch),
            header.map_or(0, |header| header.tokens),
            age_ms / 1_000,
            u64::from(link.stream().is_some()),
        ];
        for (gauge, value) in self.metrics.gauges.iter().zip(values) {
            let _ = hostcalls::record_metric(*gauge, value);
        }
    }
}

impl Metrics {
    fn define() -> Self {
        let define = |kind, names: &[&str]| names.iter().filter_map(|name| hostcalls::define_metric(kind, name).ok()).collect();
        Self { counters: define(MetricType::Counter, &Counted::NAMES), gauges: define(MetricType::Gauge, &GAUGES) }
    }
}

/// Answers to clients: a problem document each (RFC 9457), without a word about the leak or the token.
const BLOCKED: &str = r#"{"type":"urn:stopleak:problem:leaked-credential","title":"Forbidden","status":403,"detail":"A credential in this request is known to have leaked and is no longer accepted. Ask the operator of this API for a new one."}"#;
const NOT_READY: &str = r#"{"type":"urn:stopleak:problem:not-ready","title":"Service Unavailable","status":503,"detail":"This gateway has not received its list of leaked credentials yet. Try again in a moment."}"#;

fn answer(status: u32, body: &str) -> Action {
    let headers = vec![("content-type", "application/problem+json"), ("cache-control", "no-store")];
    if hostcalls::send_http_response(status, headers, Some(body.as_bytes())).is_err() {
        // Nothing was answered: the request must neither pass nor wait for ever.
        let _ = hostcalls::reset_http_request();
    }
    Action::Pause
}

/// Puts verdict and leak into filter state, where access logs find them.
fn describe(verdict: &Verdict) {
    let _ = hostcalls::set_property(vec!["stopleak.verdict"], Some(verdict.as_str().as_bytes()));
    if let Verdict::Observe(found) | Verdict::Block(found) = verdict {
        let leak = format!("LK-{}", found.leak);
        let _ = hostcalls::set_property(vec!["stopleak.leak"], Some(leak.as_bytes()));
    }
}

fn used(found: Match, outcome: Outcome, route: Route, status: u32) -> Use {
    let address = property(&["source", "address"]);
    // `1.2.3.4:5678` or `[::1]:5678`
    let client = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).trim_matches(['[', ']']).to_owned();
    Use { found, outcome, client, route, status, at_ms: now_ms() }
}

fn property(path: &[&str]) -> String {
    let value = hostcalls::get_property(path.to_vec()).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}

fn send(stream: u32, message: &ToControlPlane) {
    // A stream that has just closed takes nothing more; what matters is sent again over the next one.
    let _ = hostcalls::send_grpc_stream_message(stream, Some(&message.encode_to_vec()), false);
}

fn now_ms() -> u64 {
    let now = hostcalls::get_current_time().unwrap_or(SystemTime::UNIX_EPOCH);
    now.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

fn jitter() -> u8 {
    let mut random = [0];
    // Without randomness the fleet returns in step: slower, not wrong.
    let _ = getrandom::fill(&mut random);
    let [jitter] = random;
    jitter
}

fn log(level: LogLevel, message: &str) {
    let _ = hostcalls::log(level, &format!("stopleak: {message}"));
}
