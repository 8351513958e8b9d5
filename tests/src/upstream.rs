//! The service behind the gateway.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Answers 200 and counts; `/status/401` answers 401; `/echo` answers with the body and the
/// trailers that it got, once it has all of them; `/stream` gives back what it gets at once.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    counts: Arc<Counts>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    served: AtomicUsize,
    completed: AtomicUsize,
}

impl Upstream {
    /// Serves on a free port.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let router = Router::new()
            .route("/echo", any(echo))
            .route("/stream", any(async |body: Body| body))
            .fallback(answer)
            .with_state(Arc::clone(&counts));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    result = axum::serve(listener, router) => result.unwrap_or_else(|error| eprintln!("upstream: {error}")),
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address, counts, stop: Some(stop), thread: Some(thread.context("a thread for the upstream")?) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that have reached it.
    #[must_use]
    pub fn served(&self) -> usize {
        self.counts.served.load(Ordering::SeqCst)
    }

    /// Those of `/echo` that have reached it to their end.
    #[must_use]
    pub fn completed(&self) -> usize {
        self.counts.completed.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn answer(State(counts): State<Arc<Counts>>, uri: Uri) -> (StatusCode, &'static str) {
    counts.served.fetch_add(1, Ordering::SeqCst);
    let status = uri.path().strip_prefix("/status/").and_then(|status| status.parse().ok());
    (status.unwrap_or(StatusCode::OK), "Hello from the upstream.\n")
}

async fn echo(State(counts): State<Arc<Counts>>, mut body: Body) -> Result<Vec<u8>, StatusCode> {
    counts.served.fetch_add(1, Ordering::SeqCst);
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        match frame.into_data() {
            Ok(data) => whole.extend_from_slice(&data),
            Err(frame) => {
                for (name, value) in frame.into_trailers().iter().flatten() {
                    whole.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
                }
            }
        }
    }
    counts.completed.fetch_add(1, Ordering::SeqCst);
    Ok(whole)
}
