//! Whoever has a gateway's credential or a leaked token cannot stop decisions nor fill the disk.

use std::num::NonZeroU64;

use serde_json::json;
use stopleak::config::Config;
use stopleak::feed::fleet::MAX_STREAMS;
use stopleak::feed::session::Session;
use stopleak::tenants::TenantId;
use stopleak_contract::feed::wire::{self, to_control_plane::Message};
use tonic::Code;

use crate::client::Gateway;
use crate::world::{Data, World};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

#[tokio::test(flavor = "multi_thread")]
async fn what_no_leak_knows_never_waits_for_the_writer() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let mut gateway = world.connected("edge").await;
    let unknown = gateway.attempt(1, 1, "fk_never-leaked-00001");
    let held = world.app.store.write().await.unwrap();
    gateway.report(1, vec![unknown; Session::MAX_ATTEMPTS]).await;
    drop(held);
    let metrics = world.api.get_raw("/metrics").text;
    assert!(metrics.contains(&format!("stopleak_false_matches_total {}\n", Session::MAX_ATTEMPTS)), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_go_on_while_many_streams_report() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let (_, credential) = world.gateway("hostile");
    let mut streams = Vec::new();
    for stream in 0..40_u8 {
        let mut gateway = Gateway::open(&world, &credential).await.unwrap();
        gateway.hello().await;
        gateway.take_index().await;
        let known = gateway.attempt(0, 1, TOKEN);
        let mut batch = 0_u64;
        streams.push(tokio::spawn(async move {
            loop {
                batch += 1;
                let ids = (0..Session::MAX_ATTEMPTS)
                    .map(|n| [&[stream; 4][..], &batch.to_be_bytes()[..], &u32::try_from(n).unwrap().to_be_bytes()[..]].concat());
                let attempts = ids.map(|id| wire::Attempt { id, ..known.clone() }).collect();
                gateway.report(batch, attempts).await;
            }
        }));
    }
    for n in 0..5 {
        world.api.post("/leaks", &json!({"title": "t", "tokens": [format!("{TOKEN}-{n}")]})).created();
        assert_eq!(world.api.get_raw("/readyz").status, 200);
    }
    for stream in streams {
        assert!(!stream.is_finished(), "the stream was closed");
        stream.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_may_have_so_many_streams() {
    let world = World::start().await;
    let (id, credential) = world.gateway("hostile");
    let members: Vec<_> = (0..MAX_STREAMS).map(|_| world.app.fleet.enter(TenantId(1), id).unwrap()).collect();
    let status = Gateway::open(&world, &credential).await.err().unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("too many streams"), "{}", status.message());
    world.connected("other").await;
    drop(members);
    Gateway::open(&world, &credential).await.unwrap().hello().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_attempts_go() {
    let data = Data::new();
    let config = Config { max_attempts: NonZeroU64::new(5), ..data.config() };
    let world = World::start_with(data, &config).await;
    world.leak(&[TOKEN]);
    let mut gateway = world.connected("edge").await;
    for batch in 0..4 {
        let attempts = (1..=3).map(|n| gateway.attempt(u8::try_from(batch).unwrap() * 3 + n, 1, TOKEN)).collect();
        gateway.report(batch, attempts).await;
    }
    let list = world.api.get("/attempts").ok();
    let ids: Vec<_> = list["attempts"].as_array().unwrap().iter().map(|attempt| attempt["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [12, 11, 10, 9, 8]);
    let counted: i64 =
        sqlx::query_scalar("SELECT attempts FROM tenants").fetch_one(&mut *world.app.store.read().await.unwrap()).await.unwrap();
    assert_eq!(counted, 5);
    let (outcome, count) = (list["attempts"][0]["outcome"].as_str().unwrap(), list["attempts"][0]["count"].as_i64().unwrap());
    let numbers = world.api.get("/leaks/1").ok()["attempts"].clone();
    assert_eq!(numbers[outcome], count * 12, "a leak's numbers have those that are gone, too: {numbers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_beyond_all_dates_is_shown_as_the_last() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let mut gateway = world.connected("edge").await;
    let attempt = wire::Attempt { first_seen_ms: u64::MAX, last_seen_ms: u64::MAX, ..gateway.attempt(1, 1, TOKEN) };
    gateway.report(1, vec![attempt]).await;
    let shown = world.api.get("/attempts").ok()["attempts"][0]["first_seen_at"].as_str().unwrap().to_owned();
    assert!(shown.starts_with("9999-12-30T"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_any_length_is_shown_cut() {
    let world = World::start().await;
    let gateway = world.connected("edge").await;
    gateway.send(Message::Nack(wire::Nack { epoch: 1, reason: "x".repeat(500_000) })).await;
    crate::world::eventually("the Nack is shown", || {
        let shown = &world.api.get("/gateways").ok()["gateways"][0]["last_nack"]["reason"];
        shown.as_str().is_some_and(|reason| reason.len() == Session::MAX_TEXT)
    })
    .await;
}
