//! A thousand decisions in a row under load: no request fails, every epoch is acknowledged, and Envoy's memory stays as it is.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use stopleak_tests::{Latencies, World, milliseconds, tokens};

use crate::Scale;
use crate::requests::{Requests, message};

/// V8 compiles what runs often anew, and buffers find their size: what is compared is what comes afterwards. Of few decisions, a tenth.
const WARM_UP: u64 = 100;

/// Memory may grow by so many thousandths after that.
const MAX_GROWTH: u64 = 20;

pub fn row(scale: Scale) -> Result<String> {
    let world = World::start()?;
    let (always, toggled) = (tokens::own(1), tokens::own(2));
    world.patched_leak(&[&always])?;
    let leak = world.observed_leak(&[&toggled])?;
    let requests = Requests::start(world.envoy.listener(), &always)?;
    let warm_up = WARM_UP.min(scale.decisions / 10);
    let (mut took, mut warm) = (Vec::new(), 0);
    let mut connection = stopleak_tests::Connection::open(world.envoy.listener())?;
    for n in 0..scale.decisions {
        let (action, expected) = if n % 2 == 0 { ("apply_virtual_patch", 403) } else { ("remove_virtual_patch", 200) };
        let started = Instant::now();
        let decision = world.control_plane.decide(leak, action)?;
        let epoch = decision["epoch"].as_u64().with_context(|| format!("no epoch in {decision}"))?;
        let gateway = world.wait_for_epoch(epoch)?;
        took.push(started.elapsed());
        ensure!(gateway["last_nack"].is_null(), "a push was refused: {gateway}");
        let status = connection.send(&message(&toggled))?;
        ensure!(status == expected, "{status} after {action} number {n}");
        if n == warm_up {
            warm = world.envoy.resident_bytes()?;
        }
    }
    let end = world.envoy.resident_bytes()?;
    let pairs = requests.stop()?;
    let took: Latencies = took.into_iter().collect();
    let growth = 1_000 * end.saturating_sub(warm) / warm;
    let seen = format!(
        "{} decisions, each acknowledged by every worker (p99 {:.0} ms, worst {:.0} ms); {pairs} requests of each kind as they must be; \
         Envoy had {} KB after {warm_up} decisions and {} KB at the end",
        scale.decisions,
        milliseconds(took.quantile(0.99)),
        milliseconds(took.worst()),
        warm / 1_024,
        end / 1_024,
    );
    // A few decisions say nothing about memory.
    ensure!(growth <= MAX_GROWTH || scale.decisions < WARM_UP, "Envoy's memory grows: {seen}");
    ensure!(took.worst() < Duration::from_secs(1), "a decision took too long: {seen}");
    Ok(seen)
}
