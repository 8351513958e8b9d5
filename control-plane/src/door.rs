//! Connections: how many there may be, and how long one may stay without having shown what it is for.
//!
//! Whoever reaches a port can open connections. The API and the feed each have a number of their own, so that neither takes the
//! other's descriptors, nor those of the database and of scans.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use crate::feed::fleet::MAX_STREAMS_IN_ALL;

/// A port that lets in only so many connections; others wait in the system's queue.
pub struct Door {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

/// A connection that holds its place until it is dropped.
pub struct Guest {
    stream: TcpStream,
    peer: SocketAddr,
    admission: Admission,
    /// Until then it has to be admitted.
    deadline: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

/// Says of a connection that somebody known uses it.
#[derive(Clone, Debug, Default)]
pub struct Admission(Arc<AtomicBool>);

/// How many connections each port has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of the API: people, pipelines and what watches.
    pub api: usize,
    /// Of the feed: each worker of each Envoy has one.
    pub feed: usize,
}

const MAX_API: usize = 512;
/// Some more than there may be streams: whoever comes too many is told so.
const MAX_FEED: usize = MAX_STREAMS_IN_ALL + 256;
/// Descriptors for the database, scans and the log.
const RESERVED: usize = 128;
/// Where nothing limits the descriptors, or it cannot be found out.
const USUAL_DESCRIPTORS: usize = 1_024;
/// After an accept that failed, mostly for want of descriptors.
const RETRY: Duration = Duration::from_millis(100);

impl Room {
    /// Raises the process's limit of descriptors as far as it may, and shares them out.
    #[must_use]
    pub fn of_this_process() -> Self {
        let limit = getrlimit(Resource::Nofile);
        // Refused or not, what is in force afterwards counts.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        let descriptors = getrlimit(Resource::Nofile).current.and_then(|current| usize::try_from(current).ok());
        Self::within(descriptors.unwrap_or(USUAL_DESCRIPTORS))
    }

    fn within(descriptors: usize) -> Self {
        let api = MAX_API.min(descriptors / 4).max(1);
        Self { api, feed: descriptors.saturating_sub(api + RESERVED).clamp(1, MAX_FEED) }
    }
}

impl Door {
    /// With room for so many connections.
    #[must_use]
    pub fn new(listener: TcpListener, room: usize) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(room)) }
    }

    /// The next connection, when there is room. One that is not admitted within `deadline` ends.
    pub async fn accept(&self, deadline: Option<Duration>) -> Guest {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&self.room).acquire_owned().await else { return std::future::pending().await };
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Messages are small: waiting to fill a packet would only delay them.
                    let _ = stream.set_nodelay(true);
                    let deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep(deadline)));
                    return Guest { stream, peer, admission: Admission::default(), deadline, _place: place };
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

impl Guest {
    /// The other end.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl Admission {
    /// Somebody known uses it.
    pub fn admit(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Connected for Guest {
    type ConnectInfo = Admission;

    fn connect_info(&self) -> Admission {
        self.admission.clone()
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            if !self.admission.0.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.deadline = None;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_shared_out() {
        for (descriptors, api, feed) in [(1_048_576, 512, MAX_FEED), (4_096, 512, 3_456), (1_024, 256, 640), (16, 4, 1)] {
            assert_eq!(Room::within(descriptors), Room { api, feed }, "{descriptors}");
        }
    }

    #[tokio::test]
    async fn only_so_many_are_let_in() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door::new(listener, 2);
        let _callers = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let guests = [door.accept(None).await, door.accept(None).await];
        let _late = TcpStream::connect(address).await.unwrap();
        let third = door.accept(None);
        tokio::pin!(third);
        tokio::select! {
            biased;
            _ = &mut third => panic!("there was no room"),
            () = tokio::task::yield_now() => {}
        }
        drop(guests);
        third.await;
    }
}
