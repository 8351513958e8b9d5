//! What must hold when something breaks: each row of the failure matrix in ARCHITECTURE.md.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use stopleak_tests::{Damage, Setting, World, eventually, tokens};

fn on_postgres() -> Result<World> {
    World::with(Setting { on_postgres: true, ..Setting::default() })
}

#[test]
fn a_killed_control_plane_does_not_open_the_gateway_and_loses_nothing() -> Result<()> {
    nothing_is_lost(World::start()?)
}

#[test]
fn a_killed_control_plane_on_a_server_does_not_open_the_gateway_and_loses_nothing() -> Result<()> {
    nothing_is_lost(on_postgres()?)
}

fn nothing_is_lost(mut world: World) -> Result<()> {
    let token = tokens::own(1);
    let leak = world.patched_leak(&[&token])?;
    let request = world.get("/orders").bearer(&token);
    assert_eq!(request.status()?, 403);
    world.wait_for_attempts(1)?;

    world.control_plane.kill();
    for _ in 0..20 {
        assert_eq!(request.status()?, 403);
    }
    // One use that is not coalesced with those before it.
    assert_eq!(world.get("/while-down").bearer(&token).status()?, 403);

    world.restart_control_plane()?;
    let record = world.control_plane.get(&format!("/api/v1/leaks/{leak}"))?;
    assert_eq!(record["status"], "open", "{record}");
    assert!(record["virtual_patch"].is_object(), "{record}");
    eventually("each use is on record once", Duration::from_secs(10), || {
        let attempts = world.control_plane.attempts()?;
        let uses: u64 = attempts.iter().filter_map(|attempt| attempt["count"].as_u64()).sum();
        let while_down = attempts.iter().any(|attempt| attempt["path"] == "/while-down");
        assert!(uses <= 22, "{attempts:?}");
        Ok((uses == 22 && while_down).then_some(()))
    })?;

    // The link is whole again.
    world.decide(leak, "close")?;
    assert_eq!(request.status()?, 200);
    Ok(())
}

#[test]
fn a_database_that_is_gone_does_not_open_the_gateway_and_loses_nothing() -> Result<()> {
    let mut world = on_postgres()?;
    let token = tokens::own(1);
    let leak = world.patched_leak(&[&token])?;
    let request = world.get("/orders").bearer(&token);
    world.postgres.as_mut().context("a server")?.stop();
    for _ in 0..20 {
        assert_eq!(request.status()?, 403);
    }
    let (status, problem) = world.control_plane.call("GET", "/api/v1/leaks", None)?;
    assert_eq!((status, problem["type"].as_str()), (503, Some("urn:stopleak:problem:database-unavailable")), "{problem}");
    world.postgres.as_mut().context("a server")?.start_again()?;
    eventually("each use is on record once", Duration::from_secs(20), || {
        let attempts = world.control_plane.attempts()?;
        let uses: u64 = attempts.iter().filter_map(|attempt| attempt["count"].as_u64()).sum();
        Ok((uses == 20).then_some(()))
    })?;
    world.decide(leak, "close")?;
    assert_eq!(request.status()?, 200);
    Ok(())
}

#[test]
fn a_decision_that_was_answered_survives_a_kill() -> Result<()> {
    a_decision_survives(World::start()?)
}

#[test]
fn a_decision_that_was_answered_survives_a_kill_on_a_server() -> Result<()> {
    a_decision_survives(on_postgres()?)
}

fn a_decision_survives(mut world: World) -> Result<()> {
    let token = tokens::own(1);
    let leak = world.control_plane.add_leak("a leak", &[&token])?;
    let decision = world.control_plane.decide(leak, "apply_virtual_patch")?;
    world.control_plane.kill();
    world.restart_control_plane()?;
    world.wait_for_epoch(decision["epoch"].as_u64().context("no epoch")?)?;
    assert_eq!(world.get("/").bearer(&token).status()?, 403);
    Ok(())
}

#[test]
fn a_restarted_envoy_gets_the_index_again() -> Result<()> {
    let mut world = World::start()?;
    let token = tokens::own(1);
    let leak = world.control_plane.add_leak("a leak", &[&token])?;
    let decision = world.control_plane.decide(leak, "apply_virtual_patch")?;
    world.restart_envoy()?;
    world.wait_for_epoch(decision["epoch"].as_u64().context("no epoch")?)?;
    assert_eq!(world.get("/").bearer(&token).status()?, 403);
    Ok(())
}

#[test]
fn a_new_configuration_starts_with_the_index_in_shared_data() -> Result<()> {
    let mut world = World::start()?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    world.control_plane.kill();

    // New root contexts, and nobody there to send them an index.
    world.envoy.reconfigure(&json!({"on_not_ready": "deny", "exempt_paths": ["/healthz"]}))?;
    for _ in 0..20 {
        assert_eq!(world.get("/").bearer(&token).status()?, 403);
        assert_eq!(world.get("/").status()?, 200, "not 503: the index is there");
    }
    assert_eq!(world.get("/healthz").bearer(&token).status()?, 200, "the new configuration is in force");
    assert!(world.envoy.log().contains("restored epoch"), "the log says so");
    Ok(())
}

#[test]
fn without_an_index_the_operator_has_chosen() -> Result<()> {
    for (choice, expected) in [("allow", 200), ("deny", 503)] {
        let plugin = json!({"on_not_ready": choice});
        let world =
            World::with(Setting { plugin, credential: Some("slg_unknown".into()), without_index: true, ..Setting::default() })?;
        let reply = world.get("/").send()?;
        assert_eq!(reply.status, expected, "{choice}");
        assert_eq!(reply.body.contains("urn:stopleak:problem:not-ready"), expected == 503);
        eventually("the metric is written", Duration::from_secs(5), || {
            Ok((world.envoy.stat("wasmcustom.stopleak.requests_not_ready")? == 1).then_some(()))
        })?;
    }
    Ok(())
}

#[test]
fn a_wrong_credential_is_refused_with_a_reason() -> Result<()> {
    let wrong = Setting { credential: Some("slg_wrong".into()), without_index: true, ..Setting::default() };
    let world = World::with(wrong)?;
    eventually("Envoy's log says why", Duration::from_secs(10), || {
        let log = world.envoy.log();
        Ok(log.lines().any(|line| line.contains("gRPC status 16") && line.contains("credential")).then_some(()))
    })?;
    assert!(!world.envoy.log().contains("slg_wrong"), "the credential itself is not logged");
    assert_eq!(world.get("/").status()?, 200, "traffic goes on");
    Ok(())
}

#[test]
fn a_revoked_gateway_is_disconnected_and_keeps_its_last_index() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    let leak = world.patched_leak(&[&token])?;
    let gateway = world.control_plane.gateway("test-gateway")?;
    let (status, body) =
        world.control_plane.call("DELETE", &format!("/api/v1/gateways/{}", gateway["id"].to_string().trim_matches('"')), None)?;
    assert_eq!(status, 204, "{body}");
    eventually("it is told why", Duration::from_secs(2), || {
        Ok(world.envoy.log().lines().any(|line| line.contains("gRPC status 7") && line.contains("revoked")).then_some(()))
    })?;
    world.control_plane.decide(leak, "close")?;
    assert_eq!(world.get("/").bearer(&token).status()?, 403, "decisions no longer reach it");
    Ok(())
}

#[test]
fn a_damaged_push_is_refused_and_the_last_good_index_stays() -> Result<()> {
    let world = World::start()?;
    let first = tokens::own(1);
    world.patched_leak(&[&first])?;
    let mut refused = 0;
    for (seed, damage, reason) in [
        (2, Damage::Shards, "shard hash"),
        (3, Damage::Signatures, "signature"),
        (4, Damage::Kinds, "signature"),
        (5, Damage::Epochs, "signature"),
    ] {
        let token = tokens::own(seed);
        world.network.damage(Some(damage));
        let leak = world.control_plane.add_leak("while pushes are damaged", &[&token])?;
        world.control_plane.decide(leak, "apply_virtual_patch")?;
        eventually(&format!("the control plane knows of {damage:?}"), Duration::from_secs(5), || {
            let gateway = world.control_plane.gateway("test-gateway")?;
            Ok(gateway["last_nack"]["reason"].as_str().is_some_and(|told| told.contains(reason)).then_some(()))
        })?;
        assert_eq!(world.get("/").bearer(&first).status()?, 403, "what was in force stays in force");
        assert_eq!(world.get("/").bearer(&token).status()?, 200, "{damage:?}");
        eventually("refusals are counted", Duration::from_secs(5), || {
            let now = world.envoy.stat("wasmcustom.stopleak.pushes_refused")?;
            Ok((now > refused).then(|| refused = now))
        })?;

        world.network.damage(None);
        world.decide(leak, "close")?;
        world.decide(leak, "reopen")?;
        world.decide(leak, "apply_virtual_patch")?;
        assert_eq!(world.get("/").bearer(&token).status()?, 403, "the next pushes are taken again");
    }
    Ok(())
}

#[test]
fn a_cut_network_heals_within_seconds() -> Result<()> {
    let world = World::start()?;
    let (first, second) = (tokens::own(1), tokens::own(2));
    world.patched_leak(&[&first])?;
    world.network.cut();
    let leak = world.control_plane.add_leak("decided meanwhile", &[&second])?;
    let decision = world.control_plane.decide(leak, "apply_virtual_patch")?;
    assert_eq!(world.get("/").bearer(&first).status()?, 403);
    world.network.mend();
    world.wait_for_epoch(decision["epoch"].as_u64().context("no epoch")?)?;
    assert_eq!(world.get("/").bearer(&second).status()?, 403);
    Ok(())
}
