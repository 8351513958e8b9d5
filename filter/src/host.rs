//! The one module that talks to Envoy: the contexts that it calls, and around them [`setup`], [`proxy`],
//! [`body`], [`metrics`] and [`calls`].
//!
//! Host calls go through `proxy_wasm::hostcalls`, which return a `Result`: the SDK's own methods unwrap it, and a panic ends the VM.

mod calls;
mod header_map;
mod setup;
mod proxy;
mod body;
mod metrics;
#[cfg(feature = "provoke-trap")]
mod trap;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType};
use stopleak_contract::OnNotReady;
use stopleak_contract::feed::wire::Outcome;

use self::body::Waiting;
use self::calls::{log, now_ms, property};
use self::header_map::header_map;
use self::metrics::Metrics;
use crate::attempts::Use;
use crate::gateway::Gateway;
use crate::request::{Request, Route};
use crate::verdict::{Judgement, Match, Verdict};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The first tick comes at once, so that the stream is opened without delay.
const FIRST_TICK: Duration = Duration::from_millis(1);

/// How often attempts are sent, metrics are written and a broken stream is looked after.
const TICK: Duration = Duration::from_millis(100);

/// The plugin's root context: one for each configuration and VM.
#[derive(Default)]
struct Root {
    running: Option<Running>,
}

struct Running {
    gateway: Rc<RefCell<Gateway>>,
    metrics: Metrics,
    has_ticked: bool,
}

/// One request.
struct Filter {
    gateway: Rc<RefCell<Gateway>>,
    observed: Option<(Route, Match)>,
    /// The body is still to be judged.
    waiting: Option<Waiting>,
    /// The trailers too.
    is_covered: bool,
}

impl Context for Root {
    fn on_grpc_stream_message(&mut self, stream: u32, size: usize) {
        if let Some(Running { gateway, .. }) = &self.running
            && let Ok(Some(bytes)) = hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, size)
        {
            gateway.borrow_mut().receive(stream, &bytes);
        }
    }

    fn on_grpc_stream_close(&mut self, stream: u32, code: u32) {
        if let Some(Running { gateway, .. }) = &self.running {
            let reason = hostcalls::get_grpc_status().ok().and_then(|(_, reason)| reason).unwrap_or_default();
            gateway.borrow_mut().closed(stream, &format!("feed closed with gRPC status {code}: {reason}"));
        }
    }

    /// The configuration is replaced, or Envoy stops.
    fn on_done(&mut self) -> bool {
        if let Some(Running { gateway, .. }) = self.running.take() {
            gateway.borrow_mut().leave();
        }
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let json = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size).ok().flatten().unwrap_or_default();
        match setup::gateway(&json) {
            Ok(gateway) => {
                let gateway = Rc::new(RefCell::new(gateway));
                self.running = Some(Running { gateway, metrics: Metrics::define(), has_ticked: false });
                hostcalls::set_tick_period(FIRST_TICK).is_ok()
            }
            Err(reason) => {
                log(LogLevel::Critical, &reason);
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(Running { gateway, metrics, has_ticked }) = &mut self.running else { return };
        if !*has_ticked {
            *has_ticked = true;
            let _ = hostcalls::set_tick_period(TICK);
        }
        let mut gateway = gateway.borrow_mut();
        gateway.tick();
        let gauges = gateway.gauges();
        metrics.write(gateway.counted(), gauges);
    }

    fn on_queue_ready(&mut self, queue: u32) {
        if let Some(Running { gateway, .. }) = &self.running {
            gateway.borrow_mut().on_queue(queue);
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let gateway = Rc::clone(&self.running.as_ref()?.gateway);
        Some(Box::new(Filter { gateway, observed: None, waiting: None, is_covered: false }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _: usize, is_end: bool) -> Action {
        let Some(bytes) = header_map(MapType::HttpRequestHeaders) else { return Action::Continue };
        let headers = crate::header_map::read(&bytes);
        #[cfg(feature = "provoke-trap")]
        trap::on_demand(&headers);
        let request = Request::new(&headers);
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
                self.observed = gateway.route(request, &found).map(|route| (route, found));
            }
            Verdict::Block(found) => {
                if let Some(route) = gateway.route(request, &found) {
                    gateway.record(used(found, Outcome::Blocked, route, 0));
                }
                return answer(403, BLOCKED);
            }
        }
        drop(gateway);
        if is_end { Action::Continue } else { self.expect_more(request) }
    }

    fn on_http_request_body(&mut self, size: usize, is_end: bool) -> Action {
        self.body_arrived(size, is_end)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.trailers_arrived()
    }

    fn on_log(&mut self) {
        if let Some((route, found)) = self.observed.take() {
            let observed = used(found, Outcome::Observed, route, response_status());
            self.gateway.borrow_mut().record(observed);
        }
    }
}

/// Answers to clients: a problem document each (RFC 9457), without a word about the leak or the token.
const BLOCKED: &str = r#"{"type":"urn:stopleak:problem:leaked-credential","title":"Forbidden","status":403,"detail":"A credential in this request is known to have leaked and is no longer accepted. Ask the operator of this API for a new one."}"#;
const TOO_LARGE: &str = r#"{"type":"urn:stopleak:problem:too-large-to-inspect","title":"Request Header Fields Too Large","status":431,"detail":"The headers of this request are too large to be looked through for leaked credentials. Send less."}"#;
const BODY_TOO_LARGE: &str = r#"{"type":"urn:stopleak:problem:too-large-to-inspect","title":"Content Too Large","status":413,"detail":"The body of this request is too intricate to be looked through for leaked credentials. Send less."}"#;
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

/// The status of the response, as Envoy has logged it: there is then no need to be called for each response. 0 when there was none.
fn response_status() -> u32 {
    let code = hostcalls::get_property(vec!["response", "code"]).ok().flatten();
    code.and_then(|bytes| u32::try_from(i64::from_le_bytes(bytes.try_into().ok()?)).ok()).unwrap_or(0)
}

fn used(found: Match, outcome: Outcome, route: Route, status: u32) -> Use {
    let address = property(&["source", "address"]);
    // `1.2.3.4:5678` or `[::1]:5678`
    let client = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).trim_matches(['[', ']']).to_owned();
    Use { found, outcome, client, route, status, at_ms: now_ms() }
}
