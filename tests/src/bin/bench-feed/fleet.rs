//! Thousands of gateways at one control plane: how long a decision takes until the last one has it, and what an idle one costs.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stopleak_tests::{Indexed, Latencies, Plan, Simulator, Tools, milliseconds, tokens};

/// What is measured.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// Decisions.
    pub rounds: usize,
    /// VMs of each gateway.
    pub workers: usize,
    /// Streams of each connection.
    pub shared: usize,
    /// Tokens.
    pub indexed: u64,
}

/// What was measured.
pub struct FleetReport {
    streams: usize,
    sizes: Sizes,
    /// Until all were connected and had the index.
    joined: Duration,
    /// From sending the decision until the last stream had acknowledged it.
    everywhere: Latencies,
    /// Of that, until the first one had.
    first: Latencies,
    resident_before: u64,
    resident_after: u64,
    resident_peak: u64,
    /// Processor time of the control plane for a decision.
    cpu: Duration,
}

/// One credential is for the Envoys of one fleet; there is a limit of 1,024.
const STREAMS_OF_A_CREDENTIAL: usize = 100;

/// For all of them to connect, and for a decision.
const PATIENCE: Duration = Duration::from_mins(5);

/// Of a token that no format has.
const DECIDED: u32 = 777_777;

impl FleetReport {
    pub fn measure(tools: &Tools, streams: usize, sizes: Sizes) -> Result<Self> {
        eprintln!("{streams} simulated gateways");
        let dir = tempfile::Builder::new().prefix("stopleak-bench-").tempdir()?;
        let Indexed { control_plane, .. } = Indexed::start(tools, &dir.path().join("control-plane"), sizes.indexed)?;
        let leak = control_plane.add_leak("decided while the clock runs", &[&tokens::own(DECIDED)])?;
        let mut credentials = Vec::new();
        for number in 0..streams.div_ceil(STREAMS_OF_A_CREDENTIAL) {
            let gateway = control_plane.post("/api/v1/gateways", &json!({"name": format!("fleet-{number}")}))?;
            credentials.push(gateway["credential"].as_str().context("no credential")?.to_owned());
        }
        let plan = Plan {
            feed: control_plane.feed(),
            credentials,
            streams,
            streams_per_connection: sizes.shared,
            workers: sizes.workers,
            attack: None,
        };
        // One decision more, so that the first measured one is no different from the others.
        control_plane.decide(leak, "apply_virtual_patch")?;
        let (resident_before, _) = control_plane.resident_bytes()?;
        let started = Instant::now();
        let mut simulator = Simulator::start(tools, &dir.path().join("simulator"), &plan, PATIENCE)?;
        let joined = started.elapsed();

        let cpu_before = control_plane.cpu_time()?;
        let (mut everywhere, mut first) = (Vec::new(), Vec::new());
        for round in 0..sizes.rounds {
            let action = if round % 2 == 0 { "remove_virtual_patch" } else { "apply_virtual_patch" };
            let sent_us = now_us();
            let decision = control_plane.decide(leak, action)?;
            let epoch = decision["epoch"].as_u64().with_context(|| format!("no epoch in {decision}"))?;
            let got = simulator.wait_for_epoch(epoch, PATIENCE)?;
            everywhere.push(Duration::from_micros(got.last_us.saturating_sub(sent_us)));
            first.push(Duration::from_micros(got.first_us.saturating_sub(sent_us)));
        }
        let cpu = (control_plane.cpu_time()?.saturating_sub(cpu_before)) / u32::try_from(sizes.rounds)?;
        let (resident_after, resident_peak) = control_plane.resident_bytes()?;
        let (everywhere, first) = (everywhere.into_iter().collect(), first.into_iter().collect());
        Ok(Self { streams, sizes, joined, everywhere, first, resident_before, resident_after, resident_peak, cpu })
    }

    pub fn to_json(&self) -> Value {
        json!({
            "streams": self.streams,
            "streams_per_connection": self.sizes.shared,
            "workers": self.sizes.workers,
            "indexed_tokens": self.sizes.indexed,
            "decisions": self.everywhere.count(),
            "joined_seconds": self.joined.as_secs_f64(),
            "first_p50_ms": milliseconds(self.first.quantile(0.5)),
            "everywhere_p50_ms": milliseconds(self.everywhere.quantile(0.5)),
            "everywhere_worst_ms": milliseconds(self.everywhere.worst()),
            "control_plane_cpu_ms": milliseconds(self.cpu),
            "resident_bytes_before": self.resident_before,
            "resident_bytes_after": self.resident_after,
            "resident_bytes_at_most": self.resident_peak,
            "bytes_for_each_gateway": self.for_each(),
        })
    }

    pub fn print(&self) {
        let Sizes { workers, shared, indexed, .. } = self.sizes;
        println!(
            "{} simulated gateways with {workers} VMs each, {shared} on a connection, {indexed} tokens: joined in {:.1} s",
            self.streams,
            self.joined.as_secs_f64()
        );
        println!(
            "  a decision, from sending it: acknowledged by the first after {:.0} ms, by the last after {:.0} ms (median), {:.0} ms (worst of {})",
            milliseconds(self.first.quantile(0.5)),
            milliseconds(self.everywhere.quantile(0.5)),
            milliseconds(self.everywhere.worst()),
            self.everywhere.count()
        );
        println!("  processor time of the control plane for it: {:.0} ms", milliseconds(self.cpu));
        println!(
            "  its memory: {} MB before, {} MB with them, {} MB at most: {} bytes for each gateway",
            self.resident_before / 1_000_000,
            self.resident_after / 1_000_000,
            self.resident_peak / 1_000_000,
            self.for_each()
        );
    }

    fn for_each(&self) -> u64 {
        self.resident_after.saturating_sub(self.resident_before) / self.streams as u64
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}
