//! Requests that go on while something is broken: patched tokens that must never pass, and harmless ones that must never fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use stopleak_tests::{Connection, Message, WORKERS};

/// Both kinds in turn, on some connections to each worker.
pub struct Requests {
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<()>>>,
}

/// Between two pairs.
const PACE: Duration = Duration::from_millis(4);

impl Requests {
    /// Starts them. The token has a patch that is in force.
    pub fn start(to: SocketAddr, token: &str) -> Result<Self> {
        let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut threads = Vec::new();
        for _ in 0..2 * WORKERS {
            let (stop, refused, mut connection) = (Arc::clone(&stop), Arc::clone(&refused), Connection::open(to)?);
            let leaked = message(token);
            threads.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let status = connection.send(&leaked)?;
                    ensure!(status == 403, "{status} for a patched token");
                    refused.fetch_add(1, Ordering::Relaxed);
                    let status = connection.send(&message("harmless"))?;
                    ensure!(status == 200, "{status} for a harmless request");
                    std::thread::park_timeout(PACE);
                }
                Ok(())
            }));
        }
        Ok(Self { stop, refused, threads })
    }

    /// Patched tokens that were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Stops them. An error when one was not answered as it must be; otherwise how many pairs there were.
    pub fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().ok().context("a thread has panicked")??;
        }
        Ok(self.refused.load(Ordering::Relaxed))
    }
}

/// A request with a token in a header.
pub fn message(token: &str) -> Message {
    let headers = vec![("x-api-key".to_owned(), token.as_bytes().to_vec())];
    Message { method: "GET".to_owned(), target: "/orders".to_owned(), headers, body: Vec::new() }
}
