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
    body: Outgoing,
    http2: bool,
}

/// A body and how it is sent.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// Written one by one.
    pub pieces: Vec<Vec<u8>>,
    /// A pause before each but the first.
    pub pause: Duration,
    /// Over HTTP/1.1, chunks instead of a length.
    pub is_chunked: bool,
    /// After the body; over HTTP/1.1 only with chunks.
    pub trailers: Vec<(String, Vec<u8>)>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers; over HTTP/1.1 with the status line.
    pub head: String,
    /// The body.
    pub body: String,
    /// The body, when it need not be text.
    pub bytes: Vec<u8>,
}

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Request {
    /// `GET target`.
    #[must_use]
    pub fn get(to: SocketAddr, target: &str) -> Self {
        Self {
            to,
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Outgoing::default(),
            http2: false,
        }
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

    /// With a body, in one piece and with its length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body.pieces = vec![body.as_ref().to_vec()];
        self
    }

    /// The body in pieces of this many bytes, and over HTTP/1.1 in chunks.
    #[must_use]
    pub fn in_pieces(mut self, size: usize) -> Self {
        self.body.pieces = self.body.pieces.concat().chunks(size).map(<[u8]>::to_vec).collect();
        self.body.is_chunked = true;
        self
    }

    /// With a pause between the pieces.
    #[must_use]
    pub fn slowly(mut self, pause: Duration) -> Self {
        self.body.pause = pause;
        self
    }

    /// One trailer more.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.body.trailers.push((name.to_owned(), value.as_ref().to_vec()));
        self.body.is_chunked = true;
        self
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
        let exchange = http2::exchange(self.to, &self.method, &target, &self.headers, &self.body);
        let (status, head, body) = runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await })??;
        Ok(Reply { status, head, body: String::from_utf8_lossy(&body).into_owned(), bytes: body })
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
        if self.body.is_chunked {
            bytes.extend_from_slice(b"transfer-encoding: chunked\r\n");
        } else if !self.body.pieces.is_empty() {
            let length: usize = self.body.pieces.iter().map(Vec::len).sum();
            bytes.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");

        let mut connection = TcpStream::connect_timeout(&self.to, PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_nodelay(true)?;
        connection.write_all(&bytes)?;
        // Whoever is refused early need not be read to the end, so the answer counts and not that the rest could be written.
        let _ = self.write_body(&mut connection);
        // Envoy keeps a connection for a second after its answer, so that the end of the answer counts and not that of the bytes.
        let mut answer = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            match connection.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
                Err(error) if answer.is_empty() => return Err(error.into()),
                Err(_) => break,
            }
            if is_complete(&answer) {
                break;
            }
        }
        Reply::parse(&answer)
    }

    fn write_body(&self, connection: &mut TcpStream) -> Result<()> {
        let Outgoing { pieces, pause, is_chunked, trailers } = &self.body;
        for (i, piece) in pieces.iter().enumerate() {
            if i > 0 && !pause.is_zero() {
                std::thread::park_timeout(*pause);
            }
            if *is_chunked && !piece.is_empty() {
                connection.write_all(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())?;
            } else if !is_chunked {
                connection.write_all(piece)?;
            }
        }
        if *is_chunked {
            let mut end = b"0\r\n".to_vec();
            for (name, value) in trailers {
                end.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
            connection.write_all(&[&end[..], b"\r\n"].concat())?;
        }
        Ok(())
    }

    /// The status of the answer.
    pub fn status(&self) -> Result<u16> {
        Ok(self.send()?.status)
    }
}

impl Reply {
    fn parse(answer: &[u8]) -> Result<Self> {
        let (head, body) = parts(answer).with_context(|| format!("not an HTTP answer: {:?}", String::from_utf8_lossy(answer)))?;
        let bytes =
            if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("no status in {head:?}"))?;
        Ok(Self { status, head, body: String::from_utf8_lossy(&bytes).into_owned(), bytes })
    }
}

/// Whether an answer with a length or with chunks is there as a whole.
fn is_complete(answer: &[u8]) -> bool {
    let Some((head, body)) = parts(answer) else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    match length {
        Some(length) => body.len() >= length,
        None => head.contains("transfer-encoding: chunked") && body.ends_with(b"0\r\n\r\n"),
    }
}

/// Status line with headers, and body.
fn parts(answer: &[u8]) -> Option<(String, &[u8])> {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((String::from_utf8_lossy(&answer[..at]).into_owned(), &answer[at + 4..]))
}

/// Each chunk is its length in hexadecimal, a line break, and its bytes.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(at) = body.windows(2).position(|window| window == b"\r\n")
        && let Ok(length @ 1..) = usize::from_str_radix(&String::from_utf8_lossy(&body[..at]), 16)
        && let Some((chunk, rest)) = body[at + 2..].split_at_checked(length)
    {
        whole.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    }
    whole
}
