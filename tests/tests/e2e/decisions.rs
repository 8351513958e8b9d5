//! What each decision means at the gateway.

use anyhow::Result;
use serde_json::json;
use stopleak_tests::{Upstream, World, tokens};

#[test]
fn closing_a_leak_lets_its_token_pass_again_and_reopening_does_not_bring_the_patch_back() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    let leak = world.patched_leak(&[&token])?;
    let request = world.get("/").header("x-api-key", &token);
    assert_eq!(request.status()?, 403);

    world.decide(leak, "close")?;
    world.decide(leak, "reopen")?;
    assert_eq!(request.status()?, 200);
    world.decide(leak, "close")?;
    // The first use opens the leak again, which is no patch either.
    assert_eq!(request.status()?, 200);
    stopleak_tests::eventually("the leak is open", std::time::Duration::from_secs(10), || {
        Ok((world.control_plane.get(&format!("/api/v1/leaks/{leak}"))?["status"] == "open").then_some(()))
    })?;
    assert_eq!(request.status()?, 200);
    world.decide(leak, "apply_virtual_patch")?;
    assert_eq!(request.status()?, 403);
    world.decide(leak, "mark_false")?;
    assert_eq!(request.status()?, 200);
    Ok(())
}

#[test]
fn an_open_leak_is_observed_with_the_status_of_the_upstream() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(2);
    let leak = world.observed_leak(&[&token])?;

    assert_eq!(world.get("/status/200").bearer(&token).status()?, 200);
    assert_eq!(world.get("/status/401").bearer(&token).status()?, 401, "the upstream's own answer");
    assert_eq!(world.upstream.served(), 2, "both requests reach the upstream");

    let attempts = world.wait_for_attempts(2)?;
    let mut statuses: Vec<_> = attempts.iter().map(|attempt| attempt["status"].as_u64()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [Some(200), Some(401)]);
    assert!(attempts.iter().all(|attempt| attempt["outcome"] == "observed" && attempt["leak"] == format!("LK-{leak}")));
    Ok(())
}

/// The filter asks Envoy for it, after the fact.
#[test]
fn an_observed_use_has_the_status_of_whoever_answered() -> Result<()> {
    let mut world = World::start()?;
    let token = tokens::own(5);
    world.observed_leak(&[&token])?;

    assert_eq!(world.get("/status/404").bearer(&token).over_http2().status()?, 404);
    // The one that answers is gone, and so Envoy does.
    world.upstream = Upstream::start()?;
    assert_eq!(world.get("/status/200").bearer(&token).status()?, 503);

    let attempts = world.wait_for_attempts(2)?;
    let mut statuses: Vec<_> = attempts.iter().map(|attempt| attempt["status"].as_u64()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [Some(404), Some(503)]);
    Ok(())
}

#[test]
fn every_token_of_a_manual_leak_is_blocked() -> Result<()> {
    let world = World::start()?;
    let set: Vec<_> = (10..15).map(tokens::own).collect();
    world.patched_leak(&set.iter().map(String::as_str).collect::<Vec<_>>())?;
    for token in &set {
        assert_eq!(world.get("/").bearer(token).status()?, 403);
    }
    assert_eq!(world.get("/").bearer(&tokens::own(99)).status()?, 200);
    Ok(())
}

#[test]
fn access_log_and_metrics_show_verdict_and_leak() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(3);
    let leak = world.patched_leak(&[&token])?;
    assert_eq!(world.get("/").bearer(&token).status()?, 403);
    assert_eq!(world.get("/").status()?, 200);

    stopleak_tests::eventually("the metrics are written", std::time::Duration::from_secs(5), || {
        let blocked = world.envoy.stat("wasmcustom.stopleak.requests_blocked")?;
        let judged = world.envoy.stat("wasmcustom.stopleak.requests")?;
        Ok((blocked == 1 && judged == 2).then_some(()))
    })?;
    assert_eq!(world.envoy.stat("wasmcustom.stopleak.index_tokens")?, 1);
    assert_eq!(world.envoy.stat("wasmcustom.stopleak.feed_connected")?, 1);
    stopleak_tests::eventually("the access log is written", std::time::Duration::from_secs(15), || {
        let log = world.envoy.log();
        let line = log.lines().find(|line| line.contains("\"verdict\":\"block\""));
        Ok(line.filter(|line| line.contains(&format!("\"leak\":\"LK-{leak}\""))).map(str::to_owned))
    })?;
    Ok(())
}

#[test]
fn a_dry_run_of_the_fleet_only_observes() -> Result<()> {
    let world = World::with(stopleak_tests::Setting { plugin: json!({"enforce": false}), ..Default::default() })?;
    let token = tokens::own(4);
    world.patched_leak(&[&token])?;
    assert_eq!(world.get("/").bearer(&token).status()?, 200);
    assert_eq!(world.wait_for_attempts(1)?[0]["outcome"], "observed");
    Ok(())
}
