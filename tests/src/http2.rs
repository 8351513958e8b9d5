//! One HTTP/2 exchange on a connection of its own.

use std::future::poll_fn;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use h2::SendStream;
use tokio::net::TcpStream;

use crate::request::Outgoing;

type Headers = [(String, Vec<u8>)];

/// Sends a request; the status, the headers and the body of the answer.
pub async fn exchange(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &Headers,
    outgoing: &Outgoing,
) -> Result<(u16, String, Vec<u8>)> {
    let mut request = Request::builder().method(method).uri(target).body(())?;
    *request.headers_mut() = map(headers)?;
    let (client, connection) = h2::client::handshake(TcpStream::connect(to).await?).await?;
    let connection = tokio::spawn(connection);
    let is_end = outgoing.pieces.is_empty() && outgoing.trailers.is_empty();
    let (answer, mut stream) = client.ready().await?.send_request(request, is_end)?;
    // Whoever is refused early need not be read to the end, so the answer counts and not that the rest could be sent.
    let sending = async {
        if !is_end {
            let _ = send(&mut stream, outgoing).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = tokio::select! {
        answer = answer => answer?,
        () = sending => unreachable!("it waits for ever"),
    };
    let mut body = Vec::new();
    while let Some(chunk) = answer.body_mut().data().await {
        let chunk = chunk?;
        answer.body_mut().flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    connection.abort();
    let head: Vec<_> =
        answer.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?"))).collect();
    Ok((answer.status().as_u16(), head.join("\r\n"), body))
}

async fn send(stream: &mut SendStream<axum::body::Bytes>, outgoing: &Outgoing) -> Result<()> {
    for (i, piece) in outgoing.pieces.iter().enumerate() {
        if i > 0 && !outgoing.pause.is_zero() {
            tokio::time::sleep(outgoing.pause).await;
        }
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            stream.reserve_capacity(rest.len());
            let room = poll_fn(|context| stream.poll_capacity(context)).await.context("the stream has ended")??;
            let (now, later) = rest.split_at(room.min(rest.len()));
            stream.send_data(now.to_vec().into(), false)?;
            rest = later;
        }
    }
    if outgoing.trailers.is_empty() {
        stream.send_data(Vec::new().into(), true)?;
    } else {
        stream.send_trailers(map(&outgoing.trailers)?)?;
    }
    Ok(())
}

fn map(headers: &Headers) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes())?;
        map.append(name, HeaderValue::from_bytes(value)?);
    }
    Ok(map)
}
