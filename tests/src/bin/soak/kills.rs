//! The control plane is killed at any moment of a push, again and again: what it had answered holds, and the gateway converges.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stopleak_tests::{Latencies, Setting, World, eventually, tokens};

use crate::Scale;
use crate::requests::Requests;

/// The latest moment after a decision was sent: by then it is usually in force.
const WITHIN_US: u64 = 120_000;

pub fn row(scale: Scale) -> Result<String> {
    let on_file = on(scale, false)?;
    let on_server = on(scale, true)?;
    Ok(format!("SQLite: {on_file}; PostgreSQL: {on_server}"))
}

fn on(scale: Scale, on_postgres: bool) -> Result<String> {
    let mut world = World::with(Setting { on_postgres, ..Setting::default() })?;
    let (always, toggled) = (tokens::own(1), tokens::own(2));
    let always_leak = world.patched_leak(&[&always])?;
    let leak = world.observed_leak(&[&toggled])?;
    let requests = Requests::start(world.envoy.listener(), &always)?;
    let (mut answered, mut converged, mut patched) = (0, Vec::new(), false);
    for kill in 0..u64::from(scale.kills) {
        let action = if patched { "remove_virtual_patch" } else { "apply_virtual_patch" };
        // Spread evenly, in no order: 17 has no factor in common with the number of kills.
        let moment = Duration::from_micros(WITHIN_US * (kill * 17 % u64::from(scale.kills)) / u64::from(scale.kills));
        let (http, body) = (world.control_plane.api(), json!({"action": action, "reason": "test", "confirm": true}));
        let decision = std::thread::spawn(move || http.post(&format!("/api/v1/leaks/{leak}/decisions"), &body));
        std::thread::park_timeout(moment);
        world.control_plane.kill();
        let was_answered = decision.join().ok().context("a thread has panicked")?.is_ok();

        let started = Instant::now();
        world.restart_control_plane()?;
        let record = world.control_plane.get(&format!("/api/v1/leaks/{leak}"))?;
        let is_patched = record["virtual_patch"].is_object();
        ensure!(
            is_patched != patched || !was_answered,
            "kill {kill} after {moment:?}: {action} was answered and is lost: {record}"
        );
        (answered, patched) = (answered + u32::from(was_answered), is_patched);
        let epoch = world.control_plane.get("/api/v1/gateways")?["epoch"].as_u64().context("no epoch")?;
        world.wait_for_epoch(epoch)?;
        converged.push(started.elapsed());
        let expected = if is_patched { 403 } else { 200 };
        let status = world.get("/").bearer(&toggled).status()?;
        ensure!(status == expected, "kill {kill}: {status}, and the leak is {record}");
    }
    let refused = requests.refused();
    let pairs = requests.stop()?;
    ensure!(pairs >= refused && refused > 0, "no requests were sent");
    // Every use that was refused is on record, however often the control plane went away.
    let path = format!("/api/v1/leaks/{always_leak}");
    eventually("each use is on record once", Duration::from_secs(30), || {
        let uses = world.control_plane.get(&path)?["attempts"]["blocked"].as_u64().context("no count")?;
        ensure!(uses <= pairs, "{uses} uses are on record, and {pairs} there were");
        Ok((uses == pairs).then_some(()))
    })?;
    let converged: Latencies = converged.into_iter().collect();
    Ok(format!(
        "{} kills, {answered} of the decisions were answered and hold; in force everywhere {:.1} s after a kill (median), {:.1} s (worst); \
         {pairs} patched tokens refused meanwhile and on record",
        scale.kills,
        converged.quantile(0.5).as_secs_f64(),
        converged.worst().as_secs_f64(),
    ))
}
