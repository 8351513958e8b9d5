//! A connection whose other side has to take what it asked for: whoever does not read would keep their place for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Ends the connection when an answer waits for too long.
pub(super) struct Patient<S> {
    inner: S,
    stall: Duration,
    progress: usize,
    /// Since the system has taken nothing more; none while it takes all.
    waiting: Option<Pin<Box<Sleep>>>,
    /// What it has taken since then.
    taken: usize,
}

/// In that time an answer goes on by [`PROGRESS`], or ends.
pub const STALL: Duration = Duration::from_secs(30);
/// Two kilobytes a second: who reads more slowly does so on purpose.
const PROGRESS: usize = 64 * 1024;

impl<S: AsyncWrite + Unpin> Patient<S> {
    pub(super) fn new(inner: S) -> Self {
        Self::with(inner, STALL, PROGRESS)
    }

    fn with(inner: S, stall: Duration, progress: usize) -> Self {
        Self { inner, stall, progress, waiting: None, taken: 0 }
    }

    fn noted(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.taken = self.taken.saturating_add(bytes);
                if self.taken >= self.progress {
                    self.start_anew();
                }
            }
            Poll::Pending => {
                let stall = self.stall;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
                if waiting.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    fn start_anew(&mut self) {
        (self.waiting, self.taken) = (None, 0);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.noted(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.noted(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// Called when all that there is to say was taken.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.start_anew();
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(300);
    const LITTLE: usize = 4 * 1024;

    /// Reads so many bytes ten times in [`SHORT`], until the other side ends.
    async fn read(mut connection: DuplexStream, bytes: usize) -> usize {
        let (mut some, mut all) = (vec![0; bytes], 0);
        while let Ok(got @ 1..) = connection.read(&mut some).await {
            all += got;
            tokio::time::sleep(SHORT / 10).await;
        }
        all
    }

    #[tokio::test]
    async fn whoever_reads_nothing_or_next_to_nothing_is_left() {
        for bytes in [None, Some(10)] {
            let (ours, theirs) = duplex(1024);
            let mut connection = Patient::with(ours, SHORT, LITTLE);
            let answer = vec![0; 1024 * 1024];
            let ended = match bytes {
                None => connection.write_all(&answer).await,
                Some(bytes) => {
                    tokio::select! {
                        ended = connection.write_all(&answer) => ended,
                        _ = read(theirs, bytes) => unreachable!("the other side is still there"),
                    }
                }
            };
            assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn whoever_reads_slowly_gets_all_of_it() {
        let (ours, theirs) = duplex(1024);
        let mut connection = Patient::with(ours, SHORT, LITTLE);
        let writing = async move {
            for _ in 0..2 {
                connection.write_all(&vec![0; 20 * 1024]).await.unwrap();
                connection.flush().await.unwrap();
                // Between two answers nobody waits for anything.
                tokio::time::sleep(2 * SHORT).await;
            }
        };
        let ((), all) = tokio::join!(writing, read(theirs, 1024));
        assert_eq!(all, 40 * 1024);
    }
}
