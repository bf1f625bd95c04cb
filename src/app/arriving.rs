//! A request's body on its way in: how long it may take, and its place among the others.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::traffic::Traffic;
use crate::domain::{ArchiveProblem, CatalogError, Limit};

/// Bytes of a large body that are gathered before a blocking thread writes them; as many again may
/// be on their way to the disk meanwhile.
const BATCH: usize = 512 << 10;

/// How long a client may send nothing before its body counts as broken off.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How long it may send nothing before another large body may move in its place.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Bytes that are read and thrown away after a body went over its limit, so that the client is
/// done sending and reads the refusal instead of finding its connection reset.
const DRAIN_MAX: u64 = 128 << 20;

/// A body on its way in.
pub(super) struct Arriving<'b, 't, B> {
    body: Pin<&'b mut B>,
    /// Where its place is among the large bodies, once it turned out to be one.
    place: Option<Place<'t>>,
    /// How long the client may send nothing.
    idle_max: Duration,
    /// When all of it must have come.
    end: Option<Instant>,
}

/// A place among the large bodies that move.
struct Place<'t> {
    traffic: &'t Traffic,
    _permit: SemaphorePermit<'t>,
}

impl<'b, 't, B> Arriving<'b, 't, B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Starts a body that must have come whole by `end`.
    pub(super) fn new(body: Pin<&'b mut B>, end: Option<Instant>) -> Self {
        Self { body, place: None, idle_max: IDLE_MAX, end }
    }

    /// Waits for a place among the large bodies that move; `LimitExceeded` when none comes free.
    pub(super) async fn take_place(&mut self, traffic: &'t Traffic) -> Result<(), CatalogError> {
        let place = Place { traffic, _permit: traffic.start_upload().await? };
        self.place = Some(place);
        Ok(())
    }

    /// Waits for the next bytes; `None` at the body's end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, CatalogError> {
        loop {
            let now = Instant::now();
            let idle_end = now + self.idle_max;
            let (end, reason) = match self.end {
                // Waiting alone would let a client through that always has something there.
                Some(end) if end <= now => return Err(broken("it took too long")),
                Some(end) if end < idle_end => (end, "it took too long"),
                _ => (idle_end, "nothing came for too long"),
            };
            let pause = end.min(now + PAUSE_MAX);
            let frame = match tokio::time::timeout_at(pause, self.body.frame()).await {
                Ok(frame) => frame,
                Err(_) => {
                    // It stands still: meanwhile another one may move.
                    let place = self.place.take();
                    let traffic = place.map(|place| place.traffic);
                    let frame = tokio::time::timeout_at(end, self.body.frame()).await;
                    let frame = frame.map_err(|_| broken(reason))?;
                    if let Some(traffic) = traffic {
                        self.take_place(traffic).await?;
                    }
                    frame
                }
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|cause| broken(&cause.into().to_string()))?;
            match frame.into_data() {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Ok(Some(chunk)),
                // Trailers say nothing that is read here.
                Err(_) => {}
            }
        }
    }

    /// Gathers about [`BATCH`] bytes; true beside the last of the body.
    pub(super) async fn batch(&mut self) -> Result<(Vec<Bytes>, bool), CatalogError> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while size < BATCH {
            let Some(chunk) = self.next().await? else { return Ok((batch, true)) };
            // Chunks of one byte each take far more than their bytes.
            size += chunk.len() + size_of::<Bytes>();
            batch.push(chunk);
        }
        Ok((batch, false))
    }

    /// Throws the rest of a refused body away, within [`DRAIN_MAX`], and returns the refusal.
    pub(super) async fn drain(&mut self, refusal: CatalogError) -> CatalogError {
        let is_worth_it = matches!(
            refusal,
            CatalogError::LimitExceeded { what: Limit::BodySize | Limit::Uploads, .. }
        );
        if !is_worth_it {
            return refusal;
        }
        self.place = None;
        let mut thrown = 0;
        while let Ok(Some(chunk)) = self.next().await {
            thrown += chunk.len() as u64;
            if thrown > DRAIN_MAX {
                break;
            }
        }
        refusal
    }
}

/// A body that broke off is its sender's doing, and no fault to wake anybody for.
fn broken(reason: &str) -> CatalogError {
    tracing::debug!(reason, "a body broke off");
    ArchiveProblem::Incomplete(format!("the body broke off: {reason}")).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io;

    use http_body_util::channel::Channel;

    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().unwrap().block_on(test)
    }

    fn arriving(
        body: &mut Channel<Bytes, io::Error>,
    ) -> Arriving<'_, 'static, Channel<Bytes, io::Error>> {
        Arriving::new(Pin::new(body), None)
    }

    fn incomplete(outcome: Result<Option<Bytes>, CatalogError>) -> bool {
        matches!(outcome, Err(CatalogError::BadArchive(ArchiveProblem::Incomplete(_))))
    }

    #[test]
    fn a_client_that_goes_silent_is_given_up() {
        run(async {
            let (mut sender, mut body) = Channel::<Bytes, io::Error>::new(2);
            sender.send_data(Bytes::from_static(b"some")).await.unwrap();
            let idle_max = Duration::from_millis(1);
            let mut arriving = Arriving { idle_max, ..arriving(&mut body) };
            assert_eq!(arriving.next().await.unwrap().unwrap(), "some");
            assert!(incomplete(arriving.next().await));
            let (what, limit, actual) = (Limit::BodySize, 1, 2);
            let refusal = CatalogError::LimitExceeded { what, limit, actual };
            let refusal = arriving.drain(refusal).await;
            assert!(matches!(refusal, CatalogError::LimitExceeded { .. }));
        });
    }

    #[test]
    fn a_client_that_keeps_sending_has_no_more_than_its_time() {
        run(async {
            let (mut sender, mut body) = Channel::<Bytes, io::Error>::new(2);
            let mut arriving = arriving(&mut body);
            arriving.end = Some(Instant::now() + Duration::from_millis(1));
            let outcome = loop {
                // Never is there nothing to read, so that only the time can end it.
                let _ = sender.try_send(http_body::Frame::data(Bytes::from_static(b"x")));
                let outcome = arriving.next().await;
                if outcome.is_err() {
                    break outcome;
                }
            };
            assert!(incomplete(outcome));
        });
    }

    #[test]
    fn a_client_that_goes_away_is_no_fault_of_ours() {
        run(async {
            let (sender, mut body) = Channel::<Bytes, io::Error>::new(2);
            sender.abort(io::ErrorKind::ConnectionReset.into());
            let mut arriving = arriving(&mut body);
            assert!(incomplete(arriving.next().await));
        });
    }

    #[test]
    fn a_batch_of_tiny_chunks_is_not_larger_than_others() {
        run(async {
            let (mut sender, mut body) = Channel::<Bytes, io::Error>::new(BATCH);
            for _ in 0..BATCH {
                sender.try_send(http_body::Frame::data(Bytes::from_static(b"x"))).unwrap();
            }
            let mut arriving = arriving(&mut body);
            let (batch, is_last) = arriving.batch().await.unwrap();
            assert!(!is_last);
            assert!(batch.len() * size_of::<Bytes>() <= BATCH);
        });
    }
}
