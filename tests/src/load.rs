//! Requests to a gateway at a steady pace, until they are stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::connection::{Connection, Message};

/// Harmless requests; each of them has to be answered 200.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Vec<Duration>>>>,
}

/// How long things took, in order of length.
#[derive(Clone, Debug)]
pub struct Latencies(Vec<Duration>);

/// Between two requests of a connection.
const PACE: Duration = Duration::from_millis(2);

impl Load {
    /// Starts it, on so many connections.
    pub fn start(to: SocketAddr, connections: u64) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for _ in 0..connections {
            let (stop, mut connection) = (Arc::clone(&stop), Connection::open(to)?);
            // Not a token of the index, but of a kind that many of them have: it is looked up.
            let token = crate::tokens::own(9_998);
            let headers = vec![("authorization".to_owned(), token.into_bytes())];
            let message = Message { method: "GET".to_owned(), target: "/orders".to_owned(), headers, body: Vec::new() };
            threads.push(std::thread::spawn(move || {
                let mut latencies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    let status = connection.send(&message)?;
                    latencies.push(started.elapsed());
                    ensure!(status == 200, "{status} for a harmless request");
                    std::thread::park_timeout(PACE);
                }
                Ok(latencies)
            }));
        }
        Ok(Self { stop, threads })
    }

    /// Stops it; an error when a request has failed.
    pub fn stop(self) -> Result<Latencies> {
        self.stop.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for thread in self.threads {
            let of_thread = thread.join().ok().context("a thread of the load has panicked")?;
            latencies.extend(of_thread?);
        }
        Ok(latencies.into_iter().collect())
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut durations: Vec<_> = durations.into_iter().collect();
        durations.sort_unstable();
        Self(durations)
    }
}

impl Latencies {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The longest.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// This share of them took no longer.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a count"
    )]
    pub fn quantile(&self, share: f64) -> Duration {
        let at = (self.0.len() as f64 * share) as usize;
        self.0.get(at).or(self.0.last()).copied().unwrap_or_default()
    }
}

/// For people and for tables.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
