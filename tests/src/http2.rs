//! One HTTP/2 exchange on a connection of its own.

use std::net::SocketAddr;

use anyhow::Result;
use axum::http::{HeaderName, HeaderValue, Request};
use tokio::net::TcpStream;

/// Sends a request without a body; the status and the body of the answer.
pub async fn exchange(to: SocketAddr, method: &str, target: &str, headers: &[(String, Vec<u8>)]) -> Result<(u16, Vec<u8>)> {
    let mut request = Request::builder().method(method).uri(target).body(())?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes())?;
        request.headers_mut().append(name, HeaderValue::from_bytes(value)?);
    }
    let (client, connection) = h2::client::handshake(TcpStream::connect(to).await?).await?;
    let connection = tokio::spawn(connection);
    let (answer, _) = client.ready().await?.send_request(request, true)?;
    let mut answer = answer.await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.body_mut().data().await {
        let chunk = chunk?;
        answer.body_mut().flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    connection.abort();
    Ok((answer.status().as_u16(), body))
}
