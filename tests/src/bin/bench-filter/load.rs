//! Requests over connections that stay open, each sent when the one before was answered; and the service that answers them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use stopleak_tests::traffic::Sample;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Connections of a gateway. With one, Envoy would fall asleep after each request, and waking it up would cost more than the filter.
const CONNECTIONS: usize = 8;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{\"order\": 81723}";

/// One thread that sends all requests and answers them behind the gateway.
pub struct Load {
    runtime: Runtime,
    upstream: SocketAddr,
}

/// The connections to one gateway.
pub struct Connections(Vec<TcpStream>);

/// How long each request of a run took.
pub struct Latencies(Vec<Duration>);

impl Load {
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let upstream = listener.local_addr()?;
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection));
            }
        });
        Ok(Self { runtime, upstream })
    }

    /// Where the service is.
    pub fn upstream(&self) -> SocketAddr {
        self.upstream
    }

    pub fn connect(&self, to: SocketAddr) -> Result<Connections> {
        self.runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                let connection = TcpStream::connect(to).await?;
                connection.set_nodelay(true)?;
                connections.push(connection);
            }
            Ok(Connections(connections))
        })
    }

    /// The status that one request is answered with.
    pub fn status(&self, connections: &mut Connections, bytes: &[u8]) -> Result<u16> {
        let connection = connections.0.first_mut().context("no connection")?;
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange(connection, bytes)).await })?
    }

    /// Sends a request so often, over all connections at once; every one has to be answered 200.
    pub fn run(&self, connections: &mut Connections, bytes: &[u8], requests: usize) -> Result<Latencies> {
        let each = requests.div_ceil(CONNECTIONS);
        let all = self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for mut connection in connections.0.drain(..) {
                let bytes = bytes.to_vec();
                tasks.spawn(async move {
                    let mut latencies = Vec::with_capacity(each);
                    for _ in 0..each {
                        let begun = Instant::now();
                        let status = tokio::time::timeout(PATIENCE, exchange(&mut connection, &bytes)).await??;
                        ensure!(status == 200, "answered {status}");
                        latencies.push(begun.elapsed());
                    }
                    Ok((connection, latencies))
                });
            }
            tasks.join_all().await
        });
        let mut latencies = Vec::with_capacity(requests);
        for done in all {
            let (connection, of_connection) = done?;
            connections.0.push(connection);
            latencies.extend(of_connection);
        }
        latencies.sort_unstable();
        Ok(Latencies(latencies))
    }
}

impl Latencies {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// In microseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }
}

/// A request of HTTP/1.1; `token` replaces its credential.
pub fn bytes(sample: &Sample, token: Option<&str>) -> Vec<u8> {
    let value = |name: &str| sample.headers.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value.as_str());
    let mut text = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", value(":method"), value(":path"), value(":authority"));
    for (name, value) in &sample.headers {
        match token {
            Some(token) if *name == "authorization" => text.extend([name, ": Bearer ", token, "\r\n"]),
            _ if name.starts_with(':') => {}
            _ => text.extend([name, ": ", value, "\r\n"]),
        }
    }
    text.push_str("\r\n");
    text.into_bytes()
}

async fn exchange(connection: &mut TcpStream, request: &[u8]) -> Result<u16> {
    connection.write_all(request).await?;
    let mut answer = [0; 4096];
    let mut read = 0;
    loop {
        match connection.read(&mut answer[read..]).await? {
            0 => bail!("the gateway closes the connection"),
            more => read += more,
        }
        if let Some(head) = head(&answer[..read]) {
            let text = std::str::from_utf8(&answer[..head])?;
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if read >= head + length {
                return text.get(9..12).and_then(|status| status.parse().ok()).with_context(|| format!("no status in {text}"));
            }
        }
    }
}

/// Answers every request the same; none has a body.
async fn serve(mut connection: TcpStream) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut request = vec![0; 64 * 1024];
    let mut read = 0;
    loop {
        match connection.read(&mut request[read..]).await? {
            0 => return Ok(()),
            more => read += more,
        }
        while let Some(end) = head(&request[..read]) {
            connection.write_all(ANSWER).await?;
            request.copy_within(end..read, 0);
            read -= end;
        }
    }
}

/// Where the head of a message ends, when it is there.
fn head(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}
