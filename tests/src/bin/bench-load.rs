//! How long an index takes to reach a real Envoy, and what the requests that pass meanwhile notice of it.
//!
//! The same load runs all the time, a request every two milliseconds on each of two connections. First Envoy has no feed: the worst
//! request of that time is the normal worst. Then the feed is connected, and the load goes on until every worker has the index.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use stopleak_tests::{Connection, Envoy, EnvoySetting, Indexed, Message, Network, Tools, Upstream, WORKERS, command, eventually};

const USAGE: &str = "usage: just bench-load [--tokens N] [--json]

Measures how long an index of N tokens (1,000,000 by default) takes to reach a real Envoy with two workers, and how long requests wait
meanwhile. Ten million tokens take some minutes to be put into the database.";

/// Requests without the feed, at least: the longer, the more of what this machine does beside is seen in it.
const BASELINE: Duration = Duration::from_secs(20);

/// Between two requests of a connection.
const PACE: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    command("bench-load", USAGE, parse, run)
}

/// How many tokens, and whether a machine reads the result.
fn parse(mut words: impl Iterator<Item = String>) -> Result<(u64, bool)> {
    let (mut tokens, mut as_json) = (1_000_000, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--tokens" => tokens = words.next().context("a number is missing")?.parse()?,
            "--json" => as_json = true,
            word => bail!("unknown option {word}"),
        }
    }
    Ok((tokens, as_json))
}

fn run(&(tokens, as_json): &(u64, bool)) -> Result<()> {
    let tools = Tools::find()?;
    let dir = tempfile::Builder::new().prefix("stopleak-bench-").tempdir()?;
    eprintln!("making {tokens} tokens");
    let indexed = Indexed::start(&tools, &dir.path().join("control-plane"), tokens)?;
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
    let envoy = Envoy::start(&tools, &dir.path().join("envoy"), &setting)?;

    eprintln!("requests without the feed");
    let load = Load::start(&envoy)?;
    wait(BASELINE);
    let baseline = load.stop()?;
    let memory_before = envoy.resident_bytes()?;

    eprintln!("requests while the index arrives");
    let load = Load::start(&envoy)?;
    let started = Instant::now();
    network.mend();
    eventually("every worker has the index", Duration::from_mins(10), || {
        let gateway = indexed.control_plane.gateway(Indexed::GATEWAY)?;
        let all = gateway["workers"].as_u64() == Some(WORKERS + 1) && gateway["tokens"].as_u64() == Some(tokens);
        Ok(all.then_some(()))
    })?;
    let in_force = started.elapsed();
    // As long as the other: the longer one looks, the worse the worst. Prefilters are still being made.
    wait(BASELINE.saturating_sub(in_force));
    let arriving = load.stop()?;
    let memory_after = envoy.resident_bytes()?;

    let mut connection = Connection::open(envoy.listener())?;
    let leaked = Message { headers: vec![("x-api-key".to_owned(), probe.into_bytes())], ..message() };
    ensure!(connection.send(&leaked)? == 403, "the index is in force");
    let worst = arriving.worst().saturating_sub(baseline.worst());
    if as_json {
        let json = json!({
            "tokens": tokens,
            "in_force_seconds": in_force.as_secs_f64(),
            "requests": arriving.latencies.len(),
            "baseline_p999_ms": milliseconds(baseline.quantile(0.999)),
            "baseline_worst_ms": milliseconds(baseline.worst()),
            "arriving_p999_ms": milliseconds(arriving.quantile(0.999)),
            "arriving_worst_ms": milliseconds(arriving.worst()),
            "worst_over_normal_ms": milliseconds(worst),
            "envoy_resident_bytes_before": memory_before,
            "envoy_resident_bytes_after": memory_after,
        });
        println!("{}", serde_json::to_string_pretty(&json)?);
    } else {
        println!("{tokens} tokens in force in all VMs of an Envoy with {WORKERS} workers after {:.2} s", in_force.as_secs_f64());
        for (name, latencies) in [("without the feed", &baseline), ("while it arrives", &arriving)] {
            println!(
                "{name}: {} requests, p99.9 {:.1} ms, worst {:.1} ms",
                latencies.latencies.len(),
                milliseconds(latencies.quantile(0.999)),
                milliseconds(latencies.worst())
            );
        }
        println!("over the normal worst: {:.1} ms", milliseconds(worst));
        println!("resident memory of Envoy: {} MB before, {} MB after", memory_before / 1_000_000, memory_after / 1_000_000);
    }
    Ok(())
}

fn message() -> Message {
    Message { method: "GET".to_owned(), target: "/orders".to_owned(), ..Message::default() }
}

#[expect(clippy::disallowed_methods, reason = "time itself is what is wanted here, not an event")]
fn wait(duration: Duration) {
    std::thread::sleep(duration);
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Requests at a steady pace.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<Result<Vec<Duration>>>>,
}

/// How long each request took, in order of length.
struct Latencies {
    latencies: Vec<Duration>,
}

impl Load {
    fn start(envoy: &Envoy) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for _ in 0..WORKERS {
            let (stop, mut connection) = (Arc::clone(&stop), Connection::open(envoy.listener())?);
            // Not a token of the index, but of a kind that many of them have: it is looked up.
            let token = stopleak_tests::tokens::own(1);
            let message = Message { headers: vec![("authorization".to_owned(), token.into_bytes())], ..message() };
            threads.push(std::thread::spawn(move || {
                let mut latencies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    let status = connection.send(&message)?;
                    latencies.push(started.elapsed());
                    ensure!(status == 200, "{status} for a harmless request");
                    wait(PACE);
                }
                Ok(latencies)
            }));
        }
        Ok(Self { stop, threads })
    }

    fn stop(self) -> Result<Latencies> {
        self.stop.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for thread in self.threads {
            let of_thread = thread.join().ok().context("a thread of the load has panicked")?;
            latencies.extend(of_thread?);
        }
        latencies.sort_unstable();
        Ok(Latencies { latencies })
    }
}

impl Latencies {
    fn worst(&self) -> Duration {
        self.latencies.last().copied().unwrap_or_default()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a count"
    )]
    fn quantile(&self, share: f64) -> Duration {
        let at = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(at).or(self.latencies.last()).copied().unwrap_or_default()
    }
}
