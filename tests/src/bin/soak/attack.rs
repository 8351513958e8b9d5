//! Somebody uses a leaked token as often as they can, everywhere at once.
//!
//! Two things at a time: requests from many addresses to the real Envoy, as many as this machine can make, and simulated gateways that report
//! millions of uses, coalesced as filters do it. Decisions go on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stopleak_tests::{Attack, Latencies, Plan, Simulator, World, eventually, milliseconds, tokens};

use self::flood::flood;
use crate::Scale;

mod flood;

/// Simulated gateways.
const STREAMS: usize = 50;

/// Uses of one client on one route in a minute, at so many: what filters make one attempt of.
const USES_PER_ATTEMPT: u32 = 100;

/// Of the real Envoy: the generator needs the processor too.
const CONNECTIONS: usize = 4;

/// The promise.
const IN_FORCE: Duration = Duration::from_secs(1);

/// By how much memory may grow: buffers of attempts, caches of the database.
const MAX_GROWTH: u64 = 200 * 1_000_000;

pub fn row(scale: Scale) -> Result<String> {
    let world = World::start()?;
    let (attacked, reported, toggled) = (tokens::own(1), tokens::own(2), tokens::own(3));
    let attacked_leak = world.patched_leak(&[&attacked])?;
    let reported_leak = world.patched_leak(&[&reported])?;
    let leak = world.observed_leak(&[&toggled])?;
    let gateway = world.control_plane.post("/api/v1/gateways", &json!({"name": "simulated"}))?;
    let plan = Plan {
        feed: world.control_plane.feed(),
        credentials: vec![gateway["credential"].as_str().context("no credential")?.to_owned()],
        streams: STREAMS,
        streams_per_connection: 1,
        workers: 3,
        attack: Some(Attack {
            leak: u32::try_from(reported_leak)?,
            token: reported,
            uses: scale.uses / (STREAMS as u64 * u64::from(USES_PER_ATTEMPT)) * (STREAMS as u64 * u64::from(USES_PER_ATTEMPT)),
            uses_per_attempt: USES_PER_ATTEMPT,
        }),
    };
    let before = (world.envoy.resident_bytes()?, world.control_plane.resident_bytes()?.0);

    let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let to = world.envoy.listener();
    let started = Instant::now();
    let floods: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (stop, refused, token) = (Arc::clone(&stop), Arc::clone(&refused), attacked.clone());
            std::thread::spawn(move || flood(to, &token, number, &stop, &refused))
        })
        .collect();
    let mut simulator = Simulator::start(world.tools(), &world.dir().join("simulator"), &plan, Duration::from_mins(1))?;
    let (mut answered, mut decided) = (Vec::new(), Vec::new());
    let mut most = before.0;
    for n in 0.. {
        let action = if n % 2 == 0 { "apply_virtual_patch" } else { "remove_virtual_patch" };
        let at = Instant::now();
        let decision = world.control_plane.decide(leak, action)?;
        answered.push(at.elapsed());
        world.wait_for_epoch(decision["epoch"].as_u64().with_context(|| format!("no epoch in {decision}"))?)?;
        decided.push(at.elapsed());
        most = most.max(world.envoy.resident_bytes()?);
        std::thread::park_timeout(Duration::from_millis(200));
        if started.elapsed() > scale.attack {
            break;
        }
    }
    let intake_seconds = simulator.wait_for_attack(Duration::from_mins(10))?;
    stop.store(true, Ordering::Relaxed);
    let attacked_for = started.elapsed();
    for flood in floods {
        flood.join().ok().context("a thread has panicked")??;
    }
    let refused = refused.load(Ordering::Relaxed);
    let api = world.control_plane.api();
    let reported_uses = plan.attack.as_ref().map_or(0, |attack| attack.uses);
    let dropped = eventually("counts are right", Duration::from_secs(30), || {
        let uses = |leak| anyhow::Ok(world.control_plane.get(&format!("/api/v1/leaks/{leak}"))?["attempts"]["blocked"].as_u64());
        let dropped = api.metric("stopleak_attempts_dropped_total")?;
        let (of_envoy, simulated) = (uses(attacked_leak)?.context("no count")?, uses(reported_leak)?.context("no count")?);
        ensure!(of_envoy + dropped <= refused && simulated <= reported_uses, "{of_envoy} + {dropped} of {refused}, {simulated}");
        Ok((of_envoy + dropped == refused && simulated == reported_uses).then_some(dropped))
    })?;
    let (envoy, (_, control_plane)) = (most, world.control_plane.resident_bytes()?);
    let (answered, decided): (Latencies, Latencies) = (answered.into_iter().collect(), decided.into_iter().collect());
    let seen = format!(
        "{refused} requests refused by Envoy in {:.0} s ({} a minute), {dropped} of them dropped and reported, all others on \
         record; {reported_uses} uses reported by {STREAMS} simulated gateways, stored in {intake_seconds:.1} s; {} decisions meanwhile \
         answered after {:.0} ms (median), {:.0} ms (worst), and in force everywhere after {:.0} ms and {:.0} ms; Envoy {} MB before and {} MB at most, control plane {} MB and {} MB",
        attacked_for.as_secs_f64(),
        refused * 60 / attacked_for.as_secs().max(1),
        decided.count(),
        milliseconds(answered.quantile(0.5)),
        milliseconds(answered.worst()),
        milliseconds(decided.quantile(0.5)),
        milliseconds(decided.worst()),
        before.0 / 1_000_000,
        envoy / 1_000_000,
        before.1 / 1_000_000,
        control_plane / 1_000_000,
    );
    ensure!(decided.worst() < IN_FORCE, "a decision took too long: {seen}");
    ensure!(envoy < before.0 + MAX_GROWTH && control_plane < before.1 + MAX_GROWTH, "memory grows: {seen}");
    Ok(seen)
}
