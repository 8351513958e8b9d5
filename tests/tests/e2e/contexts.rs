//! What the filter knows of a request ends with it, and is of the configuration that the request belongs to.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stopleak_tests::{Request, Setting, Tools, WORKERS, World, eventually, tokens};

#[test]
fn a_request_that_its_client_gives_up_is_on_record() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(21);
    world.observed_leak(&[&token])?;

    let mut connection = TcpStream::connect(world.envoy.listener())?;
    write!(
        connection,
        "POST /echo HTTP/1.1\r\nhost: api.test\r\nauthorization: Bearer {token}\r\ncontent-length: 9\r\n\r\nhalf"
    )?;
    eventually("the request has reached the upstream", Duration::from_secs(10), || {
        Ok((world.upstream.served() == 1).then_some(()))
    })?;
    drop(connection);

    let attempts = world.wait_for_attempts(1)?;
    let attempt = attempts.first().context("an attempt")?;
    assert_eq!((&attempt["outcome"], attempts.len()), (&json!("observed"), 1), "{attempt}");
    assert!(attempt["status"].as_u64().is_none_or(|status| status == 0), "there was no answer: {attempt}");
    Ok(())
}

/// Both run in the same VMs, since module and `vm_id` are the same, and have the same name.
#[test]
fn two_configurations_in_one_vm_judge_their_own_requests() -> Result<()> {
    let tools = Tools::find()?;
    let blocks = wasm(&tools, &json!({"cluster": "stopleak_feed", "exempt_paths": ["/open"]}));
    let observes = wasm(&tools, &json!({"cluster": "stopleak_feed", "enforce": false}));
    let router = json!({
        "name": "router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    });
    for filters in [json!([blocks, observes, router]), json!([observes, blocks, router])] {
        let connection_manager = json!({"http_filters": filters});
        let world = World::with(Setting { connection_manager, without_index: true, ..Setting::default() })?;
        let token = tokens::own(22);
        let leak = world.control_plane.add_leak("a leak", &[&token])?;
        world.control_plane.decide(leak, "apply_virtual_patch")?;

        eventually("one configuration blocks", Duration::from_secs(20), || {
            Ok((world.get("/").bearer(&token).status()? == 403).then_some(()))
        })?;
        // It blocks in every worker, and the other one lets it pass, and says so.
        for _ in 0..20 {
            assert_eq!(world.get("/open").bearer(&token).status()?, 200);
        }
        eventually("what the other one has observed is on record", Duration::from_secs(10), || {
            let attempts = world.control_plane.attempts()?;
            let is_seen = |attempt: &Value| attempt["path"] == "/open" && attempt["outcome"] == "observed";
            Ok(attempts.iter().any(is_seen).then_some(()))
        })?;
        let attempts = world.control_plane.attempts()?;
        assert!(!attempts.iter().any(|attempt| attempt["path"] == "/open" && attempt["outcome"] == "blocked"), "{attempts:?}");
    }
    Ok(())
}

/// Envoy tries each new configuration in a VM that lives for that alone, and then starts one for every thread.
#[test]
fn two_listeners_and_new_configurations_have_one_stream_between_them() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(23);
    world.patched_leak(&[&token])?;
    let another = world.envoy.listen_at_another("another")?;
    let opened = || world.envoy.stat("cluster.stopleak_feed.upstream_rq_total");
    let open = || world.envoy.stat("cluster.stopleak_feed.upstream_rq_active");
    let refused = |at| Request::get(at, "/orders").bearer(&token).status().map(|status| assert_eq!(status, 403, "{at}"));

    let before = opened()?;
    assert_eq!((before, open()?), (1, 1), "one stream, with all VMs of both listeners behind it");
    for update in 1..=3 {
        world.envoy.reconfigure(&json!({"exempt_paths": [format!("/health-{update}")]}))?;
        refused(world.envoy.listener())?;
        refused(another)?;
        // The VMs before end when they are drained; then another one has the stream.
        eventually("the VMs before are gone", Duration::from_secs(20), || {
            let gateway = &world.control_plane.get("/api/v1/gateways")?["gateways"][0];
            Ok((gateway["workers"] == WORKERS + 1 && open()? == 1).then_some(()))
        })?;
        let opened = opened()? - before;
        assert!(opened <= update, "{opened} streams were opened for {update} configurations");
    }
    let after = tokens::own(24);
    world.patched_leak(&[&after])?;
    for at in [world.envoy.listener(), another] {
        assert_eq!(Request::get(at, "/orders").bearer(&after).status()?, 403, "{at}");
    }
    Ok(())
}

/// The filter as `envoy/standalone/envoy.yaml` has it, with another configuration.
fn wasm(tools: &Tools, configuration: &Value) -> Value {
    json!({
        "name": "stopleak",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "stopleak",
                "root_id": "stopleak",
                "failure_policy": "FAIL_RELOAD",
                "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration.to_string()},
                "vm_config": {
                    "vm_id": "stopleak",
                    "runtime": "envoy.wasm.runtime.v8",
                    "environment_variables": {"host_env_keys": ["STOPLEAK_CREDENTIAL", "STOPLEAK_PUBLIC_KEY"]},
                    "code": {"local": {"filename": tools.filter}},
                },
            },
        },
    })
}
