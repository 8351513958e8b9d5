//! Several servers on one database.

use serde_json::{Value, json};
use stopleak::config::Config;
use stopleak_contract::feed::wire::{self, to_control_plane::Message, to_gateway};

use crate::client::Gateway;
use crate::world::{Data, World, eventually};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

/// Two servers with the same keys and database, each with a folder of its own.
async fn two() -> (World, World) {
    let one = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    for file in ["keys/fingerprint.key", "keys/signing.key", "admin-token"] {
        let to = folder.path().join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(one.data.path().join(file), to).unwrap();
    }
    let data = Data { folder, postgres: None };
    let config = Config { database: one.data.config().database, ..data.config() };
    let other = World::start_with(data, &config).await;
    (one, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_one_server_is_pushed_by_the_other() {
    let (one, other) = two().await;
    one.leak(&[TOKEN]);
    let mut gateway = other.connected("edge").await;
    let decision = one.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    let decided = std::time::Instant::now();
    loop {
        let header = gateway.next().await.unwrap();
        if let to_gateway::Message::Header(header) = header
            && header.epoch == decision["epoch"].as_u64().unwrap()
        {
            break;
        }
    }
    assert!(decided.elapsed() < std::time::Duration::from_secs(3), "told, and not only found: {:?}", decided.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_one_server_takes_back_is_disconnected_by_the_other() {
    let (one, other) = two().await;
    let (id, credential) = one.gateway("edge");
    let mut gateway = Gateway::open(&other, &credential).await.unwrap();
    gateway.hello().await;
    gateway.take_index().await;
    assert_eq!(one.api.delete(&format!("/gateways/{id}")).status, 204);
    while gateway.next().await.is_ok() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_one_server_makes_has_an_index_on_the_other() {
    let (one, other) = two().await;
    one.api.post("/tenants", &json!({"name": "acme"})).created();
    let acme = other.api.of_tenant("acme");
    acme.post("/leaks", &json!({"title": "t", "tokens": [TOKEN]})).created();
    eventually("both are ready", || one.api.get_raw("/readyz").status == 200 && other.api.get_raw("/readyz").status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_at_the_same_time_on_two_servers_are_taken_once() {
    let (one, other) = two().await;
    one.leak(&[TOKEN]);
    let body = json!({"action": "apply_virtual_patch"});
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let decide = |world: &World| world.api.post("/leaks/1/decisions", &body).status;
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let (one, other) = (&one, &other);
                scope.spawn(move || decide(if n % 2 == 0 { one } else { other }))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|&&status| status == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|&&status| status == 409).count(), 7, "{answers:?}");
}

/// Takes every index that comes.
fn keep_taking(mut gateway: Gateway) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            gateway.take_index().await;
        }
    })
}

fn edge(world: &World) -> Value {
    world.api.get("/gateways").ok()["gateways"][0].clone()
}

fn decision(world: &World) -> Value {
    world.api.get("/leaks/1").ok()["decisions"].as_array().unwrap().last().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_shows_the_whole_fleet() {
    let (one, other) = two().await;
    one.leak(&[TOKEN]);
    let (_, credential) = one.gateway("edge");
    let mut here = Gateway::open(&one, &credential).await.unwrap();
    here.hello().await;
    here.take_index_until(2).await;
    let mut there = Gateway::open(&other, &credential).await.unwrap();
    there.worker = b"worker-2".to_vec();
    there.hello().await;
    there.take_index_until(2).await;
    there.send(Message::Nack(wire::Nack { epoch: 2, reason: "not understood".to_owned() })).await;
    for world in [&one, &other] {
        eventually("both connections are shown", || {
            let edge = edge(world);
            let servers = edge["servers"].as_array().unwrap();
            edge["connected"] == true
                && servers.len() == 2
                && servers[0]["server"] != servers[1]["server"]
                && (&edge["envoys"], &edge["workers"], &edge["workers_current"]) == (&json!(2), &json!(2), &json!(2))
                && (&edge["epoch"], &edge["tokens"]) == (&json!(2), &json!(1))
                && edge["index_bytes"].as_u64().is_some_and(|bytes| bytes > 0)
                && (&edge["nacks"], &edge["refuses"]) == (&json!(1), &json!(true))
                && edge["last_nack"]["reason"] == "not understood"
        })
        .await;
    }
    // It counts as one gateway, on whichever servers its Envoys are.
    let taken = one.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    here.take_index_until(taken["epoch"].as_u64().unwrap()).await;
    eventually("one half has it", || edge(&other)["workers_current"] == 1 && decision(&other)["pending_gateways"] == 1).await;
    there.take_index_until(taken["epoch"].as_u64().unwrap()).await;
    eventually("it is in force", || decision(&one)["enforced_gateways"] == 1).await;

    // A server that stops takes its part along.
    drop(other.stop().await);
    eventually("one half is left", || edge(&one)["servers"].as_array().unwrap().len() == 1).await;
    assert_eq!((&edge(&one)["envoys"], &edge(&one)["workers"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_in_force_when_the_gateways_of_every_server_have_it() {
    let (one, other) = two().await;
    one.leak(&[TOKEN]);
    let here = keep_taking(one.connected("here").await);
    let mut there = other.connected("there").await;
    eventually("the servers know of each other", || edge(&other)["connected"] == true).await;
    let taken = one.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    for world in [&one, &other] {
        eventually("it waits for the other server", || decision(world)["pending_gateways"] == 1).await;
        assert_eq!((&decision(world)["enforcement"], &decision(world)["enforced_at"]), (&json!("pending"), &Value::Null));
    }
    there.take_index_until(taken["epoch"].as_u64().unwrap()).await;
    eventually("it is in force", || decision(&one)["enforcement"] == "everywhere").await;
    assert_eq!((&decision(&one)["enforced_gateways"], &decision(&one)["pending_gateways"]), (&json!(2), &json!(0)));
    assert_eq!(decision(&one), decision(&other));

    // Measured once, by whichever server was the last.
    let there = keep_taking(there);
    for action in ["close", "reopen", "close", "reopen"] {
        one.api.post("/leaks/1/decisions", &json!({"action": action})).created();
        eventually("it is in force", || decision(&other)["enforcement"] == "everywhere").await;
    }
    let count = |world: &World| -> u64 {
        let metrics = world.api.get_raw("/metrics").text;
        let line = metrics.lines().find_map(|line| line.strip_prefix("stopleak_decision_to_enforced_seconds_count "));
        line.unwrap().parse().unwrap()
    };
    eventually("all are measured", || count(&one) + count(&other) == 5).await;
    here.abort();
    there.abort();
}

/// As a server that was killed leaves it: nobody takes its rows away but the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_without_a_word_is_not_waited_for() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let mut gateway = world.connected("edge").await;
    let mut db = world.app.store.write().await.unwrap();
    sqlx::query("INSERT INTO servers (name, beat) VALUES ('dead', 7)").execute(&mut *db).await.unwrap();
    sqlx::query(
        "INSERT INTO server_gateways (tenant_id, gateway_id, server, epoch, epoch_at, connected_at, state)
         VALUES (1, 1, 'dead', 2, 0, 0, '{\"envoys\": 1, \"workers\": 1, \"epochs\": [[2, 1]]}')",
    )
    .execute(&mut *db)
    .await
    .unwrap();
    db.commit().await.unwrap();
    let taken = world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    gateway.take_index_until(taken["epoch"].as_u64().unwrap()).await;
    eventually("its gateways are counted", || edge(&world)["workers"] == 2 && edge(&world)["workers_current"] == 1).await;
    assert_eq!((&decision(&world)["enforcement"], &decision(&world)["pending_gateways"]), (&json!("pending"), &json!(1)));
    eventually("it is noticed that it is gone", || edge(&world)["workers"] == 1).await;
    eventually("it is in force", || decision(&world)["enforcement"] == "everywhere").await;
    assert_eq!(decision(&world)["enforced_gateways"], 1);
}

/// A server that was only held up, and is taken to be gone meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_taken_to_be_gone_comes_back_with_all_that_it_knows() {
    let (one, other) = two().await;
    let _gateway = other.connected("edge").await;
    eventually("it is known", || edge(&one)["connected"] == true).await;
    let mut db = one.app.store.write().await.unwrap();
    sqlx::query("DELETE FROM servers").execute(&mut *db).await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM server_gateways").fetch_one(&mut *db).await.unwrap();
    assert_eq!(left, 0, "it goes with its server");
    db.commit().await.unwrap();
    eventually("it is known again", || edge(&one)["connected"] == true).await;
}

/// The fault: the database tells nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_whose_notification_is_lost_is_found_and_pushed_by_the_other() {
    let (one, other) = two().await;
    one.leak(&[TOKEN]);
    let mut gateway = other.connected("edge").await;
    let mut db = one.app.store.write().await.unwrap();
    sqlx::query("DROP TRIGGER tenants_told ON tenants").execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
    let taken = one.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    gateway.take_index_until(taken["epoch"].as_u64().unwrap()).await;
    assert_eq!(gateway.verdict(TOKEN), Some((1, true)));
    eventually("it is in force", || decision(&one)["enforcement"] == "everywhere").await;
}

/// A server hears of its own commits from the database, too.
#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_built_once() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    let builds = || -> u64 {
        let metrics = world.api.get_raw("/metrics").text;
        metrics.lines().find_map(|line| line.strip_prefix("stopleak_index_builds_total ")).unwrap().parse().unwrap()
    };
    let before = builds();
    world.leak(&[TOKEN]);
    gateway.take_index_until(2).await;
    for n in 0..20 {
        let action = if n % 2 == 0 { "close" } else { "reopen" };
        let taken = world.api.post("/leaks/1/decisions", &json!({"action": action})).created();
        gateway.take_index_until(taken["epoch"].as_u64().unwrap()).await;
    }
    assert_eq!(builds() - before, 21);
}
