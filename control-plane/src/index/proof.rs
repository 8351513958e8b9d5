//! The proof of an index before it is published: what gateways run has it in force, and judges rightly by it.
//!
//! Each tenant has a VM of the filter module that is fed what its gateways are fed, the same differences in the same order. It must say
//! that the index is in force, read every page that has changed, refuse a request with the tenant's [`Probe`], and let the others pass.
//! Beside that, every entry of every changed shard is looked up in the bytes that would go out: their tokens are not known, so that no
//! request can be made of them.

use std::sync::Arc;

use stopleak_contract::index::{Hit, IndexSource, Shard};
use stopleak_contract::settings::Settings as Enforcement;
use stopleak_filter_host::{Answer, Clock, FilterModule, HostError, Judged, Limits, Request, Settings, SharedData, Vm};

use super::probe::{PROBE_LEAK, Probe};
use super::{Published, Push, welcome};
use crate::keys::Keys;
use crate::leaks::leak_id;
use crate::tenants::Tenant;
use crate::time::Time;

/// Why an index is not published.
#[derive(Debug, thiserror::Error)]
pub enum Unproved {
    /// The module fails, or is fed what it cannot read.
    #[error("the filter module, with the new index: {0}")]
    Host(#[from] HostError),
    /// It has something else in force, or nothing.
    #[error("the filter module does not have the new index in force: {0:?}")]
    NotEnforced(Answer),
    /// No gateway would believe how it is to be enforced.
    #[error("its settings are none: {0}")]
    Settings(&'static str),
    /// A shard's bytes do not say what its entries say.
    #[error("shard {shard} does not hold what it was built from")]
    Shard {
        /// Which.
        shard: usize,
    },
    /// Whoever built or read it fell: `fst` trusts its bytes, and panics when they are not its own.
    #[error("it cannot be read: {0}")]
    Fell(#[from] tokio::task::JoinError),
    /// A request with the probe token was not refused, or an honest one was.
    #[error("the probe request {name:?} was judged {got:?}")]
    Misjudged {
        /// Which.
        name: &'static str,
        /// What the filter says of it.
        got: Judged,
    },
}

/// The VM of a tenant, and the index that is in force in it.
pub struct Witness {
    vm: Vm,
    has: Arc<Published>,
}

/// What the VMs of the control plane find in their environment: any credential will do.
const CREDENTIAL: &str = "control-plane";

/// What a blocked request is answered when nobody has chosen.
const USUAL_STATUS: u32 = 403;

/// Receiving a part of an index, of a megabyte at most, or judging a request takes a hundredth of it.
const LIMITS: Limits = Limits { fuel: 20_000_000_000, memory: 512 * 1024 * 1024 };

/// Settings of a VM of the filter as the control plane runs it: like a gateway that also looks at bodies.
pub(super) fn start(
    module: &FilterModule,
    keys: &Keys,
    limits: Limits,
    number: u8,
    shared_data: SharedData,
) -> Result<Vm, HostError> {
    let public_key = keys.signing.public_key().to_hex();
    let environment = [("STOPLEAK_CREDENTIAL", CREDENTIAL), ("STOPLEAK_PUBLIC_KEY", public_key.as_str())];
    let configuration = r#"{"cluster": "stopleak_feed", "body": {}}"#;
    Vm::start(module, Settings { environment: &environment, configuration, limits, clock: Clock::System, shared_data, number })
}

/// Proves an index with a VM that has the one before in force, or a new one. Returns the VM for the next time.
pub(super) fn prove(
    module: &FilterModule,
    tenant: &Tenant,
    keys: &Keys,
    before: Option<Witness>,
    source: &IndexSource,
    (probes, published): (&[Probe], &Arc<Published>),
) -> Result<Witness, Unproved> {
    let (mut vm, base) = match before {
        Some(witness) if witness.has.root == published.root => return Ok(witness),
        Some(Witness { mut vm, has }) => {
            // Its lease may be void: nobody lets it tick between two indexes.
            vm.tick()?;
            (vm, Some(has))
        }
        None => {
            let mut vm = start(module, keys, LIMITS, 0, SharedData::default())?;
            vm.connect()?;
            (vm, None)
        }
    };
    let enforcement = Enforcement::read(&published.header().settings).map_err(Unproved::Settings)?;
    let push = Push::new(Arc::clone(published), base.as_deref());
    check_shards(source, published, push.shards())?;
    let pages: Vec<Arc<[u8]>> = push.shards().iter().filter_map(|shard| published.shard(*shard)).collect();
    let welcome = base.is_none().then(|| welcome(keys, tenant));
    match vm.feed(welcome.into_iter().chain(push), pages)? {
        Answer::Enforced { epoch, tokens } if (epoch, tokens) == (published.epoch, published.tokens) => {}
        answer => return Err(Unproved::NotEnforced(answer)),
    }
    judge(&mut vm, probes, &enforcement)?;
    Ok(Witness { vm, has: Arc::clone(published) })
}

impl Witness {
    /// What other VMs need to judge by the same index.
    pub(super) fn shared_data(&self) -> SharedData {
        self.vm.shared_data()
    }
}

fn check_shards(source: &IndexSource, published: &Published, changed: &[u32]) -> Result<(), Unproved> {
    for &number in changed {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let wrong = || Unproved::Shard { shard: place };
        let sum = published.header().shards.get(place).ok_or_else(wrong)?;
        let bytes = published.shard(number).ok_or_else(wrong)?;
        let shard = Shard::open(sum, bytes).map_err(|_| wrong())?;
        let prefilter = shard.prefilter();
        let is_there = |entry: &stopleak_contract::index::Entry| {
            let hit = Hit { leak: entry.leak, action: entry.action };
            prefilter.may_hold(&entry.fingerprint) && shard.look_up(&entry.fingerprint) == Some(hit)
        };
        if !source.shard_entries(place).iter().all(is_there) {
            return Err(wrong());
        }
    }
    Ok(())
}

fn judge(vm: &mut Vm, probes: &[Probe], enforcement: &Enforcement) -> Result<(), Unproved> {
    let judged = |verdict: &str, leak, status| Judged { verdict: verdict.to_owned(), leak, status };
    let pass = || judged("pass", None, None);
    expect(vm, "without a token", request(b"", b""), pass)?;
    expect(vm, "with a body", request(b"", br#"{"name": "a probe", "values": [1, 2.5, "three"]}"#), pass)?;
    let status = enforcement.response().map_or(USUAL_STATUS, |answer| answer.status);
    let leak = || Some(leak_id(PROBE_LEAK));
    for probe in probes {
        expect(vm, "with a token that nobody has leaked", request(&probe.neighbour(), b""), pass)?;
        expect(vm, "with the probe token", request(probe.text(), b""), || match Time::now().as_millis() {
            now if now < enforcement.paused_until_ms() => judged("observe", leak(), None),
            _ => judged("block", leak(), Some(status)),
        })?;
    }
    Ok(())
}

/// What is expected may change meanwhile, when a pause ends.
fn expect(vm: &mut Vm, name: &'static str, request: Request, expected: impl Fn() -> Judged) -> Result<(), Unproved> {
    let before = expected();
    let got = vm.judge(request)?;
    if got == before || got == expected() { Ok(()) } else { Err(Unproved::Misjudged { name, got }) }
}

fn request(token: &[u8], body: &[u8]) -> Request {
    let header = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    let mut headers = vec![
        header(":method", if body.is_empty() { b"GET" } else { b"POST" }),
        header(":scheme", b"https"),
        header(":authority", b"probe.invalid"),
        header(":path", b"/v1/probe?page=2"),
        header("user-agent", b"probe/1.0"),
        header("accept", b"*/*"),
    ];
    if !token.is_empty() {
        headers.push(header("authorization", &[b"Bearer ", token].concat()));
    }
    if !body.is_empty() {
        headers.push(header("content-type", b"application/json"));
    }
    Request { headers, body: body.to_vec() }
}
