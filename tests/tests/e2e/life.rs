//! What a real gateway's attempts say: whether tokens work, that a closed leak is not over, and who the client was.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stopleak_tests::{Setting, World, eventually, tokens};

const SOON: Duration = Duration::from_secs(10);

fn leak(world: &World, number: u64) -> Result<Value> {
    world.control_plane.get(&format!("/api/v1/leaks/{number}"))
}

fn wait_for_life(world: &World, number: u64, lives: &[&str]) -> Result<Value> {
    eventually(&format!("leak {number} is {lives:?}"), SOON, || {
        let leak = leak(world, number)?;
        let tokens = leak["tokens"].as_array().context("no tokens")?;
        let mut seen: Vec<_> = tokens.iter().map(|token| token["life"].as_str().unwrap_or_default()).collect();
        seen.sort_unstable();
        Ok((seen == lives).then_some(leak.clone()))
    })
}

#[test]
fn tokens_are_alive_or_dead_as_the_upstream_answers_and_never_dead_because_they_are_blocked() -> Result<()> {
    let world = World::start()?;
    let (works, revoked, unknown, blocked) = (tokens::own(1), tokens::own(2), tokens::own(3), tokens::own(4));
    let observed = world.observed_leak(&[&works, &revoked, &unknown])?;
    let patched = world.patched_leak(&[&blocked])?;
    let ask = |token: &str, status: u16| world.get(&format!("/status/{status}")).bearer(token).status();
    assert_eq!((ask(&works, 200)?, ask(&revoked, 401)?, ask(&blocked, 200)?), (200, 401, 403));
    for status in [301, 404, 503] {
        assert_eq!(ask(&unknown, status)?, status);
    }
    world.wait_for_attempts(6)?;
    let shown = wait_for_life(&world, observed, &["alive", "dead", "unseen"])?;
    assert_eq!(shown["life"], "alive");
    let unseen = shown["tokens"].as_array().and_then(|tokens| tokens.iter().find(|token| token["life"] == "unseen"));
    let unseen = unseen.context("no unseen token")?;
    assert!(unseen["used_at"].is_string() && unseen["life_since"].is_null(), "{unseen}");
    let shown = wait_for_life(&world, patched, &["unseen"])?;
    assert!(shown["tokens"][0]["used_at"].is_string(), "{shown}");
    let alive = world.control_plane.get("/api/v1/leaks?life=alive")?;
    assert_eq!(alive["leaks"].as_array().map(Vec::len), Some(1), "{alive}");
    Ok(())
}

#[test]
fn a_policy_patches_what_turns_out_to_work() -> Result<()> {
    let world = World::start()?;
    let policy = json!({"name": "still works", "action": "apply_virtual_patch", "life": "alive"});
    world.control_plane.post("/api/v1/policies", &policy)?;
    world.control_plane.call("PATCH", "/api/v1/policies/1", Some(&json!({"enabled": true})))?;
    let (works, revoked) = (tokens::own(1), tokens::own(2));
    let works_leak = world.observed_leak(&[&works])?;
    world.observed_leak(&[&revoked])?;
    assert_eq!(world.get("/status/401").bearer(&revoked).status()?, 401);
    assert_eq!(world.get("/").bearer(&works).status()?, 200);
    eventually("what works is blocked", SOON, || Ok((world.get("/").bearer(&works).status()? == 403).then_some(())))?;
    assert_eq!(world.get("/status/401").bearer(&revoked).status()?, 401);
    assert_eq!(leak(&world, works_leak)?["decisions"][0]["author"], "policy still works");
    Ok(())
}

#[test]
fn a_closed_leak_is_opened_by_use_and_not_by_a_token_that_is_refused() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    let number = world.patched_leak(&[&token])?;
    world.decide(number, "close")?;
    assert_eq!(world.get("/status/401").bearer(&token).status()?, 401);
    world.wait_for_attempts(1)?;
    assert_eq!(leak(&world, number)?["status"], "closed");
    assert_eq!(world.get("/orders").bearer(&token).status()?, 200);
    let reopened = eventually("the leak is open again", SOON, || {
        let leak = leak(&world, number)?;
        Ok((leak["status"] == "open").then_some(leak))
    })?;
    let decision = reopened["decisions"].as_array().and_then(|decisions| decisions.last()).context("no decision")?;
    assert_eq!(decision["author"], "use");
    world.decide(number, "apply_virtual_patch")?;
    assert_eq!(world.get("/orders").bearer(&token).status()?, 403);
    Ok(())
}

/// The client and path of each attempt.
fn recorded(world: &World, count: usize) -> Result<Vec<(String, String)>> {
    let attempts = world.wait_for_attempts(count)?;
    let text = |attempt: &Value, member: &str| attempt[member].as_str().unwrap_or_default().to_owned();
    let mut recorded: Vec<_> = attempts.iter().map(|attempt| (text(attempt, "client"), text(attempt, "path"))).collect();
    recorded.sort();
    Ok(recorded)
}

#[test]
fn the_client_is_who_made_the_connection_whatever_it_says() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.observed_leak(&[&token])?;
    world.get("/a").bearer(&token).header("x-forwarded-for", "192.0.2.9").status()?;
    assert_eq!(recorded(&world, 1)?, [("127.0.0.1".to_owned(), "/a".to_owned())]);
    Ok(())
}

#[test]
fn behind_trusted_hops_the_client_is_whom_they_name() -> Result<()> {
    let connection_manager = json!({"use_remote_address": true, "xff_num_trusted_hops": 2});
    let world = World::with(Setting { connection_manager, ..Setting::default() })?;
    let (token, blocked) = (tokens::own(1), tokens::own(2));
    world.observed_leak(&[&token])?;
    world.patched_leak(&[&blocked])?;
    let from =
        |path: &str, token: &str, forwarded: &str| world.get(path).bearer(token).header("x-forwarded-for", forwarded).status();
    from("/a", &token, "192.0.2.9, 10.0.0.1")?;
    // Who claims to be somebody else stands before the hops that are trusted.
    from("/b", &token, "203.0.113.1, 192.0.2.9, 10.0.0.1")?;
    from("/c", &token, "2001:db8::7, 10.0.0.1")?;
    from("/d", &blocked, "192.0.2.10, 10.0.0.1")?;
    let expected = [("192.0.2.10", "/d"), ("192.0.2.9", "/a"), ("192.0.2.9", "/b"), ("2001:db8::7", "/c")];
    assert_eq!(recorded(&world, 4)?, expected.map(|(client, path)| (client.to_owned(), path.to_owned())));
    Ok(())
}

#[test]
fn a_path_is_kept_without_its_query_and_without_what_looks_like_a_token() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.observed_leak(&[&token])?;
    let other = tokens::own(2);
    world.get(&format!("/v1/{other}/{token}/orders?session=abc&key={other}")).bearer(&token).status()?;
    assert_eq!(recorded(&world, 1)?, [("127.0.0.1".to_owned(), "/v1/[redacted]/[redacted]/orders".to_owned())]);
    Ok(())
}
