//! Gateways that are broken, gone without a word, or of somebody else: none harms another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use stopleak_contract::feed::wire::{self, to_control_plane::Message};
use stopleak_contract::feed::{METHOD, SERVICE};
use stopleak_contract::{CONTRACT_VERSION, Fingerprint, FingerprintKeys};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::client::Gateway;
use crate::world::{World, eventually};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

/// Decisions that are taken while a gateway does not read.
const DECISIONS: usize = 100;

/// Pages in memory of this process, in which the control plane runs.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_does_not_read_costs_no_memory_and_delays_nobody() {
    let world = World::start().await;
    let mut slow = world.connected("slow").await;
    let mut quick = world.connected("quick").await;
    // A push of them has some forty kilobytes, and all shards change with each: the window holds one or two.
    let tokens: Vec<String> = (0..3_000).map(|n| format!("{TOKEN}-{n}")).collect();
    world.leak(&tokens.iter().map(String::as_str).collect::<Vec<_>>());
    quick.take_index_until(2).await;

    let before = resident_bytes();
    let mut times: Vec<Duration> = Vec::new();
    let mut newest = 0;
    for action in ["apply_virtual_patch", "close", "reopen"].into_iter().cycle().take(DECISIONS) {
        let started = Instant::now();
        newest = world.api.post("/leaks/1/decisions", &json!({"action": action})).created()["epoch"].as_u64().unwrap();
        quick.take_index_until(newest).await;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    assert!(times[DECISIONS / 2] < Duration::from_millis(500), "the other one is served in time: {times:?}");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes more");

    let mut received = 0;
    while slow.take_index().await < newest {
        received += 1;
    }
    assert!(received <= 8, "what filled the window before, then the newest: {received}");
    assert_eq!(slow.verdict(&tokens[0]), quick.verdict(&tokens[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_closes_the_stream_with_a_reason_and_no_other() {
    let world = World::start().await;
    let mut other = world.connected("other").await;
    let (_, credential) = world.gateway("broken");
    // Bytes where a Hello should be.
    let (outbound, messages) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
    let channel = Channel::from_shared(format!("http://{}", world.addresses.feed)).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let mut request = Request::new(tokio_stream::wrappers::ReceiverStream::new(messages));
    request.metadata_mut().insert("authorization", format!("Bearer {credential}").parse().unwrap());
    let codec = tonic_prost::ProstCodec::<Vec<u8>, wire::ToGateway>::default();
    let path = format!("/{SERVICE}/{METHOD}").parse().unwrap();
    let mut inbound = grpc.streaming(request, path, codec).await.unwrap().into_inner();
    outbound.send(vec![0xff; 40]).await.unwrap();
    let status = inbound.message().await.unwrap_err();
    assert!(status.message().contains("decode"), "{status:?}");

    let epoch = world.leak(&[TOKEN])["epoch"].as_u64().unwrap();
    other.take_index_until(epoch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_and_newer_filters_are_told_both_versions() {
    let world = World::start().await;
    let (_, credential) = world.gateway("edge");
    for version in [0, CONTRACT_VERSION - 1, CONTRACT_VERSION + 1, u32::MAX] {
        let mut gateway = Gateway::open(&world, &credential).await.unwrap();
        gateway.send(Message::Hello(wire::Hello { contract_version: version, ..Default::default() })).await;
        let status = gateway.end().await;
        assert_eq!(status.code(), Code::FailedPrecondition);
        for version in [version, CONTRACT_VERSION] {
            assert!(status.message().contains(&format!("version {version}")), "{}", status.message());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_another_tenant_sees_nothing_of_this_one() {
    let world = World::start().await;
    world.tenant("acme").await;
    let acme = world.api.of_tenant("acme");
    let added = acme.post("/gateways", &json!({"name": "theirs"})).created();
    let mut theirs = Gateway::open(&world, added["credential"].as_str().unwrap()).await.unwrap();
    theirs.hello().await;
    let first = theirs.take_index().await;
    let mut ours = world.connected("ours").await;
    assert!(theirs.tenant == "acme" && theirs.keys != ours.keys);

    let epoch = world.leak(&[TOKEN])["epoch"].as_u64().unwrap();
    world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    ours.take_index_until(epoch + 1).await;
    let quiet = tokio::time::timeout(Duration::from_millis(500), theirs.next()).await;
    assert!(quiet.is_err(), "a decision of another tenant is no push here: {quiet:?}");
    // Nor is it in what comes when it decides itself.
    acme.post("/leaks", &json!({"title": "theirs", "tokens": ["fk_of-acme-000001"]})).created();
    assert!(theirs.take_index().await > first);
    let of = |keys: &Option<FingerprintKeys>| {
        let token = stopleak_contract::Token::parse(TOKEN.as_bytes()).unwrap();
        Fingerprint::of(&keys.as_ref().unwrap().first, &token)
    };
    let index = theirs.index.as_ref().unwrap();
    assert!([&ours.keys, &theirs.keys].iter().all(|keys| index.look_up(&of(keys)).is_none()));
    assert_eq!(index.header().tokens, 1);

    // What it reports of our leak is nobody's attempt, and what it acknowledges is not our gateway.
    theirs.report(1, vec![ours.attempt(1, 1, TOKEN)]).await;
    for api in [&world.api, &acme] {
        assert_eq!(api.get("/attempts").ok()["attempts"], json!([]));
    }
    assert_eq!(acme.get("/gateways").ok()["gateways"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_gone_without_a_word_is_noticed_within_ten_seconds() {
    let world = World::start().await;
    let (_, credential) = world.gateway("edge");
    let frozen = Arc::new(AtomicBool::new(false));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, feed) = (listener.local_addr().unwrap(), world.addresses.feed);
    let stop = Arc::clone(&frozen);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(feed).await.unwrap();
        let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
        tokio::join!(pass(client_in, server_out, Arc::clone(&stop)), pass(server_in, client_out, stop));
    });
    let mut gateway = Gateway::open_at(&world, address, &credential).await.unwrap();
    gateway.hello().await;
    gateway.take_index().await;
    let is_connected = || world.api.get("/gateways").ok()["gateways"][0]["connected"] == true;
    eventually("it is connected", is_connected).await;
    frozen.store(true, Ordering::Relaxed);
    let started = Instant::now();
    eventually("it is noticed", || !is_connected()).await;
    assert!(started.elapsed() < Duration::from_secs(10));
}

/// Passes bytes on until it is frozen: then it neither reads nor closes.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, frozen: Arc<AtomicBool>) {
    let mut buffer = [0; 4096];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if frozen.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
