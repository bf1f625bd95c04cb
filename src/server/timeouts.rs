//! The timeouts of a connection: when the client last made progress, and when it is given up.
//!
//! There is one timer for each connection: one for each request would cost more than a small
//! answer. When the timer fires, the deadline has mostly moved, and the timer is set again.
//! Knows nothing of requests but their beginning and end.

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

/// The start of a wait that is not running.
const NOT_WAITING: u64 = u64::MAX;

/// How long the server waits for a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// Longest time until a whole head has arrived, from the end of the previous response.
    pub(super) head: Duration,
    /// Longest time in which the client reads nothing of a response that the system's buffers
    /// cannot hold.
    pub(super) stall: Duration,
}

/// One connection's waits for its client; shared by its stream, its response bodies and its timer.
pub(super) struct Watchdog {
    start: Instant,
    /// When the wait for a head began, in milliseconds after `start`, or [`NOT_WAITING`].
    head: AtomicU64,
    /// When a write first had to wait for the client, likewise.
    stalled: AtomicU64,
}

impl Watchdog {
    /// The wait for the first head begins now.
    pub(super) fn new() -> Arc<Self> {
        let (head, stalled) = (AtomicU64::new(0), AtomicU64::new(NOT_WAITING));
        Arc::new(Self { start: Instant::now(), head, stalled })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(NOT_WAITING - 1)
    }

    /// Ends the wait for a head; dropping the returned value begins the next one.
    pub(super) fn request_began(self: &Arc<Self>) -> InFlight {
        self.head.store(NOT_WAITING, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Returns when the client times out, if the server waits for it at all.
    fn deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        let after = |since: &AtomicU64, length: Duration| match since.load(Ordering::Relaxed) {
            NOT_WAITING => None,
            since => Some(self.start + Duration::from_millis(since) + length),
        };
        let ends = [after(&self.head, timeouts.head), after(&self.stalled, timeouts.stall)];
        ends.into_iter().flatten().min()
    }

    /// Resolves when the client has timed out.
    pub(super) async fn timed_out(&self, timeouts: Timeouts) {
        loop {
            let now = Instant::now();
            // A wait may begin right after this look, and then has its whole timeout.
            let deadline =
                self.deadline(timeouts).unwrap_or(now + timeouts.head.min(timeouts.stall));
            if deadline <= now {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }
}

/// A request that is being handled, or whose response is being sent.
pub(super) struct InFlight(Arc<Watchdog>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let Self(watchdog) = self;
        watchdog.head.store(watchdog.now(), Ordering::Relaxed);
    }
}

/// The body of a response; the request is in flight until this is dropped.
pub(super) struct TrackedBody {
    pub(super) body: Body,
    pub(super) _in_flight: InFlight,
}

impl http_body::Body for TrackedBody {
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

/// A stream that reports to the watchdog when a write has to wait for the client.
pub(super) struct TrackedStream<S> {
    stream: S,
    watchdog: Arc<Watchdog>,
}

impl<S> TrackedStream<S> {
    pub(super) fn new(stream: S, watchdog: Arc<Watchdog>) -> Self {
        Self { stream, watchdog }
    }

    fn track<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let stalled = &self.watchdog.stalled;
        match (&written, stalled.load(Ordering::Relaxed)) {
            (Poll::Pending, NOT_WAITING) => stalled.store(self.watchdog.now(), Ordering::Relaxed),
            (Poll::Pending, _) | (Poll::Ready(_), NOT_WAITING) => {}
            (Poll::Ready(_), _) => stalled.store(NOT_WAITING, Ordering::Relaxed),
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TrackedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TrackedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.track(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.track(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.track(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.track(shut)
    }
}
