//! Keys are changed for new ones while requests come, and none of them gets through with a patched token.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stopleak_tests::{WORKERS, World, eventually, tokens};

fn keys(world: &World, arguments: &[&str]) -> Result<String> {
    let output = world.control_plane.cli(&[&["keys"], arguments].concat())?;
    let text = String::from_utf8([output.stdout, output.stderr].concat())?;
    ensure!(output.status.success(), "{text}");
    Ok(text)
}

#[test]
fn a_signing_key_is_changed_and_every_request_in_between_is_judged() -> Result<()> {
    let mut world = World::start()?;
    let token = tokens::own(61);
    let leak = world.patched_leak(&[&token])?;
    let old = world.control_plane.get("/api/v1/gateways")?["public_key"].as_str().context("a key")?.to_owned();
    let refused = |world: &World| world.get("/orders").bearer(&token).status().map(|status| assert_eq!(status, 403));

    let told = keys(&world, &["add", "signing"])?;
    let new = told.split_whitespace().last().context("a public key")?.to_owned();
    world.envoy.reconfigure(&json!({"public_key": [old, new]}))?;
    for _ in 0..20 {
        refused(&world)?;
    }
    // Those that pin the old key alone may hold the stream as long as they are there.
    world.envoy.wait_until_drained()?;
    eventually("their places are free", Duration::from_secs(20), || {
        let gateway = &world.control_plane.get("/api/v1/gateways")?["gateways"][0];
        Ok((gateway["workers"] == WORKERS + 1).then_some(()))
    })?;
    keys(&world, &["swap", "signing"])?;
    world.restart_control_plane()?;
    refused(&world)?;
    world.decide(leak, "close")?;
    assert_eq!(world.get("/orders").bearer(&token).status()?, 200, "a push that is sealed with the new key is believed");
    world.decide(leak, "reopen")?;
    world.decide(leak, "apply_virtual_patch")?;

    // The old key goes, at the gateway first. What was there is in force from the first request on.
    world.network.cut();
    world.envoy.reconfigure(&json!({"public_key": new}))?;
    for _ in 0..20 {
        refused(&world)?;
    }
    world.network.mend();
    world.wait_for_epoch(0)?;
    keys(&world, &["retire", "signing"])?;
    world.restart_control_plane()?;
    world.decide(leak, "close")?;
    assert_eq!(world.get("/orders").bearer(&token).status()?, 200);

    // With the old key again, nothing is believed any more, and what was there stays.
    assert_eq!(world.envoy.stat("wasmcustom.stopleak.pushes_refused")?, 0);
    world.envoy.reconfigure(&json!({"public_key": old}))?;
    eventually("what is sealed with the new key is refused", Duration::from_secs(20), || {
        Ok(world.envoy.log().contains("the signature does not belong to this header").then_some(()))
    })
}

#[test]
fn a_fingerprint_key_is_changed_and_tokens_under_both_are_blocked() -> Result<()> {
    let mut world = World::start()?;
    let (left, back, new) = (tokens::own(62), tokens::own(63), tokens::own(64));
    let patched = world.patched_leak(&[&left])?;
    let other = world.patched_leak(&[&back])?;
    let refused = |world: &World, token: &str| world.get("/orders").bearer(token).status().map(|status| status == 403);
    keys(&world, &["add", "fingerprint"])?;
    keys(&world, &["swap", "fingerprint"])?;
    world.restart_control_plane()?;
    assert!(refused(&world, &left)? && refused(&world, &back)?);

    // Under the new key, beside those under the old one.
    world.patched_leak(&[&new])?;
    assert!(refused(&world, &left)? && refused(&world, &back)? && refused(&world, &new)?);
    assert_eq!(world.get("/orders").bearer(&tokens::own(65)).status()?, 200);
    let attempts = world.wait_for_attempts(3)?;
    assert!(attempts.iter().all(|attempt| attempt["outcome"] == "blocked"), "{attempts:?}");
    assert!(!world.control_plane.log().contains("false match"));

    // One turns up again, and the other one's leak is closed and not observed: then the old key may go.
    let (status, problem) =
        world.control_plane.call("POST", "/api/v1/leaks", Some(&json!({"title": "again", "tokens": [back]})))?;
    assert_eq!((status, &problem["leak"]), (409, &json!(format!("LK-{other}"))), "{problem}");
    assert!(keys(&world, &["retire", "fingerprint"]).unwrap_err().to_string().contains("1 tokens that gateways watch"));
    // A closed leak is observed for a while, and its tokens have to be recognised as long.
    let never = json!({"observe_days": 0, "on_use": "alarm"});
    world.control_plane.call("PUT", "/api/v1/settings/closed-leaks", Some(&never))?;
    world.decide(patched, "close")?;
    assert!(refused(&world, &back)? && refused(&world, &new)? && !refused(&world, &left)?);
    keys(&world, &["retire", "fingerprint"])?;
    world.restart_control_plane()?;
    world.decide(other, "close")?;
    assert!(refused(&world, &new)? && !refused(&world, &back)?, "what was brought under the new key is found");
    let status: Value = serde_json::from_str(&keys(&world, &["status", "--json"])?)?;
    assert!(status["keys"][0]["retired_at"].is_string() && status["keys"][1]["place"] == "first", "{status}");
    Ok(())
}
