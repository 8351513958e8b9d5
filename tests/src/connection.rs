//! Connections that carry one request after the other, bodies included, as the clients of real services keep them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Request};
use tokio::runtime::Runtime;

/// A request with all that it consists of.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The method.
    pub method: String,
    /// The request target; in HTTP/2, path and query.
    pub target: String,
    /// Names in any case, values of any bytes. `host` is the authority in HTTP/2.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Sent in chunks when the headers say so, otherwise with its length.
    pub body: Vec<u8>,
}

/// HTTP/1.1; opened again when the other side has closed it.
#[derive(Debug)]
pub struct Connection {
    to: SocketAddr,
    stream: Option<TcpStream>,
}

/// HTTP/2 without TLS.
#[derive(Debug)]
pub struct Http2Connection {
    runtime: Runtime,
    client: h2::client::SendRequest<Bytes>,
}

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a chunk: small, so that a body has several.
const CHUNK: usize = 48;

/// Of these a connection of HTTP/1.1 is made; HTTP/2 forbids them (RFC 9113, 8.2.2).
const CONNECTION_HEADERS: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

impl Message {
    /// The first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// Whether HTTP/2 has words for it.
    #[must_use]
    pub fn is_legal_in_http2(&self) -> bool {
        self.target.starts_with('/') && CONNECTION_HEADERS.iter().all(|name| self.header(name).is_none())
    }

    fn to_http1(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if self.header("host").is_none() {
            bytes.extend_from_slice(b"host: api.test\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        if self.header("transfer-encoding").is_some() {
            bytes.extend_from_slice(b"\r\n");
            for chunk in self.body.chunks(CHUNK) {
                bytes.extend_from_slice(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            if !self.body.is_empty() && self.header("content-length").is_none() {
                bytes.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    fn to_http2(&self) -> Result<Request<()>> {
        let authority = self.header("host").map_or("api.test".into(), String::from_utf8_lossy);
        let mut request =
            Request::builder().method(self.method.as_str()).uri(format!("http://{authority}{}", self.target)).body(())?;
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes())?;
            request.headers_mut().append(name, HeaderValue::from_bytes(value)?);
        }
        Ok(request)
    }
}

impl Connection {
    /// To an address.
    pub fn open(to: SocketAddr) -> Result<Self> {
        let mut connection = Self { to, stream: None };
        connection.connected()?;
        Ok(connection)
    }

    /// Sends a request and waits for the whole answer; its status.
    pub fn send(&mut self, message: &Message) -> Result<u16> {
        let stream = self.connected()?;
        stream.write_all(&message.to_http1())?;
        let (head, body) = read_head(stream)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("no status in {head:?}"))?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let has_body = message.method != "HEAD" && !matches!(status, 204 | 304);
        match length.filter(|_| has_body).unwrap_or(0_usize).checked_sub(body.len()) {
            Some(missing) if !head.contains("transfer-encoding") => stream.read_exact(&mut vec![0; missing])?,
            _ => bail!("an answer without a length: {head}"),
        }
        if head.contains("connection: close") || message.header("upgrade").is_some() {
            self.stream = None;
        }
        Ok(status)
    }

    fn connected(&mut self) -> Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.to, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        self.stream.as_mut().context("was just connected")
    }
}

/// The head of the final answer in lower case, and what of the body came with it. What is only informational comes before it.
fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(at) = memchr::memmem::find(&answer, b"\r\n\r\n") {
            let body = answer.split_off(at + 4);
            if !answer.starts_with(b"HTTP/1.1 1") {
                return Ok((String::from_utf8_lossy(&answer).to_ascii_lowercase(), body));
            }
            answer = body;
            continue;
        }
        match stream.read(&mut buffer)? {
            0 => bail!("closed after {:?}", String::from_utf8_lossy(&answer)),
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
}

impl Http2Connection {
    /// To an address.
    pub fn open(to: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(async {
            let (client, connection) = h2::client::handshake(tokio::net::TcpStream::connect(to).await?).await?;
            tokio::spawn(connection);
            anyhow::Ok(client)
        })?;
        Ok(Self { runtime, client })
    }

    /// Sends a request and waits for the whole answer; its status.
    pub fn send(&self, message: &Message) -> Result<u16> {
        let exchange = exchange(self.client.clone(), message);
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await })?
    }
}

async fn exchange(client: h2::client::SendRequest<Bytes>, message: &Message) -> Result<u16> {
    let mut client = client.ready().await?;
    let (answer, mut body) = client.send_request(message.to_http2()?, message.body.is_empty())?;
    if !message.body.is_empty() {
        body.send_data(Bytes::copy_from_slice(&message.body), true)?;
    }
    let mut answer = answer.await?;
    while let Some(chunk) = answer.body_mut().data().await {
        let read = chunk?.len();
        answer.body_mut().flow_control().release_capacity(read)?;
    }
    Ok(answer.status().as_u16())
}
