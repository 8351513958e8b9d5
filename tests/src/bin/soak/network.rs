//! A link between gateway and control plane that is cut, slow, half-open or says things twice: enforcement goes on, and what was decided
//! meanwhile is in force soon after the link is whole.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use stopleak_tests::{Network, World, tokens};

use crate::Scale;
use crate::requests::Requests;

/// How a link is broken, and how it is made whole again.
type Fault = (&'static str, fn(&Network), fn(&Network));

const FAULTS: [Fault; 4] = [
    ("cut", Network::cut, Network::mend),
    ("1 KB/s", |network| network.slow_down(true), |network| network.slow_down(false)),
    ("half-open", |network| network.swallow(true), |network| network.swallow(false)),
    ("repeating", |network| network.repeat(true), |network| network.repeat(false)),
];

/// A dead peer is noticed within ten seconds, and a second later there is another stream.
const CONVERGES: Duration = Duration::from_secs(12);

/// A part of the time that a database is broken: there are four faults, several times each.
const BROKEN: u32 = 3;

/// Decisions while the link is broken.
const DECISIONS: u32 = 4;

pub fn row(scale: Scale) -> Result<String> {
    let world = World::start()?;
    let (always, toggled) = (tokens::own(1), tokens::own(2));
    world.patched_leak(&[&always])?;
    let leak = world.observed_leak(&[&toggled])?;
    let requests = Requests::start(world.envoy.listener(), &always)?;
    let mut seen = Vec::new();
    for (name, break_it, mend_it) in FAULTS {
        let mut worst = Duration::ZERO;
        for round in 0..scale.rounds {
            break_it(&world.network);
            let mut last = None;
            for n in 0..DECISIONS {
                let action = if n % 2 == 0 { "apply_virtual_patch" } else { "remove_virtual_patch" };
                last = Some(world.control_plane.decide(leak, action)?);
                std::thread::park_timeout(scale.broken_for / BROKEN / DECISIONS);
            }
            // Patched at the end of odd rounds, and not at that of even ones.
            if round % 2 == 1 {
                last = Some(world.control_plane.decide(leak, "apply_virtual_patch")?);
            }
            let epoch = last.and_then(|decision| decision["epoch"].as_u64()).context("no epoch")?;
            mend_it(&world.network);
            let mended = Instant::now();
            world.wait_for_epoch(epoch).with_context(|| format!("{name}, round {round}"))?;
            worst = worst.max(mended.elapsed());
            ensure!(worst < CONVERGES, "{name}: only {worst:?} after the link is whole");
            let expected = if round % 2 == 1 { 403 } else { 200 };
            let status = world.get("/").bearer(&toggled).status()?;
            ensure!(status == expected, "{name}: {status} after the link is whole");
            if round % 2 == 1 {
                world.decide(leak, "remove_virtual_patch")?;
            }
        }
        seen.push(format!("{name} {:.1} s", worst.as_secs_f64()));
    }
    let pairs = requests.stop()?;
    Ok(format!(
        "in force everywhere after the link is whole, at worst: {}; {pairs} patched tokens refused and as many harmless requests answered \
         meanwhile",
        seen.join(", ")
    ))
}
