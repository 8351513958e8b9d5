//! The one module that talks to Envoy: the contexts that its [`callbacks`] reach, and around them [`setup`], [`proxy`], [`body`], [`metrics`]
//! and [`calls`]. All of them call Envoy through [`abi`].

mod abi;
mod callbacks;
mod calls;
mod setup;
mod proxy;
mod body;
mod metrics;
#[cfg(feature = "provoke-trap")]
mod trap;

use std::cell::RefCell;
use std::rc::Rc;

use stopleak_contract::OnNotReady;
use stopleak_contract::feed::wire::Outcome;
use stopleak_contract::settings::{Answer, DEFAULT_BODY};

use self::abi::{Action, Buffer, LogLevel, Map, log};
use self::body::Waiting;
use self::calls::{client, now_ms};
use self::metrics::Metrics;
use crate::attempts::Use;
use crate::circumstances::Destination;
use crate::gateway::Gateway;
use crate::header_map;
use crate::request::{Request, Route};
use crate::verdict::{Judgement, Match, Verdict};

/// The first tick comes at once, so that the stream is opened without delay. Milliseconds.
const FIRST_TICK: u32 = 1;

/// How often attempts are sent, metrics are written and a broken stream is looked after. Milliseconds.
const TICK: u32 = 100;

/// The plugin's root context: one for each configuration and VM.
struct Root {
    gateway: Rc<RefCell<Gateway>>,
    metrics: Metrics,
    has_ticked: bool,
}

/// One request.
struct Filter {
    gateway: Rc<RefCell<Gateway>>,
    /// What few requests have.
    kept: Option<Box<Kept>>,
    /// The body is still to be judged.
    waiting: Option<Box<Waiting>>,
    /// The trailers too.
    is_covered: bool,
}

/// What is kept of a request for later.
#[derive(Default)]
struct Kept {
    /// A leaked token was let through.
    observed: Option<(Route, Match)>,
    /// Where it goes, when a virtual patch depends on it.
    destination: Option<Destination>,
}

impl Root {
    /// Starts with a configuration of so many bytes; `None` when it is refused.
    fn configure(size: usize) -> Option<Self> {
        let json = abi::buffer(Buffer::PluginConfiguration, size).unwrap_or_default();
        match setup::gateway(&json) {
            Ok(gateway) => {
                let gateway = Rc::new(RefCell::new(gateway));
                let root = Self { gateway, metrics: Metrics::define(), has_ticked: false };
                abi::set_tick_period(FIRST_TICK).is_ok().then_some(root)
            }
            Err(reason) => {
                log(LogLevel::Critical, &reason);
                None
            }
        }
    }

    fn on_tick(&mut self) {
        if !self.has_ticked {
            self.has_ticked = true;
            let _ = abi::set_tick_period(TICK);
        }
        let mut gateway = self.gateway.borrow_mut();
        gateway.tick();
        let gauges = gateway.gauges();
        self.metrics.write(gateway.counted(), gauges);
    }

    fn on_queue_ready(&mut self, queue: u32) {
        self.gateway.borrow_mut().on_queue(queue);
    }

    fn on_stream_message(&mut self, stream: u32, size: usize) {
        if let Ok(bytes) = abi::buffer(Buffer::GrpcMessage, size) {
            self.gateway.borrow_mut().receive(stream, &bytes);
        }
    }

    fn on_stream_close(&mut self, stream: u32, code: u32) {
        let message = abi::grpc_message().unwrap_or_default();
        let reason = String::from_utf8_lossy(&message);
        self.gateway.borrow_mut().closed(stream, &format!("feed closed with gRPC status {code}: {reason}"));
    }

    /// A request begins.
    fn filter(&self) -> Filter {
        Filter { gateway: Rc::clone(&self.gateway), kept: None, waiting: None, is_covered: false }
    }

    /// The configuration is replaced, or Envoy stops.
    fn done(self) {
        self.gateway.borrow_mut().leave();
    }
}

impl Filter {
    fn on_headers(&mut self, is_end: bool) -> Action {
        let Ok(bytes) = abi::header_map(Map::RequestHeaders) else { return refuse() };
        let action = self.judge_headers(&header_map::read(&bytes), is_end);
        abi::give_back(bytes);
        action
    }

    fn judge_headers(&mut self, headers: &[(&[u8], &[u8])], is_end: bool) -> Action {
        #[cfg(feature = "provoke-trap")]
        trap::on_demand(headers);
        let request = Request::new(headers);
        let mut gateway = self.gateway.borrow_mut();
        let Judgement { verdict, .. } = gateway.judge(request);
        if verdict != Verdict::Pass {
            describe(&verdict);
        }
        match verdict {
            Verdict::Pass | Verdict::NotReady(OnNotReady::Allow) => {}
            Verdict::NotReady(OnNotReady::Deny) => return answer(503, NOT_READY),
            Verdict::Overflow => return answer(431, TOO_LARGE),
            Verdict::Observe(found) => {
                // Reported when the response's status is known.
                let observed = gateway.route(request, &found).map(|route| (route, found));
                self.kept.get_or_insert_default().observed = observed;
            }
            Verdict::Block(found) => {
                if let Some(route) = gateway.route(request, &found) {
                    gateway.record(used(found, Outcome::Blocked, route, 0));
                }
                return block(gateway.response());
            }
        }
        drop(gateway);
        if is_end { Action::Continue } else { self.expect_more(request) }
    }

    /// The request is over, and its response known.
    fn done(self) {
        if let Some((route, found)) = self.kept.and_then(|kept| kept.observed) {
            let observed = used(found, Outcome::Observed, route, response_status());
            self.gateway.borrow_mut().record(observed);
        }
    }
}

/// Answers to clients: a problem document each (RFC 9457).
const TOO_LARGE: &str = r#"{"type":"urn:stopleak:problem:too-large-to-inspect","title":"Request Header Fields Too Large","status":431,"detail":"The headers of this request are too large to be looked through for leaked credentials. Send less."}"#;
const BODY_TOO_LARGE: &str = r#"{"type":"urn:stopleak:problem:too-large-to-inspect","title":"Content Too Large","status":413,"detail":"The body of this request is too intricate to be looked through for leaked credentials. Send less."}"#;
const NOT_READY: &str = r#"{"type":"urn:stopleak:problem:not-ready","title":"Service Unavailable","status":503,"detail":"This gateway has not received its list of leaked credentials yet. Try again in a moment."}"#;

fn answer(status: u32, body: &str) -> Action {
    send(status, &[("content-type", "application/problem+json"), ("cache-control", "no-store")], body.as_bytes())
}

/// The answer that the operator has chosen, or the usual one.
fn block(chosen: Option<Answer<'_>>) -> Action {
    match chosen {
        Some(Answer { status, headers, body }) => send(status, &headers, body),
        None => answer(403, DEFAULT_BODY),
    }
}

fn send(status: u32, headers: &[(&str, &str)], body: &[u8]) -> Action {
    if abi::send_local_response(status, &header_map::write(headers), body).is_err() {
        // Nothing was answered: the request must neither pass nor wait for ever.
        let _ = abi::reset_request();
    }
    Action::Pause
}

/// What cannot be judged is not let through.
fn refuse() -> Action {
    answer(503, NOT_READY)
}

/// Puts verdict and leak into filter state, where access logs find them.
fn describe(verdict: &Verdict) {
    let _ = abi::set_property("stopleak.verdict", verdict.as_str().as_bytes());
    if let Verdict::Observe(found) | Verdict::Block(found) = verdict {
        let leak = format!("LK-{}", found.leak);
        let _ = abi::set_property("stopleak.leak", leak.as_bytes());
    }
}

/// The status of the response, as Envoy knows it at the end: there is then no need to be called for each response. 0 when there was none.
fn response_status() -> u32 {
    let code = abi::property(&["response", "code"]).ok();
    code.and_then(|bytes| u32::try_from(i64::from_le_bytes(bytes.try_into().ok()?)).ok()).unwrap_or(0)
}

fn used(found: Match, outcome: Outcome, route: Route, status: u32) -> Use {
    Use { found, outcome, client: client(), route, status, at_ms: now_ms() }
}
