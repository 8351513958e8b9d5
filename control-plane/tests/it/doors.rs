//! Connections that never say what they want.

use std::time::{Duration, Instant};

use stopleak::api::{BODY_TIMEOUT, HEAD_TIMEOUT, STALL};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::world::World;

/// How long the other side keeps a connection on which only this came.
async fn kept(address: std::net::SocketAddr, said: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let since = Instant::now();
    stream.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(2 * BODY_TIMEOUT, stream.read_to_end(&mut answer)).await;
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

/// Nobody has to be known for that: 512 such connections were all that the API has.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_send_or_does_not_read_gives_their_place_to_others() {
    let world = World::start().await;
    let post = |path: &str, headers: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
        );
        let address = world.addresses.http;
        async move { kept(address, head.as_bytes()).await }
    };
    let token = format!("authorization: Bearer {}\r\n", world.api.token);
    let unread = async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(world.addresses.http).await.unwrap();
        let question = b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(&question.repeat(100)).await.unwrap();
        // Bytes that nobody reads are taken until the other side is gone.
        let gone = async {
            while stream.write_all(b"\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        assert!(
            tokio::time::timeout(2 * STALL, gone).await.is_ok(),
            "nothing is read of the answers, and the connection is still there"
        );
    };
    tokio::join!(
        post("/api/v1/session", ""),
        post("/api/v1/leaks", &token),
        post("/api/v1/leaks", &format!("{token}idempotency-key: k\r\n")),
        unread,
    );
    assert_eq!(world.api.get_raw("/healthz").status, 200);
}
