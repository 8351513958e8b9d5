//! As many requests with one token as a connection carries, from ever other addresses and to ever other paths.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::body::Bytes;
use axum::http::Request;
use h2::client::SendRequest;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

/// Requests that are on their way at once.
const TOGETHER: usize = 64;

/// After so many times that many, another address: the loopback network has many.
const ROUNDS: usize = 20;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Goes on until it is stopped; adds up who was refused. Nobody else may be answered.
pub fn flood(to: SocketAddr, token: &str, number: usize, stop: &AtomicBool, refused: &AtomicU64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for address in 0_usize.. {
            let from = format!("127.0.{}.{}:0", number + 1, 1 + address % 250);
            let client = connect(from.parse()?, to).await?;
            for round in 0..ROUNDS {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let mut answers = JoinSet::new();
                for n in 0..TOGETHER {
                    answers.spawn(tokio::time::timeout(PATIENCE, request(client.clone(), token.to_owned(), (round + n) % 32)));
                }
                while let Some(answer) = answers.join_next().await {
                    let status = answer???;
                    ensure!(status == 403, "{status} for a patched token");
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    })
}

async fn connect(from: SocketAddr, to: SocketAddr) -> Result<SendRequest<Bytes>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let (client, connection) = h2::client::handshake(socket.connect(to).await?).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn request(client: SendRequest<Bytes>, token: String, path: usize) -> Result<u16> {
    let request = Request::get(format!("http://api.test/orders/{path}")).header("x-api-key", token).body(())?;
    let (answer, _) = client.ready().await?.send_request(request, true)?;
    let mut answer = answer.await?;
    while let Some(bytes) = answer.body_mut().data().await {
        let read = bytes?.len();
        answer.body_mut().flow_control().release_capacity(read)?;
    }
    Ok(answer.status().as_u16())
}
