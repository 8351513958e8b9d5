//! A worker whose VM falls: `FAIL_RELOAD` brings a new one, which starts with the index in shared data.
//!
//! The module under test is built with the feature `provoke-trap`; it is otherwise the one that is shipped.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use stopleak_tests::{Connection, Message, Setting, World, eventually, tokens};

/// Connections are spread over two workers by chance: with so many, both have some.
const CONNECTIONS: usize = 24;

/// A lease that is not renewed is void after two seconds.
const LEADER: Duration = Duration::from_secs(3);

/// Envoy waits about a second before it starts the module again.
const RELOAD: Duration = Duration::from_secs(5);

fn message(headers: &[(&str, &str)]) -> Message {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Message { method: "GET".to_owned(), target: "/orders".to_owned(), headers, body: Vec::new() }
}

/// What becomes of a harmless request on each connection: 200, or 503 while its worker has no VM.
fn statuses(connections: &mut [Connection]) -> Result<Vec<u16>> {
    connections.iter_mut().map(|connection| connection.send(&message(&[]))).collect()
}

#[test]
fn a_vm_that_fell_comes_back_with_the_index_although_the_control_plane_is_gone() -> Result<()> {
    let mut world = World::with(Setting { trapping: true, ..Setting::default() })?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    let leaked = message(&[("authorization", &format!("Bearer {token}"))]);
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(world.envoy.listener())).collect::<Result<_>>()?;
    ensure!(statuses(&mut connections)?.iter().all(|status| *status == 200), "all is well at first");

    // From here on nobody can send an index: whoever has one has it from shared data.
    world.control_plane.kill();
    world.network.cut();
    for round in 1..=2 {
        let status = connections[0].send(&message(&[("x-provoke-trap", "1")]))?;
        assert_eq!(status, 503, "the request that ends its VM does not pass");
        let fallen: Vec<bool> = statuses(&mut connections)?.into_iter().map(|status| status == 503).collect();
        let count = fallen.iter().filter(|fallen| **fallen).count();
        assert!(fallen[0] && count < CONNECTIONS, "one worker has fallen and the other not: {fallen:?}");

        let started = Instant::now();
        eventually("the worker is back", RELOAD, || {
            for (connection, fallen) in connections.iter_mut().zip(&fallen) {
                let status = connection.send(&leaked)?;
                // Never 200: without its index a worker would let the token pass.
                ensure!(status == 403 || (*fallen && status == 503), "{status} for a patched token, fallen: {fallen}");
            }
            Ok((connections[0].send(&message(&[]))? == 200).then_some(()))
        })?;
        println!("round {round}: back after {:?}", started.elapsed());
        for connection in &mut connections {
            assert_eq!(connection.send(&leaked)?, 403);
            assert_eq!(connection.send(&message(&[]))?, 200, "and judges as before");
        }
    }
    let log = world.envoy.log();
    assert!(log.contains("a request asked for a trap") && log.contains("restored epoch"), "{log}");
    Ok(())
}

#[test]
fn a_vm_that_fell_follows_new_decisions_again() -> Result<()> {
    let world = World::with(Setting { trapping: true, ..Setting::default() })?;
    let (first, second) = (tokens::own(1), tokens::own(2));
    world.patched_leak(&[&first])?;
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(world.envoy.listener())).collect::<Result<_>>()?;
    assert_eq!(connections[0].send(&message(&[("x-provoke-trap", "1")]))?, 503);
    eventually("the worker is back", RELOAD, || {
        Ok(statuses(&mut connections)?.iter().all(|status| *status == 200).then_some(()))
    })?;
    world.patched_leak(&[&second])?;
    for connection in &mut connections {
        for token in [&first, &second] {
            assert_eq!(connection.send(&message(&[("x-api-key", token)]))?, 403);
        }
    }
    Ok(())
}

/// Any VM may hold the stream. Each worker falls in turn, so that the one that holds it is among them, unless it is the main thread's; then
/// all are replaced by those of a new configuration.
#[test]
fn whoever_holds_the_stream_and_goes_the_next_decision_is_in_force_within_three_seconds() -> Result<()> {
    let world = World::with(Setting { trapping: true, ..Setting::default() })?;
    let (always, toggled) = (tokens::own(1), tokens::own(2));
    world.patched_leak(&[&always])?;
    let leak = world.observed_leak(&[&toggled])?;
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(world.envoy.listener())).collect::<Result<_>>()?;
    let (always, toggled) = (message(&[("x-api-key", &always)]), message(&[("x-api-key", &toggled)]));
    let mut patched = false;
    let mut decide = |world: &World, connections: &mut [Connection], what: &str| -> Result<()> {
        let started = Instant::now();
        let (action, expected) = if patched { ("remove_virtual_patch", 200) } else { ("apply_virtual_patch", 403) };
        patched = !patched;
        world.control_plane.decide(leak, action)?;
        eventually(&format!("a decision is in force, {what}"), LEADER, || {
            for connection in connections.iter_mut() {
                // 503 while its worker has no VM.
                let status = connection.send(&always)?;
                ensure!(matches!(status, 403 | 503), "{status} for a patched token, {what}");
            }
            let statuses: Vec<_> = connections.iter_mut().map(|connection| connection.send(&toggled)).collect::<Result<_>>()?;
            Ok(statuses.iter().all(|status| *status == expected).then_some(()))
        })?;
        println!("{what}: in force after {:?}", started.elapsed());
        Ok(())
    };

    for round in 0..4 {
        let fallen = connections[0].send(&message(&[("x-provoke-trap", "1")]))?;
        assert_eq!(fallen, 503);
        decide(&world, &mut connections, &format!("a worker's VM fell, round {round}"))?;
        // The next one of the other worker: the connections that did not fall.
        let last = connections.len() - 1;
        connections.swap(0, last - round);
    }
    for round in 0..3 {
        world.envoy.reconfigure(&json!({"exempt_paths": [format!("/healthz-{round}")]}))?;
        let mut new: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(world.envoy.listener())).collect::<Result<_>>()?;
        decide(&world, &mut new, &format!("a new configuration, round {round}"))?;
    }
    Ok(())
}

#[test]
fn nobody_can_make_the_shipped_module_fall_that_way() -> Result<()> {
    let world = World::start()?;
    for _ in 0..10 {
        assert_eq!(world.get("/").header("x-provoke-trap", "1").status()?, 200);
    }
    assert!(!world.envoy.log().contains("Wasm VM failed"), "{}", world.envoy.log());
    let module = std::fs::read(stopleak_tests::Tools::find()?.filter)?;
    assert!(memchr::memmem::find(&module, b"x-provoke-trap").is_none(), "the module that is shipped does not know the header");
    Ok(())
}
