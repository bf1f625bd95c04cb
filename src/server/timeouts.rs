//! The timeouts of a connection: when the client last made progress, when it is given up, and when
//! its connection may have to give way to another one.
//!
//! There is one timer for each connection: one for each request would cost more than a small
//! answer. When the timer fires, the deadline has mostly moved, and the timer is set again.
//! Knows nothing of requests but their beginning and end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The start of a wait that is not running.
const NOT_WAITING: u64 = u64::MAX;

/// How long a client may be slow with a body or a response before its connection gives way, and the
/// bytes of a body in this time that are not slow.
const SLOW_AFTER: Duration = Duration::from_secs(2);
const SLOW_BYTES: u64 = 2048;

/// Bytes of a response's body that may wait to be written before more of it is read.
const UNWRITTEN_MAX: u64 = 16 << 10;

/// How long the server waits for a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// Longest time until the connection's first head has arrived.
    pub(super) first_head: Duration,
    /// Longest time until a further head has arrived, from the end of the previous response.
    pub(super) head: Duration,
    /// Longest time in which the client reads nothing of a response that the system's buffers
    /// cannot hold.
    pub(super) stall: Duration,
}

/// One connection's waits for its client; shared by its stream, its response bodies and its timer.
pub(super) struct Watchdog {
    start: Instant,
    /// When the wait for a head began, in nanoseconds after `start`, or [`NOT_WAITING`].
    head: AtomicU64,
    /// When a write first had to wait for the client, likewise.
    stalled: AtomicU64,
    /// When the server began to wait for the next [`SLOW_BYTES`] of the request's body, likewise;
    /// and those of them that have arrived.
    body: AtomicU64,
    received: AtomicU64,
    /// When the last of these arrived, likewise.
    read: AtomicU64,
    /// Bytes of the response's body that hyper has taken, and bytes that were written since then.
    /// The body waits while their difference is [`UNWRITTEN_MAX`] or more; `writing` wakes it.
    taken: AtomicU64,
    written: AtomicU64,
    writing: AtomicWaker,
    /// Whether a part of the request's body is not read yet.
    is_unread: AtomicBool,
    /// Whether a head has arrived.
    has_asked: AtomicBool,
    gives_way: Notify,
}

impl Watchdog {
    /// The wait for the first head begins now.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            head: AtomicU64::new(0),
            stalled: AtomicU64::new(NOT_WAITING),
            body: AtomicU64::new(NOT_WAITING),
            received: AtomicU64::new(0),
            read: AtomicU64::new(NOT_WAITING),
            taken: AtomicU64::new(0),
            written: AtomicU64::new(0),
            writing: AtomicWaker::new(),
            is_unread: AtomicBool::new(false),
            has_asked: AtomicBool::new(false),
            gives_way: Notify::new(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(NOT_WAITING - 1)
    }

    /// Ends the wait for a head; dropping the returned value begins the next one.
    pub(super) fn request_began(self: &Arc<Self>) -> InFlight {
        self.head.store(NOT_WAITING, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Returns when the client times out, if the server waits for it at all.
    fn deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        let after = |since: &AtomicU64, length: Duration| match since.load(Ordering::Relaxed) {
            NOT_WAITING => None,
            since => Some(self.start + Duration::from_nanos(since) + length),
        };
        let has_asked = self.has_asked.load(Ordering::Relaxed);
        let head = if has_asked { timeouts.head } else { timeouts.first_head };
        let ends = [after(&self.head, head), after(&self.stalled, timeouts.stall)];
        ends.into_iter().flatten().min()
    }

    /// Notes that the request in flight has a body.
    fn body_began(&self) {
        self.received.store(0, Ordering::Relaxed);
        self.is_unread.store(true, Ordering::Relaxed);
        self.read.store(self.now(), Ordering::Relaxed);
    }

    /// Notes that the server waits for bytes of the body.
    fn body_pending(&self) {
        if self.body.load(Ordering::Relaxed) == NOT_WAITING {
            self.body.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Counts bytes of the body that have arrived.
    fn received(&self, bytes: u64) {
        if self.received.fetch_add(bytes, Ordering::Relaxed) + bytes >= SLOW_BYTES {
            self.received.store(0, Ordering::Relaxed);
            self.body.store(NOT_WAITING, Ordering::Relaxed);
            self.read.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Whether so much of the response is not written yet that no more of it should be read.
    fn is_behind(&self) -> bool {
        let taken = self.taken.load(Ordering::Relaxed);
        taken.saturating_sub(self.written.load(Ordering::Relaxed)) >= UNWRITTEN_MAX
    }

    /// Whether the request in flight has a body of which not all is read.
    pub(super) fn has_unread(&self) -> bool {
        self.is_unread.load(Ordering::Relaxed)
    }

    /// Returns how early the connection gives way to another one, if it may: first those that wait
    /// for a head, then those whose body or response moves slowly, then those whose body waits
    /// until the server can take more of it, each by the start of the wait.
    pub(super) fn rank(&self, now: Instant) -> Option<(u8, Instant)> {
        let since = |wait: &AtomicU64| match wait.load(Ordering::Relaxed) {
            NOT_WAITING => None,
            since => Some(self.start + Duration::from_nanos(since)),
        };
        let head = since(&self.head).map(|since| (0, since));
        let is_slow = |since: &Instant| now.saturating_duration_since(*since) >= SLOW_AFTER;
        let slow = |wait: &AtomicU64| since(wait).filter(is_slow).map(|since| (1, since));
        let waiting = || {
            let is_waiting = self.has_unread() && since(&self.body).is_none();
            since(&self.read).filter(|since| is_waiting && is_slow(since)).map(|since| (2, since))
        };
        head.or_else(|| slow(&self.body)).or_else(|| slow(&self.stalled)).or_else(waiting)
    }

    /// Has the connection end for another one.
    pub(super) fn give_way(&self) {
        self.gives_way.notify_one();
    }

    /// Resolves when the connection has to give way.
    pub(super) async fn gave_way(&self) {
        self.gives_way.notified().await;
    }

    /// Resolves when the client has timed out.
    pub(super) async fn timed_out(&self, timeouts: Timeouts) {
        loop {
            let now = Instant::now();
            // A wait may begin right after this look, and then has its whole timeout.
            let shortest = timeouts.first_head.min(timeouts.head).min(timeouts.stall);
            let deadline = self.deadline(timeouts).unwrap_or(now + shortest);
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

/// The body of a request, whose bytes are counted.
pub(super) struct ReceivedBody<B> {
    body: B,
    watchdog: Arc<Watchdog>,
}

impl<B: http_body::Body> ReceivedBody<B> {
    pub(super) fn new(body: B, watchdog: Arc<Watchdog>) -> Self {
        if !body.is_end_stream() {
            watchdog.body_began();
        }
        Self { body, watchdog }
    }
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for ReceivedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let is_ended = match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.watchdog.received(bytes as u64);
                self.body.is_end_stream()
            }
            Poll::Ready(Some(Err(_))) => false,
            Poll::Ready(None) => true,
            Poll::Pending => {
                self.watchdog.body_pending();
                false
            }
        };
        if is_ended {
            self.watchdog.is_unread.store(false, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for ReceivedBody<B> {
    fn drop(&mut self) {
        self.watchdog.body.store(NOT_WAITING, Ordering::Relaxed);
    }
}

/// The body of a response; the request is in flight until this is dropped.
pub(super) struct TrackedBody {
    body: Body,
    in_flight: InFlight,
}

impl TrackedBody {
    pub(super) fn new(body: Body, in_flight: InFlight) -> Self {
        in_flight.0.taken.store(0, Ordering::Relaxed);
        in_flight.0.written.store(0, Ordering::Relaxed);
        Self { body, in_flight }
    }
}

impl http_body::Body for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let watchdog = &self.in_flight.0;
        if watchdog.is_behind() {
            // hyper would gather 64 KiB and more for a client that reads nothing.
            watchdog.writing.register(context.waker());
            if watchdog.is_behind() {
                return Poll::Pending;
            }
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.in_flight.0.taken.fetch_add(bytes, Ordering::Relaxed);
        }
        polled
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

    /// Notes bytes that were written, and wakes the response that waits for it.
    fn count(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.watchdog.written.fetch_add(*bytes as u64, Ordering::Relaxed);
            self.watchdog.writing.wake();
        }
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
        self.count(&written);
        self.track(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.count(&written);
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use http_body_util::channel::Channel;

    use super::*;

    #[tokio::test]
    async fn a_connection_gives_way_while_its_body_is_slow() {
        let watchdog = Watchdog::new();
        let class = |later| watchdog.rank(Instant::now() + later).map(|(class, _)| class);
        assert_eq!(class(Duration::ZERO), Some(0), "it waits for a head");
        let in_flight = watchdog.request_began();
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(2);
        let mut body = ReceivedBody::new(body, Arc::clone(&watchdog));
        assert!(watchdog.has_unread());
        for step in 0..3 {
            assert!(body.frame().now_or_never().is_none());
            assert_eq!(class(SLOW_AFTER / 2), None, "{step}");
            assert_eq!(class(SLOW_AFTER), Some(1), "{step}");
            sender.send_data(Bytes::from(vec![7; 2048])).await.unwrap();
            assert!(body.frame().now_or_never().is_some());
            // The server may be busy with what came: it does not wait for the client.
            assert_eq!(class(SLOW_AFTER / 2), None, "{step}");
            assert_eq!(class(SLOW_AFTER), Some(2), "{step}");
        }
        assert!(body.frame().now_or_never().is_none());
        sender.send_data(Bytes::from(vec![7; 2047])).await.unwrap();
        assert!(body.frame().now_or_never().is_some());
        assert_eq!(class(SLOW_AFTER), Some(1), "one byte too few");
        drop(sender);
        assert!(body.frame().await.is_none());
        assert!(!watchdog.has_unread());
        drop(body);
        assert_eq!(class(SLOW_AFTER * 9), None, "the request is being handled");
        drop(in_flight);
        assert_eq!(class(Duration::ZERO), Some(0));
    }
}
