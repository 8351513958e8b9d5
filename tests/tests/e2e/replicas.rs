//! Two servers on one database, and a gateway that knows both.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;
use stopleak_tests::{ControlPlane, Request, Setting, World, eventually, tokens};

/// Whether the gateway is connected to this server and to no other, as a server sees it.
fn is_at(asked: &ControlPlane, server: &ControlPlane) -> Result<bool> {
    let gateway = asked.gateway("test-gateway")?;
    let servers = gateway["servers"].as_array().context("no servers")?;
    Ok(servers.len() == 1 && servers[0]["server"].as_str().is_some_and(|name| server.is_called(name)))
}

/// Takes a decision and waits until it is in force everywhere; the decision then.
fn decide(server: &ControlPlane, leak: u64, action: &str) -> Result<Value> {
    server.decide(leak, action)?;
    eventually("it is in force everywhere", Duration::from_secs(20), || {
        let leak = server.get(&format!("/api/v1/leaks/{leak}"))?;
        let decision = leak["decisions"].as_array().and_then(|decisions| decisions.last()).context("no decision")?;
        Ok((decision["enforcement"] == "everywhere").then(|| decision.clone()))
    })
}

#[test]
fn a_killed_server_leaves_its_gateways_to_the_other() -> Result<()> {
    let mut world = World::with(Setting { on_postgres: true, other_servers: 1, ..Setting::default() })?;
    let second = world.others.pop().context("a second server")?;
    eventually("both servers show where the gateway is", Duration::from_secs(10), || {
        let at_first = is_at(&world.control_plane, &world.control_plane)? && is_at(&second, &world.control_plane)?;
        let at_second = is_at(&world.control_plane, &second)? && is_at(&second, &second)?;
        Ok((at_first || at_second).then_some(()))
    })?;
    let (mut holder, other) =
        if is_at(&second, &second)? { (second, world.control_plane) } else { (world.control_plane, second) };

    // The server that was asked has no stream, and tells the one that has.
    let token = tokens::own(1);
    let leak = other.add_leak("a leak", &[&token])?;
    let decision = decide(&other, leak, "apply_virtual_patch")?;
    assert_eq!((&decision["enforced_gateways"], &decision["pending_gateways"]), (&1.into(), &0.into()), "{decision}");
    let request = Request::get(world.envoy.listener(), "/orders").bearer(&token);
    assert_eq!(request.status()?, 403, "in force when the answer says so");

    holder.kill();
    let killed = Instant::now();
    eventually("the gateway is at the other", Duration::from_secs(20), || {
        assert_eq!(request.status()?, 403, "enforcement never stops");
        let gateway = other.gateway("test-gateway")?;
        let servers = gateway["servers"].as_array().context("no servers")?;
        Ok(servers.iter().any(|server| server["server"].as_str().is_some_and(|name| other.is_called(name))).then_some(()))
    })?;
    println!("the gateway was at the other server {:?} after the kill", killed.elapsed());
    let moved = killed.elapsed();
    assert!(moved < Duration::from_secs(5), "{moved:?}");

    let second_token = tokens::own(2);
    let leak = other.add_leak("another leak", &[&second_token])?;
    let decided = Instant::now();
    other.decide(leak, "apply_virtual_patch")?;
    let another = Request::get(world.envoy.listener(), "/orders").bearer(&second_token);
    eventually("decisions on the other are enforced", Duration::from_secs(10), || Ok((another.status()? == 403).then_some(())))?;
    println!("a decision on the other was enforced after {:?}", decided.elapsed());

    // The dead one is not waited for, once it is known to be dead.
    let decision = decide(&other, leak, "close")?;
    assert_eq!(decision["enforced_gateways"], 1, "{decision}");
    assert!(is_at(&other, &other)?);
    assert_eq!(another.status()?, 200);
    Ok(())
}
