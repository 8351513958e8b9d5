//! How long an index takes to reach a real Envoy, and what the requests that pass meanwhile notice of it.
//!
//! The same load runs all the time, a request every two milliseconds on each of two connections. First Envoy has no feed: the worst
//! request of that time is the normal worst. Then the feed is connected, and the load goes on until every worker has the index.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::connection::{Connection, Message};
use crate::envoy::{Envoy, EnvoySetting, WORKERS};
use crate::indexed::Indexed;
use crate::load::{Latencies, Load, milliseconds};
use crate::network::Network;
use crate::tools::Tools;
use crate::upstream::Upstream;
use crate::world::eventually;

/// What was measured.
#[derive(Clone, Debug)]
pub struct FirstLoad {
    /// Of the index.
    pub tokens: u64,
    /// From the connection until every VM of the Envoy has the index.
    pub in_force: Duration,
    baseline: Latencies,
    arriving: Latencies,
    memory_before: u64,
    memory_after: u64,
}

impl FirstLoad {
    /// Measures it. The baseline lasts so long, and the other load at least as long: the longer, the more of what this machine does
    /// beside is seen in it.
    pub fn measure(tools: &Tools, tokens: u64, baseline: Duration) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("stopleak-bench-").tempdir()?;
        eprintln!("making {tokens} tokens");
        let indexed = Indexed::start(tools, &dir.path().join("control-plane"), tokens)?;
        let probe = indexed.probe.clone().context("no token, no index")?;
        let upstream = Upstream::start()?;
        let network = Network::start(indexed.control_plane.feed())?;
        network.cut();
        let setting = EnvoySetting {
            other_feeds: Vec::new(),
            upstream: upstream.address(),
            feed: network.address(),
            credential: indexed.credential.clone(),
            public_key: indexed.public_key.clone(),
            plugin: json!({"on_not_ready": "allow"}),
            connection_manager: json!({}),
            filter: tools.filter.clone(),
        };
        let envoy = Envoy::start(tools, &dir.path().join("envoy"), &setting)?;

        eprintln!("requests without the feed");
        let load = Load::start(envoy.listener(), WORKERS)?;
        wait(baseline);
        let without = load.stop()?;
        let memory_before = envoy.resident_bytes()?;

        eprintln!("requests while the index arrives");
        let load = Load::start(envoy.listener(), WORKERS)?;
        let started = Instant::now();
        network.mend();
        eventually("every worker has the index", Duration::from_mins(10), || {
            let gateway = indexed.control_plane.gateway(Indexed::GATEWAY)?;
            let all = gateway["workers"].as_u64() == Some(WORKERS + 1) && gateway["tokens"].as_u64() == Some(tokens);
            Ok(all.then_some(()))
        })?;
        let in_force = started.elapsed();
        // As long as the other: the longer one looks, the worse the worst. Prefilters are still being made.
        wait(baseline.saturating_sub(in_force));
        let arriving = load.stop()?;
        let memory_after = envoy.resident_bytes()?;

        let mut connection = Connection::open(envoy.listener())?;
        let headers = vec![("x-api-key".to_owned(), probe.into_bytes())];
        let leaked = Message { method: "GET".to_owned(), target: "/orders".to_owned(), headers, body: Vec::new() };
        ensure!(connection.send(&leaked)? == 403, "the index is in force");
        Ok(Self { tokens, in_force, baseline: without, arriving, memory_before, memory_after })
    }

    /// For machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "tokens": self.tokens,
            "in_force_seconds": self.in_force.as_secs_f64(),
            "requests": self.arriving.count(),
            "baseline_p999_ms": milliseconds(self.baseline.quantile(0.999)),
            "baseline_worst_ms": milliseconds(self.baseline.worst()),
            "arriving_p999_ms": milliseconds(self.arriving.quantile(0.999)),
            "arriving_worst_ms": milliseconds(self.arriving.worst()),
            "worst_over_normal_ms": milliseconds(self.worst_over_normal()),
            "envoy_resident_bytes_before": self.memory_before,
            "envoy_resident_bytes_after": self.memory_after,
        })
    }

    /// For people.
    pub fn print(&self) {
        let seconds = self.in_force.as_secs_f64();
        println!("{} tokens in force in all VMs of an Envoy with {WORKERS} workers after {seconds:.2} s", self.tokens);
        for (name, latencies) in [("without the feed", &self.baseline), ("while it arrives", &self.arriving)] {
            println!(
                "{name}: {} requests, p99.9 {:.1} ms, worst {:.1} ms",
                latencies.count(),
                milliseconds(latencies.quantile(0.999)),
                milliseconds(latencies.worst())
            );
        }
        println!("over the normal worst: {:.1} ms", milliseconds(self.worst_over_normal()));
        println!(
            "resident memory of Envoy: {} MB before, {} MB after",
            self.memory_before / 1_000_000,
            self.memory_after / 1_000_000
        );
    }

    fn worst_over_normal(&self) -> Duration {
        self.arriving.worst().saturating_sub(self.baseline.worst())
    }
}

#[expect(clippy::disallowed_methods, reason = "time itself is what is wanted here, not an event")]
fn wait(duration: Duration) {
    std::thread::sleep(duration);
}
