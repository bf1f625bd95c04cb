//! How a connection gets on: whether its client is waited for, and since when.
//!
//! A timer for each request would cost more than a small answer, so that there is one for each
//! connection, which looks at the pace when it is due and mostly goes to sleep again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The time of a connection whose client is not waited for.
const BUSY: u64 = u64::MAX;

/// What a client that is waited for has to do by when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Time for a head, from the end of the answer before it.
    pub(super) head: Duration,
    /// Time to take anything of an answer that does not fit into the system's buffers.
    pub(super) stall: Duration,
}

/// One connection's pace, shared by its stream, its answers and who watches it.
pub(super) struct Pace {
    start: Instant,
    /// Since when a head is waited for, in milliseconds after the start, or [`BUSY`].
    head: AtomicU64,
    /// Since when the client takes nothing, in milliseconds after the start, or [`BUSY`].
    stalled: AtomicU64,
}

impl Pace {
    /// Waits for the first head from now on.
    pub(super) fn new() -> Arc<Self> {
        let (head, stalled) = (AtomicU64::new(0), AtomicU64::new(BUSY));
        Arc::new(Self { start: Instant::now(), head, stalled })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(BUSY - 1)
    }

    /// A request's head is whole; the result ends with its answer.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.head.store(BUSY, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    /// Returns when the client has used up the patience, if it is waited for at all.
    fn end(&self, patience: Patience) -> Option<Instant> {
        let after = |since: &AtomicU64, length: Duration| match since.load(Ordering::Relaxed) {
            BUSY => None,
            since => Some(self.start + Duration::from_millis(since) + length),
        };
        let ends = [after(&self.head, patience.head), after(&self.stalled, patience.stall)];
        ends.into_iter().flatten().min()
    }

    /// Resolves when the client has used up the patience.
    pub(super) async fn used_up(&self, patience: Patience) {
        loop {
            let now = Instant::now();
            // Who is not waited for now may be in a moment, and then has all of the time.
            let end = self.end(patience).unwrap_or(now + patience.head.min(patience.stall));
            if end <= now {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

/// A request that is worked on or whose answer is being sent; the next head is waited for when it
/// is dropped.
pub(super) struct Answering(Arc<Pace>);

impl Drop for Answering {
    fn drop(&mut self) {
        let Self(pace) = self;
        pace.head.store(pace.now(), Ordering::Relaxed);
    }
}

/// The body of an answer, which tells when it is over.
pub(super) struct Told {
    pub(super) body: Body,
    pub(super) _answering: Answering,
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes when the client takes nothing of what is written.
pub(super) struct Noted<S> {
    stream: S,
    pace: Arc<Pace>,
}

impl<S> Noted<S> {
    pub(super) fn new(stream: S, pace: Arc<Pace>) -> Self {
        Self { stream, pace }
    }

    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let stalled = &self.pace.stalled;
        match (&written, stalled.load(Ordering::Relaxed)) {
            (Poll::Pending, BUSY) => stalled.store(self.pace.now(), Ordering::Relaxed),
            (Poll::Pending, _) | (Poll::Ready(_), BUSY) => {}
            (Poll::Ready(_), _) => stalled.store(BUSY, Ordering::Relaxed),
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.note(shut)
    }
}
