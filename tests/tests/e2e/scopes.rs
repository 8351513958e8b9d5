//! Where and whom a virtual patch blocks, what the blocked are answered, and the pause, at a real gateway.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stopleak_tests::{Setting, World, eventually, tokens};

/// Patches the leak within a scope and waits until every worker knows.
fn patch(world: &World, leak: u64, scope: &Value) -> Result<()> {
    let decision = json!({"action": "apply_virtual_patch", "confirm": true, "scope": scope});
    in_force(world, &world.control_plane.post(&format!("/api/v1/leaks/{leak}/decisions"), &decision)?)
}

fn in_force(world: &World, answer: &Value) -> Result<()> {
    world.wait_for_epoch(answer["epoch"].as_u64().with_context(|| format!("no epoch in {answer}"))?).map(drop)
}

/// The outcomes that are on record, by host and path.
fn outcomes(world: &World, count: usize) -> Result<Vec<(String, String)>> {
    let attempts = world.wait_for_attempts(count)?;
    let text = |attempt: &Value, member: &str| attempt[member].as_str().unwrap_or_default().to_owned();
    let outcome = |attempt: &Value| (text(attempt, "host") + &text(attempt, "path"), text(attempt, "outcome"));
    let mut outcomes: Vec<_> = attempts.iter().map(outcome).collect();
    outcomes.sort();
    Ok(outcomes)
}

#[test]
fn a_scoped_patch_blocks_where_it_applies_and_observes_elsewhere() -> Result<()> {
    let world = World::start()?;
    let (token, other) = (tokens::own(1), tokens::own(2));
    let leak = world.observed_leak(&[&token])?;
    world.patched_leak(&[&other])?;
    patch(&world, leak, &json!({"hosts": ["api.test", "*.inner.test"], "path_prefixes": ["/v2"]}))?;

    let to = |host: &str, path: &str| world.get(path).header("host", host).bearer(&token).status();
    assert_eq!(to("api.test", "/v2/orders")?, 403);
    assert_eq!(to("api.test", "/v1/orders")?, 200);
    assert_eq!(to("elsewhere.test", "/v2/orders")?, 200);
    let expected =
        [("api.test/v1/orders", "observed"), ("api.test/v2/orders", "blocked"), ("elsewhere.test/v2/orders", "observed")];
    assert_eq!(outcomes(&world, 3)?, expected.map(|(place, outcome)| (place.to_owned(), outcome.to_owned())));

    for (host, path) in [
        ("API.Test:8443", "/v2"),
        ("a.b.inner.test", "/v2/x"),
        ("api.test", "//v2/x"),
        ("api.test", "/%762/x"),
        ("api.test", "/V2;a=b/x"),
        ("api.test", "/v1/..%2fv2/x"),
        ("api.test", "/v1/%252e%252e/v2/x"),
        ("192.0.2.7", "/v2/x"),
    ] {
        assert_eq!(to(host, path)?, 403, "{host} {path}");
    }
    // The absolute form names the host, whatever the header says.
    let absolute = |url: &str, host: &str| world.get(url).header("host", host).bearer(&token).status();
    assert_eq!(absolute("http://api.test/v2/x", "elsewhere.test")?, 403);
    assert_eq!(absolute("HTTP://API.test.:80/x/..//%76%32/x", "elsewhere.test")?, 403);
    assert_eq!(absolute("http://elsewhere.test/v2/x", "api.test")?, 200);
    assert_eq!(world.get("/v2/x").bearer(&token).over_http2().status()?, 403);
    assert_eq!(world.get("/v1/x").bearer(&token).over_http2().status()?, 200);
    assert_eq!(world.get("/v1/x").header("host", "elsewhere.test").bearer(&other).status()?, 403, "another leak's patch");

    // A restart of the gateway's configuration brings the scope from shared data.
    world.envoy.reconfigure(&json!({"on_not_ready": "deny"}))?;
    assert_eq!((to("api.test", "/v2/y")?, to("api.test", "/v1/y")?), (403, 200));
    // The VMs of the configuration before are still there for a while.
    let everywhere = json!({"action": "apply_virtual_patch", "scope": {}, "confirm": true});
    world.control_plane.post(&format!("/api/v1/leaks/{leak}/decisions"), &everywhere)?;
    eventually("the patch applies everywhere", Duration::from_secs(10), || {
        Ok((to("elsewhere.test", "/v1/orders")? == 403).then_some(()))
    })
}

/// The router has rewritten the path by the time that the body comes.
#[test]
fn a_body_is_judged_by_where_its_request_went() -> Result<()> {
    let world = World::with(Setting { plugin: json!({"body": {"hold_headers": false}}), ..Setting::default() })?;
    let token = tokens::own(3);
    let leak = world.observed_leak(&[&token])?;
    patch(&world, leak, &json!({"path_prefixes": ["/v2"]}))?;
    let body = format!("{{\"key\": \"{token}\"}}");
    let post = |path: &str| world.get(path).method("POST").header("content-type", "application/json").body(&body).status();
    assert_eq!((post("/v2/keys")?, post("/v1/keys")?), (403, 200));
    Ok(())
}

#[test]
fn an_exempt_client_is_observed() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(4);
    let leak = world.observed_leak(&[&token])?;
    patch(&world, leak, &json!({"exempt_networks": ["10.0.0.0/8"]}))?;
    assert_eq!(
        world.get("/a").bearer(&token).header("x-forwarded-for", "10.1.2.3").status()?,
        403,
        "what a client says of itself"
    );
    patch(&world, leak, &json!({"exempt_networks": ["10.0.0.0/8", "127.0.0.0/8"]}))?;
    assert_eq!(world.get("/b").bearer(&token).status()?, 200);
    let expected = [("api.test/a", "blocked"), ("api.test/b", "observed")];
    assert_eq!(outcomes(&world, 2)?, expected.map(|(place, outcome)| (place.to_owned(), outcome.to_owned())));
    Ok(())
}

/// Behind a load balancer, Envoy is told how many proxies it may believe.
#[test]
fn an_exempt_client_before_a_trusted_proxy_is_observed_and_nobody_can_claim_to_be_it() -> Result<()> {
    let connection_manager = json!({"use_remote_address": true, "xff_num_trusted_hops": 1});
    let world = World::with(Setting { connection_manager, ..Setting::default() })?;
    let token = tokens::own(8);
    let leak = world.observed_leak(&[&token])?;
    patch(&world, leak, &json!({"exempt_networks": ["10.0.0.0/8", "2001:db8::/32"]}))?;
    let from = |forwarded: &str| world.get("/").bearer(&token).header("x-forwarded-for", forwarded).status();
    assert_eq!((from("10.1.2.3")?, from("192.0.2.9, 10.1.2.3")?, from("2001:db8::7")?), (200, 200, 200));
    assert_eq!((from("192.0.2.9")?, from("10.1.2.3, 192.0.2.9")?, from("10.1.2.3, nobody")?), (403, 403, 403));
    assert_eq!(world.get("/").bearer(&token).status()?, 403, "the proxy itself");
    Ok(())
}

#[test]
fn a_blocked_request_is_answered_as_the_tenant_has_chosen() -> Result<()> {
    let world = World::with(Setting { plugin: json!({"body": {}}), ..Setting::default() })?;
    let token = tokens::own(5);
    world.patched_leak(&[&token])?;
    let usual = world.get("/").bearer(&token).send()?;
    assert!(usual.status == 403 && usual.body.contains("leaked-credential"), "{}", usual.body);

    let wanted = json!({
        "status": 451, "content_type": "text/html", "body": "<p>ask us</p>", "headers": [{"name": "X-Help", "value": "https://help.test/"}],
    });
    let (status, chosen) = world.control_plane.call("PUT", "/api/v1/settings/response", Some(&wanted))?;
    assert_eq!(status, 200, "{chosen}");
    in_force(&world, &chosen)?;
    let in_body = world.get("/").method("POST").body(format!("key={token}"));
    for reply in [world.get("/").bearer(&token).send()?, world.get("/").bearer(&token).over_http2().send()?, in_body.send()?] {
        assert_eq!((reply.status, reply.body.as_str()), (451, "<p>ask us</p>"));
        let head = reply.head.to_lowercase();
        assert!(head.contains("text/html") && head.contains("https://help.test/") && head.contains("no-store"), "{head}");
    }
    let (_, reset) = world.control_plane.call("DELETE", "/api/v1/settings/response", None)?;
    in_force(&world, &reset)?;
    assert_eq!(world.get("/").bearer(&token).status()?, 403);
    Ok(())
}

/// Pauses for so long and waits until every worker knows.
fn pause(world: &World, length: Duration) -> Result<()> {
    let length = format!("{}s", length.as_secs());
    let output = world.control_plane.cli(&["pause", "begin", "--for", &length, "--reason", "checkout is down", "--json"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    in_force(world, &serde_json::from_slice(&output.stdout)?)
}

#[test]
fn a_pause_observes_at_once_and_ends_by_itself_without_a_control_plane() -> Result<()> {
    /// Longer than it takes to reach every worker and to end the control plane.
    const LENGTH: Duration = Duration::from_secs(6);
    let mut world = World::start()?;
    let token = tokens::own(6);
    world.patched_leak(&[&token])?;
    let request = world.get("/").bearer(&token);
    assert_eq!(request.status()?, 403);

    let begun = Instant::now();
    pause(&world, LENGTH)?;
    assert_eq!(request.status()?, 200);
    world.control_plane.kill();
    assert_eq!(request.status()?, 200, "the pause needs nobody");
    let ended = eventually("the pause ends by itself", Duration::from_secs(20), || {
        Ok((request.status()? == 403).then(|| begun.elapsed()))
    })?;
    assert!(ended >= LENGTH, "after {ended:?}");

    world.restart_control_plane()?;
    pause(&world, Duration::from_hours(1))?;
    assert_eq!(request.status()?, 200);
    let (_, ended) = world.control_plane.call("DELETE", "/api/v1/pause", None)?;
    in_force(&world, &ended)?;
    assert_eq!(request.status()?, 403);
    Ok(())
}

#[test]
fn settings_that_were_tampered_with_are_refused_and_the_last_good_index_stays() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(7);
    let leak = world.patched_leak(&[&token])?;
    world.network.tamper(Some((b"only-here.test", b"not-there.test")));
    let decision = json!({"action": "apply_virtual_patch", "scope": {"hosts": ["only-here.test"]}});
    let answer = world.control_plane.post(&format!("/api/v1/leaks/{leak}/decisions"), &decision)?;
    eventually("the control plane knows", Duration::from_secs(5), || {
        let gateway = world.control_plane.gateway("test-gateway")?;
        Ok(gateway["last_nack"]["reason"].as_str().is_some_and(|reason| reason.contains("signature")).then_some(()))
    })?;
    for host in ["elsewhere.test", "only-here.test", "not-there.test"] {
        assert_eq!(world.get("/").header("host", host).bearer(&token).status()?, 403, "{host}: what was in force stays in force");
    }
    world.network.tamper(None);
    world.network.cut();
    world.network.mend();
    in_force(&world, &answer)?;
    assert_eq!(world.get("/").header("host", "elsewhere.test").bearer(&token).status()?, 200);
    Ok(())
}
