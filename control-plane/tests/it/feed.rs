//! The feed, with a gateway that behaves as the filter does, and some that do not.

use std::time::{Duration, Instant};

use serde_json::json;
use stopleak::tenants::TenantId;
use stopleak_contract::CONTRACT_VERSION;
use stopleak_contract::feed::wire::{self, to_control_plane::Message, to_gateway};
use tonic::Code;

use crate::client::{Gateway, WORKER};
use crate::world::{World, eventually};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

fn decide(world: &World, action: &str) -> u64 {
    let taken = world.api.post("/leaks/1/decisions", &json!({"action": action})).created();
    taken["epoch"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_reach_the_gateway() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    assert_eq!(gateway.verdict(TOKEN), None);
    for (expected, act) in [
        (Some((1, false)), "add"),
        (Some((1, true)), "apply_virtual_patch"),
        (Some((1, false)), "close"),
        (Some((1, false)), "reopen"),
        (None, "mark_false"),
    ] {
        let epoch = match act {
            "add" => world.leak(&[TOKEN])["epoch"].as_u64().unwrap(),
            action => decide(&world, action),
        };
        gateway.take_index_until(epoch).await;
        assert_eq!(gateway.verdict(TOKEN), expected, "{act}");
    }
    eventually("the gateway's state is shown", || {
        let shown = &world.api.get("/gateways").ok()["gateways"][0];
        shown["connected"] == true
            && shown["workers"] == 1
            && shown["epoch"] == world.epoch()
            && shown["tokens"] == 0
            && shown["index_bytes"].is_u64()
            && shown["workers_current"] == 1
            && shown["workers_by_epoch"] == json!([{"epoch": world.epoch(), "workers": 1}])
            && (&shown["envoys"], &shown["nodes"]) == (&json!(1), &json!(["test-node"]))
            && shown["connected_since"].is_string()
            && shown["servers"][0]["envoys"] == 1
            && shown["index_age_seconds"].is_u64()
            && shown["filter_versions"] == json!(["0.0-test"])
            && shown["last_seen_at"].is_string()
    })
    .await;
    eventually("every change is measured", || {
        world.api.get_raw("/metrics").text.contains("stopleak_decision_to_enforced_seconds_count 5\n")
    })
    .await;
    let metrics = world.api.get_raw("/metrics").text;
    for line in ["gateways_connected 1", "gateway_workers 1", "gateways_behind 0", "gateways_refusing 0"] {
        assert!(metrics.contains(&format!("stopleak_{line}\n")), "{line}: {metrics}");
    }
    for bucket in ["0.001", "0.05", "1.0", "60.0", "+Inf"] {
        assert!(metrics.contains(&format!("stopleak_decision_to_enforced_seconds_bucket{{le=\"{bucket}\"}}")), "{metrics}");
    }
    assert!(metrics.contains("stopleak_pushes_total{answer=\"ack\"} 6\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_in_force_within_milliseconds() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    world.leak(&[TOKEN]);
    gateway.take_index_until(2).await;
    let mut times: Vec<Duration> = Vec::new();
    for action in ["apply_virtual_patch", "close", "reopen"].into_iter().cycle().take(30) {
        let started = Instant::now();
        let epoch = decide(&world, action);
        gateway.take_index_until(epoch).await;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    println!("decision to gateway: median {:?}, worst {:?}", times[15], times[29]);
    assert!(times[15] < Duration::from_millis(200), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_has_the_index_is_sent_nothing() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let (_, credential) = world.gateway("edge");
    let mut first = Gateway::open(&world, &credential).await.unwrap();
    first.hello().await;
    let epoch = 2;
    first.take_index_until(epoch).await;
    let root = first.index.as_ref().unwrap().header().root().to_vec();
    drop(first);

    let mut again = Gateway::open(&world, &credential).await.unwrap();
    again.hello_with(epoch, root).await;
    let next = decide(&world, "apply_virtual_patch");
    let to_gateway::Message::Header(header) = again.next().await.unwrap() else { panic!("no header") };
    assert_eq!(header.epoch, next, "the epoch that it had was not sent again");
    again.take_shards(header).await;
    assert_eq!(world.api.get("/gateways").ok()["gateways"][0]["workers"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_holds_only_what_has_changed() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    let texts: Vec<String> = (0..6_000).map(|n| format!("{TOKEN}-{n}")).collect();
    for leak in texts.chunks(3_000) {
        world.leak(&leak.iter().map(String::as_str).collect::<Vec<_>>());
    }
    gateway.take_index_until(3).await;
    let shards = gateway.index.as_ref().unwrap().header().shards.len();
    assert!(shards > 1);

    world.leak(&[TOKEN]);
    let to_gateway::Message::Header(header) = gateway.next().await.unwrap() else { panic!("no header") };
    assert_eq!(header.shards.len(), 1, "one token is in one shard");
    gateway.take_shards(header).await;
    assert_eq!((gateway.verdict(TOKEN), gateway.verdict(&texts[0])), (Some((3, false)), Some((1, false))));

    // A difference that the gateway cannot use comes once more, as a whole; a whole that it cannot use does not.
    let epoch =
        world.api.post("/leaks/3/decisions", &json!({"action": "apply_virtual_patch"})).created()["epoch"].as_u64().unwrap();
    for expected in [1, shards] {
        let to_gateway::Message::Header(header) = gateway.next().await.unwrap() else { panic!("no header") };
        assert_eq!((header.epoch, header.shards.len()), (epoch, expected));
        for _ in 0..expected {
            assert!(matches!(gateway.next().await.unwrap(), to_gateway::Message::Shard(_)));
        }
        gateway.send(Message::Nack(wire::Nack { epoch, reason: "not understood".to_owned() })).await;
    }
    world.api.post("/leaks/3/decisions", &json!({"action": "close"})).created();
    let to_gateway::Message::Header(header) = gateway.next().await.unwrap() else { panic!("no header") };
    assert_eq!((header.epoch, header.shards.len()), (epoch + 1, shards), "after a refusal, nothing is taken for granted");
    gateway.take_shards(header).await;
    assert_eq!(gateway.verdict(TOKEN), Some((3, false)), "it is still observed");
    // What was not sent as changed is the same as if it were built anew.
    let root = gateway.index.as_ref().unwrap().header().root();
    drop(gateway);
    let world = World::start_in(world.stop().await).await;
    assert_eq!(world.app.publisher.subscribe(TenantId(1)).unwrap().borrow().root, root);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_comes_back_is_sent_the_difference() {
    let world = World::start().await;
    let texts: Vec<String> = (0..6_000).map(|n| format!("{TOKEN}-{n}")).collect();
    for leak in texts.chunks(3_000) {
        world.leak(&leak.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let (_, credential) = world.gateway("edge");
    let mut gateway = Gateway::open(&world, &credential).await.unwrap();
    gateway.hello().await;
    gateway.take_index_until(3).await;
    let known = gateway.index.as_ref().unwrap().header().clone();
    drop(gateway);
    world.leak(&[TOKEN]);
    for (root, expected) in [(known.root().to_vec(), 1), (vec![7; 32], known.shards.len())] {
        let mut again = Gateway::open(&world, &credential).await.unwrap();
        again.hello_with(known.epoch, root).await;
        let to_gateway::Message::Header(header) = again.next().await.unwrap() else { panic!("no header") };
        assert_eq!((header.epoch, header.shards.len()), (4, expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_stored_once_and_checked() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    world.leak(&[TOKEN]);
    world.api.post("/leaks", &json!({"title": "other", "tokens": ["fk_other-token-000001"]})).created();
    gateway.take_index_until(3).await;
    let good = gateway.attempt(1, 1, TOKEN);
    let observed = wire::Attempt { outcome: wire::Outcome::Observed.into(), status: 200, ..gateway.attempt(2, 1, TOKEN) };
    let foreign = gateway.attempt(3, 1, "fk_other-token-000001");
    let unknown = gateway.attempt(4, 1, "fk_never-leaked-00001");
    let malformed = wire::Attempt { id: vec![5; 3], ..gateway.attempt(5, 1, TOKEN) };
    let batch = vec![good.clone(), observed, foreign, unknown, malformed];
    gateway.report(1, batch.clone()).await;
    gateway.report(2, batch).await;

    let list = world.api.get("/attempts").ok();
    let attempts = list["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{list}");
    assert_eq!((&attempts[0]["outcome"], &attempts[0]["status"]), (&json!("observed"), &json!(200)));
    for (key, expected) in [
        ("leak", json!("LK-1")),
        ("gateway", json!("edge")),
        ("client", json!("192.0.2.7")),
        ("place", json!("header")),
        ("header", json!("x-api-key")),
        ("path", json!("/v1/things")),
        ("count", json!(3)),
        ("status", json!(null)),
        ("token", json!("fk_…B8v")),
        ("first_seen_at", json!("2023-11-14T22:13:20Z")),
    ] {
        assert_eq!(attempts[1][key], expected, "{key}");
    }
    let count = |query: &str| world.api.get(&format!("/attempts{query}")).ok()["attempts"].as_array().unwrap().len();
    assert_eq!((count("?leak=LK-1"), count("?leak=2"), count("?outcome=blocked"), count("?limit=1")), (2, 0, 1, 1));
    let summary = &world.api.get("/leaks/1").ok()["attempts"];
    assert_eq!((&summary["observed"], &summary["blocked"]), (&json!(3), &json!(3)));
    let metrics = world.api.get_raw("/metrics").text;
    assert!(metrics.contains("stopleak_false_matches_total 4\n"), "{metrics}");
    assert!(metrics.contains("stopleak_attempts_total{outcome=\"blocked\"} 3\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_push_is_on_record() {
    let world = World::start().await;
    let gateway = world.connected("edge").await;
    gateway.send(Message::Nack(wire::Nack { epoch: 1, reason: "shard hash is wrong".to_owned() })).await;
    gateway.send(Message::Stats(wire::Stats { attempts_dropped: 4, requests: 9, worker: WORKER.to_vec() })).await;
    eventually("Nack and Stats are shown", || {
        let shown = &world.api.get("/gateways").ok()["gateways"][0];
        shown["last_nack"]["reason"] == "shard hash is wrong"
            && shown["attempts_dropped"] == 4
            && shown["nacks"] == 1
            && shown["refuses"] == true
    })
    .await;
    let metrics = world.api.get_raw("/metrics").text;
    for line in ["pushes_total{answer=\"nack\"} 1", "gateways_refusing 1"] {
        assert!(metrics.contains(&format!("stopleak_{line}\n")), "{line}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_checked_and_revocation_ends_streams() {
    let world = World::start().await;
    for authorization in [None, Some("Bearer slg_wrong"), Some("Basic abc"), Some("slg_wrong")] {
        let status = Gateway::open_with(&world, authorization).await.err().unwrap();
        assert_eq!(status.code(), Code::Unauthenticated, "{authorization:?}");
        assert!(status.message().contains("stopleak gateway add"), "{}", status.message());
    }
    let admin = std::fs::read_to_string(world.data.path().join("admin-token")).unwrap();
    let status = Gateway::open(&world, &admin).await.err().unwrap();
    assert!(status.message().contains("API token"), "{}", status.message());

    let (id, credential) = world.gateway("edge");
    world.api.post("/gateways", &json!({"name": "edge"})).problem(409, "name-taken");
    let mut gateway = Gateway::open(&world, &credential).await.unwrap();
    gateway.hello().await;
    let started = Instant::now();
    assert_eq!(world.api.delete(&format!("/gateways/{id}")).status, 204);
    let status = gateway.end().await;
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("revoked") && started.elapsed() < Duration::from_secs(1));
    let status = Gateway::open(&world, &credential).await.err().unwrap();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(world.api.get("/gateways").ok()["gateways"][0]["revoked_at"].is_string());
    world.api.delete("/gateways/77").problem(404, "not-found");
    world.gateway("edge");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_break_the_protocol_are_closed_with_a_reason() {
    let world = World::start().await;
    let (_, credential) = world.gateway("edge");
    let mut gateway = Gateway::open(&world, &credential).await.unwrap();
    let other = wire::Hello { contract_version: CONTRACT_VERSION + 1, ..Default::default() };
    gateway.send(Message::Hello(other)).await;
    let status = gateway.end().await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains(&format!("version {}", CONTRACT_VERSION + 1)), "{}", status.message());
    assert!(status.message().contains(&format!("version {CONTRACT_VERSION}")), "{}", status.message());

    let mut gateway = Gateway::open(&world, &credential).await.unwrap();
    gateway.send(Message::Ack(wire::Ack { epoch: 1, tokens: 0, worker: WORKER.to_vec() })).await;
    assert_eq!(gateway.end().await.code(), Code::InvalidArgument);

    let mut gateway = Gateway::open(&world, &credential).await.unwrap();
    gateway.hello().await;
    let huge = wire::Nack { epoch: 1, reason: "x".repeat(2 * 1024 * 1024) };
    gateway.send(Message::Nack(huge)).await;
    assert_eq!(gateway.end().await.code(), Code::OutOfRange);
    let mut gateway = Gateway::open(&world, &credential).await.unwrap();
    gateway.hello().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_does_not_read_gets_only_the_newest_afterwards() {
    let world = World::start().await;
    let mut slow = world.connected("slow").await;
    let mut quick = world.connected("quick").await;
    // Large enough that a few pushes fill the stream's window.
    let tokens: Vec<String> = (0..3000).map(|n| format!("{TOKEN}-{n}")).collect();
    world.leak(&tokens.iter().map(String::as_str).collect::<Vec<_>>());
    for action in ["apply_virtual_patch", "close", "reopen"].into_iter().cycle().take(60) {
        decide(&world, action);
    }
    let newest = 62;
    quick.take_index_until(newest).await;
    let mut received = 0;
    while slow.take_index().await < newest {
        received += 1;
    }
    assert!(received < 50, "bursts are pushed together: {received}");
}
