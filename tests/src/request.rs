//! Requests to the gateway, written byte by byte: a client library would refuse to send what an attacker sends.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::http2;

/// A request on a connection of its own.
#[derive(Clone, Debug)]
pub struct Request {
    to: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    http2: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Status line and headers of HTTP/1.1; empty over HTTP/2.
    pub head: String,
    /// The body.
    pub body: String,
}

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Request {
    /// `GET target`.
    #[must_use]
    pub fn get(to: SocketAddr, target: &str) -> Self {
        Self { to, method: "GET".to_owned(), target: target.to_owned(), headers: Vec::new(), http2: false }
    }

    /// Another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// One header more; the value may be any bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// `Authorization: Bearer token`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Over HTTP/2, without TLS.
    #[must_use]
    pub fn over_http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Sends it and waits for the answer.
    pub fn send(&self) -> Result<Reply> {
        if self.http2 { self.send_http2() } else { self.send_http1() }
    }

    fn send_http2(&self) -> Result<Reply> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let target = format!("http://api.test{}", self.target);
        let exchange = http2::exchange(self.to, &self.method, &target, &self.headers);
        let (status, body) = runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await })??;
        Ok(Reply { status, head: String::new(), body: String::from_utf8_lossy(&body).into_owned() })
    }

    fn send_http1(&self) -> Result<Reply> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.target).into_bytes();
        if !self.headers.iter().any(|(name, _)| name == "host") {
            bytes.extend_from_slice(b"host: api.test\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");

        let mut connection = TcpStream::connect_timeout(&self.to, PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_nodelay(true)?;
        connection.write_all(&bytes)?;
        // Envoy keeps a connection for a second after its answer, so that the end of the answer counts and not that of the bytes.
        let mut answer = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            match connection.read(&mut buffer)? {
                0 => break,
                read => answer.extend_from_slice(&buffer[..read]),
            }
            if is_complete(&answer) {
                break;
            }
        }
        Reply::parse(&answer)
    }

    /// The status of the answer.
    pub fn status(&self) -> Result<u16> {
        Ok(self.send()?.status)
    }
}

impl Reply {
    fn parse(answer: &[u8]) -> Result<Self> {
        let answer = String::from_utf8_lossy(answer);
        let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("not an HTTP answer: {answer:?}"))?;
        let body =
            if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Self { status: status.with_context(|| format!("no status in {head:?}"))?, head: head.to_owned(), body })
    }
}

/// Whether an answer with a length or with chunks is there as a whole.
fn is_complete(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    match length {
        Some(length) => body.len() >= length,
        None => head.contains("transfer-encoding: chunked") && body.ends_with("0\r\n\r\n"),
    }
}

/// Each chunk is its length in hexadecimal, a line break, and its bytes.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n")
        && let Ok(length @ 1..) = usize::from_str_radix(length, 16)
        && let Some((chunk, rest)) = rest.split_at_checked(length)
    {
        whole.push_str(chunk);
        body = rest.strip_prefix("\r\n").unwrap_or(rest);
    }
    whole
}
