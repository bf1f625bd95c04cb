//! Bounds how much of refused bodies is read.
//!
//! The server reads the rest of a refused body and drops it, so that the client finishes sending
//! and reads the refusal instead of a connection reset. Most of these clients are not verified:
//! a body arrives before its signature can be checked. Knows no cloud.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a refused body that are read without a permit. A spool reads ahead by a little more
/// than 1 MiB before it notices that its limit is exceeded.
const UNPERMITTED_MAX: u64 = 2 << 20;

/// The permits for long refused bodies; cheap to clone.
///
/// They are not the permits of uploads, since clients without a key could then use those up. A body
/// does not wait for a permit: without one it breaks off after 2 MiB, and the connection is closed.
/// The client may then see a reset instead of the refusal.
#[derive(Clone)]
pub struct Drains(Arc<Semaphore>);

impl Drains {
    /// Allows `count` long refused bodies at the same time.
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Wraps a body of which `accepted` bytes may be used; what follows them is refused.
    pub fn bound(&self, body: Body, accepted: u64) -> Bounded {
        let left = accepted.saturating_add(UNPERMITTED_MAX);
        Bounded { body, left, drains: self.clone(), permit: None }
    }
}

/// A body that breaks off where a permit is needed and none is free.
pub struct Bounded {
    body: Body,
    /// Bytes that may still be read without a permit.
    left: u64,
    drains: Drains,
    permit: Option<OwnedSemaphorePermit>,
}

impl Bounded {
    /// Counts bytes that have arrived; returns whether they may be read.
    fn admits(&mut self, bytes: u64) -> bool {
        if self.permit.is_some() {
            return true;
        }
        if let Some(left) = self.left.checked_sub(bytes) {
            self.left = left;
            return true;
        }
        self.permit = Arc::clone(&self.drains.0).try_acquire_owned().ok();
        self.permit.is_some()
    }
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        if !self.admits(bytes as u64) {
            return Poll::Ready(Some(Err("too many refused bodies are being read".into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt;
    use tokio::runtime::Builder;

    use super::*;

    const PIECE: usize = 256 << 10;

    /// Returns a body of this many pieces.
    fn body(pieces: usize) -> Body {
        let piece = || Ok::<_, BoxError>(Bytes::from(vec![0; PIECE]));
        Body::from_stream(stream::iter((0..pieces).map(move |_| piece())))
    }

    /// Reads a body; returns how many pieces came before its end, or before it broke off.
    fn read(body: &mut Bounded) -> Result<usize, usize> {
        let mut pieces = 0;
        Builder::new_current_thread().build().unwrap().block_on(async {
            loop {
                match body.frame().await {
                    Some(Ok(_)) => pieces += 1,
                    Some(Err(_)) => return Err(pieces),
                    None => return Ok(pieces),
                }
            }
        })
    }

    #[test]
    fn long_refused_bodies_need_a_permit() {
        let drains = Drains::new(1);
        let mut first = drains.bound(body(40), 0);
        assert_eq!(read(&mut first), Ok(40));
        assert_eq!(read(&mut drains.bound(body(40), 0)), Err(8));
        assert_eq!(read(&mut drains.bound(body(8), 0)), Ok(8));
        drop(first);
        assert_eq!(read(&mut drains.bound(body(40), 0)), Ok(40));
    }

    #[test]
    fn accepted_bytes_need_no_permit() {
        let drains = Drains::new(0);
        let accepted = 20 * PIECE as u64;
        assert_eq!(read(&mut drains.bound(body(20), accepted)), Ok(20));
        assert_eq!(read(&mut drains.bound(body(40), accepted)), Err(28));
        assert_eq!(read(&mut drains.bound(body(40), u64::MAX)), Ok(40));
    }
}
