//! Several servers on one database.

use serde_json::json;
use stopleak::config::Config;
use stopleak_contract::feed::wire::to_gateway;

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
