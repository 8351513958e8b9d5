//! From a decision to its enforcement at one real Envoy with two workers.
//!
//! The clock starts before the decision is sent to the API, and ends when each worker has refused a request with the token: what a
//! person who decides would measure, not what the control plane believes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stopleak_tests::{Connection, Latencies, Message, WORKERS, World, milliseconds, tokens};

/// What was measured.
pub struct Enforced {
    answered: Latencies,
    enforced: Latencies,
}

/// Envoy deals connections out by chance: with so many, each worker has one or more.
const CONNECTIONS: usize = 4;

/// A decision takes no longer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Enforced {
    /// Takes so many decisions, one after the other.
    pub fn measure(decisions: usize) -> Result<Self> {
        eprintln!("{decisions} decisions on one Envoy");
        let world = World::start()?;
        let tokens: Vec<_> = (0..u32::try_from(decisions)?).map(tokens::own).collect();
        let mut leaks = Vec::new();
        for token in &tokens {
            leaks.push(world.control_plane.add_leak("decided while the clock runs", &[token])?);
        }
        let epoch = world.control_plane.get("/api/v1/gateways")?["epoch"].as_u64().context("no epoch")?;
        world.wait_for_epoch(epoch)?;
        let mut connections = connections(&world)?;
        let (mut answered, mut enforced) = (Vec::new(), Vec::new());
        for (leak, token) in leaks.into_iter().zip(&tokens) {
            let leaked = message(token);
            for connection in &mut connections {
                ensure!(connection.send(&leaked)? == 200, "it is only observed yet");
            }
            let started = Instant::now();
            world.control_plane.decide(leak, "apply_virtual_patch")?;
            answered.push(started.elapsed());
            for connection in &mut connections {
                while connection.send(&leaked)? != 403 {
                    ensure!(started.elapsed() < PATIENCE, "the decision is not enforced");
                }
            }
            enforced.push(started.elapsed());
        }
        Ok(Self { answered: answered.into_iter().collect(), enforced: enforced.into_iter().collect() })
    }

    pub fn to_json(&self) -> Value {
        json!({
            "decisions": self.enforced.count(),
            "answered_p50_ms": milliseconds(self.answered.quantile(0.5)),
            "answered_p99_ms": milliseconds(self.answered.quantile(0.99)),
            "enforced_p50_ms": milliseconds(self.enforced.quantile(0.5)),
            "enforced_p99_ms": milliseconds(self.enforced.quantile(0.99)),
            "enforced_worst_ms": milliseconds(self.enforced.worst()),
        })
    }

    pub fn print(&self) {
        println!("{} decisions on one real Envoy with {WORKERS} workers, from sending the decision:", self.enforced.count());
        for (what, latencies) in [("answered", &self.answered), ("refused by every worker", &self.enforced)] {
            println!(
                "  {what}: median {:.1} ms, p99 {:.1} ms, worst {:.1} ms",
                milliseconds(latencies.quantile(0.5)),
                milliseconds(latencies.quantile(0.99)),
                milliseconds(latencies.worst())
            );
        }
    }
}

/// Some to each worker.
fn connections(world: &World) -> Result<Vec<Connection>> {
    for _ in 0..100 {
        let connections = (0..CONNECTIONS).map(|_| Connection::open(world.envoy.listener())).collect::<Result<Vec<_>>>();
        let mut connections = connections?;
        for connection in &mut connections {
            ensure!(connection.send(&message("nothing"))? == 200, "a harmless request passes");
        }
        let page = world.envoy.admin_page("/stats?filter=^listener\\.127.*worker_.*downstream_cx_active&format=text")?;
        let busy = page.lines().filter(|line| !line.ends_with(": 0")).count();
        if busy as u64 == WORKERS {
            return Ok(connections);
        }
    }
    anyhow::bail!("no connections to every worker")
}

fn message(token: &str) -> Message {
    let headers = vec![("x-api-key".to_owned(), token.as_bytes().to_vec())];
    Message { method: "GET".to_owned(), target: "/orders".to_owned(), headers, body: Vec::new() }
}
