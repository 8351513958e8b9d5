//! Connections that never say what they want.

use std::time::{Duration, Instant};

use stopleak::api::HEAD_TIMEOUT;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::World;

/// How long the other side keeps a connection on which only this came.
async fn kept(address: std::net::SocketAddr, said: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let since = Instant::now();
    stream.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(2 * HEAD_TIMEOUT, stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "still open, after {:?}", String::from_utf8_lossy(said));
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_purpose_end() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    let (api, feed) = (world.addresses.http, world.addresses.feed);
    let began = Instant::now();
    let idle = tokio::join!(
        kept(api, b""),
        kept(api, b"POST /api/v1/leaks HTTP/1.1\r\nhost: x\r\n"),
        kept(api, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"),
        kept(feed, b""),
        kept(feed, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
    );
    assert!(idle.0 >= HEAD_TIMEOUT / 2, "{idle:?}");
    // A gateway that was let in stays, however quiet it is.
    assert!(began.elapsed() >= HEAD_TIMEOUT);
    let leak = world.leak(&["fk_9aQ7zLm2Xw4RtB8v"]);
    gateway.take_index_until(leak["epoch"].as_u64().unwrap()).await;
}
