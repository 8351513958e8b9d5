//! Gateways that are not there: a process of its own that holds as many streams of the feed as are wanted.
//!
//! Each stream is gRPC over HTTP/2, on a connection of its own, as that of an Envoy is. It says Hello, takes pushes apart, and acknowledges an
//! epoch for each of its workers when all of its shards have come. It verifies nothing, keeps nothing and judges nothing: what is
//! measured with it is the control plane.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::running::Running;
use crate::tools::Tools;
use crate::world::eventually;

/// The process; it ends when this is dropped.
#[derive(Debug)]
pub struct Simulator {
    running: Running,
}

/// What it is to simulate.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// The control plane's feed.
    pub feed: SocketAddr,
    /// Of the gateways: streams are dealt out to them in turn.
    pub credentials: Vec<String>,
    /// How many.
    pub streams: usize,
    /// Streams that share a connection: 1 as in reality.
    pub streams_per_connection: usize,
    /// Workers of each, the main thread's VM counted.
    pub workers: usize,
    /// What its workers report.
    pub attack: Option<Attack>,
}

/// Somebody uses a leaked token everywhere at once.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Attack {
    /// The leak's number.
    pub leak: u32,
    /// The token.
    pub token: String,
    /// Uses, of all streams together.
    pub uses: u64,
    /// Uses that agree, and are one attempt.
    pub uses_per_attempt: u32,
}

/// An epoch that every stream has acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Everywhere {
    /// The epoch.
    pub epoch: u64,
    /// When the first stream acknowledged it: microseconds since the Unix epoch.
    pub first_us: u64,
    /// When the last one did.
    pub last_us: u64,
}

impl Simulator {
    /// Starts it, and waits until every stream has the newest index.
    pub fn start(tools: &Tools, dir: &Path, plan: &Plan, patience: Duration) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = dir.join("plan.json");
        std::fs::write(&file, serde_json::to_vec(plan)?)?;
        let mut command = Command::new(tools.simulator()?);
        command.arg(&file);
        let mut simulator = Self { running: Running::start("simulate-gateways", &mut command, &dir.join("simulator.log"))? };
        simulator.wait_for("every simulated gateway has the index", patience, |line| line.get("ready").cloned())?;
        Ok(simulator)
    }

    /// Waits until every stream has acknowledged this epoch or a newer one.
    pub fn wait_for_epoch(&mut self, wanted: u64, patience: Duration) -> Result<Everywhere> {
        self.wait_for(&format!("epoch {wanted} is everywhere"), patience, |line| {
            let number = |key: &str| line["everywhere"][key].as_u64();
            let epoch = number("epoch").filter(|epoch| *epoch >= wanted)?;
            Some(Everywhere { epoch, first_us: number("first_us")?, last_us: number("last_us")? })
        })
    }

    /// Waits until the attack's last attempt is acknowledged; how long it took, in seconds.
    pub fn wait_for_attack(&mut self, patience: Duration) -> Result<f64> {
        self.wait_for("all attempts are acknowledged", patience, |line| line["attacked"]["seconds"].as_f64())
    }

    /// Streams that have ended, although nothing was to end them.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.lines().iter().filter(|line| line.get("ended").is_some()).count()
    }

    /// Bytes of memory that it has in use.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.running.resident_bytes()
    }

    /// The number that the kernel knows it by.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    fn wait_for<T>(&mut self, what: &str, patience: Duration, look: impl Fn(&Value) -> Option<T>) -> Result<T> {
        eventually(what, patience, || {
            if let Some(status) = self.running.ended() {
                bail!("the simulator ended with {status}:\n{}", self.running.log());
            }
            let lines = self.lines();
            if let Some(ended) = lines.iter().find_map(|line| line.get("ended")) {
                bail!("a simulated stream has ended: {ended}");
            }
            Ok(lines.iter().rev().find_map(&look))
        })
        .context("simulated gateways")
    }

    fn lines(&self) -> Vec<Value> {
        self.running.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}
