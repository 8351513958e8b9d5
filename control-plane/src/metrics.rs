//! What operators watch: a fixed set of metrics in Prometheus' text form. Values never become part of a name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::attempts::{Outcome, Stored};

/// The metrics of one control plane.
pub struct Metrics {
    registry: Registry,
    leaks: Family<LeakLabels, Gauge>,
    tokens: Gauge,
    epoch: Family<TenantLabels, Gauge>,
    gateways_connected: Gauge,
    gateway_workers: Gauge,
    gateways_behind: Gauge,
    gateways_refusing: Gauge,
    attempts: Family<OutcomeLabels, Counter>,
    attempts_dropped: Counter,
    attempts_malformed: Counter,
    false_matches: Counter,
    index_builds: Counter,
    proof_failures: Counter,
    proving: Gauge,
    pushes: Family<PushLabels, Counter>,
    decision_to_enforced: Histogram,
}

/// What the database says when metrics are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Status, 1 when there is a virtual patch, how many.
    pub leaks: Vec<(String, i64, i64)>,
    /// Tokens of all tenants.
    pub tokens: i64,
    /// Each tenant's epoch.
    pub epochs: Vec<(String, i64)>,
    /// Gateways that are connected to this server.
    pub gateways: Watched,
}

/// How the gateways are that are connected to this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// How many there are.
    pub connected: usize,
    /// Their workers.
    pub workers: usize,
    /// Those in which a push is not in force though it was sent a while ago.
    pub behind: usize,
    /// Those that have refused a push, and have taken none since.
    pub refusing: usize,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LeakLabels {
    status: String,
    virtual_patch: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TenantLabels {
    tenant: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: Outcome,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PushLabels {
    answer: Answer,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Answer {
    Ack,
    Nack,
}

/// The goal is 50 ms, the promise a second.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let mut metrics = Self {
            registry: Registry::with_prefix("stopleak"),
            leaks: Family::default(),
            tokens: Gauge::default(),
            epoch: Family::default(),
            gateways_connected: Gauge::default(),
            gateway_workers: Gauge::default(),
            gateways_behind: Gauge::default(),
            gateways_refusing: Gauge::default(),
            attempts: Family::default(),
            attempts_dropped: Counter::default(),
            attempts_malformed: Counter::default(),
            false_matches: Counter::default(),
            index_builds: Counter::default(),
            proof_failures: Counter::default(),
            proving: Gauge::default(),
            pushes: Family::default(),
            decision_to_enforced: Histogram::new(SECONDS),
        };
        metrics.register();
        // A counter that is not there yet looks like a mistake in the dashboard.
        metrics.stored(&Stored::default());
        for answer in [Answer::Ack, Answer::Nack] {
            metrics.pushes.get_or_create(&PushLabels { answer }).inc_by(0);
        }
        Arc::new(metrics)
    }

    /// The text that Prometheus reads.
    pub fn encode(&self, counted: &Counted) -> Result<String, fmt::Error> {
        self.leaks.clear();
        for (status, patched, count) in &counted.leaks {
            self.leaks.get_or_create(&LeakLabels { status: status.clone(), virtual_patch: *patched != 0 }).set(*count);
        }
        self.tokens.set(counted.tokens);
        for (tenant, epoch) in &counted.epochs {
            self.epoch.get_or_create(&TenantLabels { tenant: tenant.clone() }).set(*epoch);
        }
        let Watched { connected, workers, behind, refusing } = counted.gateways;
        for (gauge, count) in [
            (&self.gateways_connected, connected),
            (&self.gateway_workers, workers),
            (&self.gateways_behind, behind),
            (&self.gateways_refusing, refusing),
        ] {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    /// An index was built.
    pub fn index_built(&self) {
        self.index_builds.inc();
    }

    /// An index was built that is not published.
    pub fn proof_failed(&self) {
        self.proof_failures.inc();
    }

    /// Whether indexes are proved.
    pub fn proves(&self, proves: bool) {
        self.proving.set(i64::from(proves));
    }

    /// A batch of attempts was stored.
    pub fn stored(&self, stored: &Stored) {
        for (outcome, count) in [(Outcome::Observed, stored.observed), (Outcome::Blocked, stored.blocked)] {
            self.attempts.get_or_create(&OutcomeLabels { outcome }).inc_by(count);
        }
        self.false_matches.inc_by(stored.false_matches);
        self.attempts_malformed.inc_by(stored.malformed);
    }

    /// Attempts found no room at a gateway.
    pub fn attempts_dropped(&self, count: u64) {
        self.attempts_dropped.inc_by(count);
    }

    /// A worker has an index in force.
    pub fn push_acked(&self) {
        self.pushes.get_or_create(&PushLabels { answer: Answer::Ack }).inc();
    }

    /// A worker refused an index.
    pub fn push_nacked(&self) {
        self.pushes.get_or_create(&PushLabels { answer: Answer::Nack }).inc();
    }

    /// A decision is in force in every connected worker.
    pub fn enforced(&self, elapsed: Duration) {
        self.decision_to_enforced.observe(elapsed.as_secs_f64());
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("leaks", "Leaks by status, with and without a virtual patch", self.leaks.clone());
        registry.register("tokens", "Leaked tokens", self.tokens.clone());
        registry.register("index_epoch", "Epoch of the tenant's index", self.epoch.clone());
        registry.register("gateways_connected", "Gateways that are connected to this server", self.gateways_connected.clone());
        registry.register(
            "gateway_workers",
            "Workers of the gateways that are connected to this server",
            self.gateway_workers.clone(),
        );
        registry.register(
            "gateways_behind",
            "Gateways connected to this server in which a push is not in force five seconds after it was sent",
            self.gateways_behind.clone(),
        );
        registry.register(
            "gateways_refusing",
            "Gateways connected to this server that have refused a push and have taken none since",
            self.gateways_refusing.clone(),
        );
        registry.register("attempts", "Uses of leaked tokens, by what the gateway did", self.attempts.clone());
        registry.register(
            "attempts_dropped",
            "Uses of leaked tokens that found no room at a gateway",
            self.attempts_dropped.clone(),
        );
        registry.register("attempts_malformed", "Attempts that could not be read", self.attempts_malformed.clone());
        registry.register(
            "false_matches",
            "Attempts whose fingerprint does not belong to the leak that the gateway named",
            self.false_matches.clone(),
        );
        registry.register("index_builds", "Indexes that this server has built", self.index_builds.clone());
        registry.register(
            "index_proof_failures",
            "Indexes that were built and not published, since the filter module did not read them or judged wrongly by them",
            self.proof_failures.clone(),
        );
        registry.register(
            "index_proof_enabled",
            "1 when every index is proved by the filter module before it is published, 0 when there is no module",
            self.proving.clone(),
        );
        registry.register("pushes", "Indexes sent to workers, by their answer", self.pushes.clone());
        registry.register(
            "decision_to_enforced_seconds",
            "From a decision's commit to the last connected worker, of any server, that has it in force",
            self.decision_to_enforced.clone(),
        );
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>) -> fmt::Result {
        let text = match self {
            Self::Observed => "observed",
            Self::Blocked => "blocked",
        };
        text.encode(encoder)
    }
}

impl EncodeLabelValue for Answer {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>) -> fmt::Result {
        let text = match self {
            Self::Ack => "ack",
            Self::Nack => "nack",
        };
        text.encode(encoder)
    }
}
