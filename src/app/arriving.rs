//! A request's body while it arrives: its timeouts and its upload permit.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::admission::Admission;
use super::batches::BATCH;
use crate::domain::{ArchiveProblem, CatalogError, RequestError};

/// How long a client may send nothing before its body counts as broken off.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How long a client may send nothing, or fewer than [`BRISK`] bytes, before its upload permit is
/// released.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Bytes that a client must send in [`PAUSE_MAX`] to hold an upload permit: slow clients must not
/// keep others out. Bytes of slow clients wait on disk, not in memory.
const BRISK: u64 = 64 << 10;

/// Bytes of a refused body that are read and dropped: the client then finishes sending and reads
/// the refusal instead of a connection reset.
const DRAIN_MAX: u64 = 128 << 20;

/// Bytes that a client must send in any [`PACE_TIME`] that the server waits for it, so that it
/// cannot hold a connection by a few bytes now and then.
const PACE: u64 = 4096;
const PACE_TIME: Duration = Duration::from_secs(60);

/// A body while it arrives.
pub(super) struct Arriving<'b, 'a, B> {
    body: Pin<&'b mut B>,
    /// The upload permit of a large body.
    permit: Option<UploadPermit<'a>>,
    /// The source of the next permit, while the client is slow.
    slow: Option<&'a Admission>,
    /// How long the server has waited for the last bytes, fewer than [`BRISK`], and their number.
    lap: (Duration, u64),
    /// How long the client may send nothing.
    idle_max: Duration,
    /// How long the client may send nothing before that counts as a pause.
    pause_max: Duration,
    /// When the body must be complete.
    deadline: Option<Instant>,
    /// How long the server has waited for the last bytes, fewer than [`PACE`], and their number.
    waited: Duration,
    arrived: u64,
}

/// A permit for a large body, and the source of the next one after a pause.
struct UploadPermit<'a> {
    admission: &'a Admission,
    _permit: SemaphorePermit<'a>,
}

impl<'b, 'a, B> Arriving<'b, 'a, B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Starts a body that must be complete by `deadline`.
    pub(super) fn new(body: Pin<&'b mut B>, deadline: Option<Instant>) -> Self {
        Self {
            body,
            permit: None,
            slow: None,
            lap: (Duration::ZERO, 0),
            idle_max: IDLE_MAX,
            pause_max: PAUSE_MAX,
            deadline,
            waited: Duration::ZERO,
            arrived: 0,
        }
    }

    /// Returns how many bytes will come at least: their number, if the client declared it.
    pub(super) fn least_size(&self) -> u64 {
        self.body.size_hint().lower()
    }

    /// Waits for an upload permit; fails with a `Limit` of `Uploads` when none becomes free.
    pub(super) async fn take_permit(
        &mut self,
        admission: &'a Admission,
    ) -> Result<(), RequestError> {
        self.permit = Some(UploadPermit { admission, _permit: admission.start_upload().await? });
        Ok(())
    }

    /// Waits for the next bytes; `None` at the body's end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        let idle_end = Instant::now() + self.idle_max;
        let pause = idle_end.min(Instant::now() + self.pause_max);
        if let Some(arrived) = self.next_until(pause).await? {
            return self.count_lap(arrived).await;
        }
        // The client pauses: another upload may run meanwhile.
        self.release_permit();
        let arrived = self.next_until(idle_end).await?;
        let arrived = arrived.ok_or_else(|| broken("nothing came for too long"))?;
        self.count_lap(arrived).await
    }

    /// Counts bytes that have arrived. Releases the permit of a client that is slow, and takes one
    /// again when it no longer is.
    async fn count_lap(&mut self, arrived: Option<Bytes>) -> Result<Option<Bytes>, RequestError> {
        let Some(chunk) = &arrived else { return Ok(None) };
        self.lap.1 += chunk.len() as u64;
        if self.lap.1 >= BRISK {
            self.lap = (Duration::ZERO, 0);
            if let Some(admission) = self.slow.take() {
                self.take_permit(admission).await?;
            }
        } else if self.lap.0 >= self.pause_max {
            self.lap = (Duration::ZERO, 0);
            self.release_permit();
        }
        Ok(arrived)
    }

    fn release_permit(&mut self) {
        self.slow = self.permit.take().map(|permit| permit.admission).or(self.slow);
    }

    /// Waits for the next bytes until `until`; the outer `None` is a timeout.
    async fn next_until(&mut self, until: Instant) -> Result<Option<Option<Bytes>>, CatalogError> {
        let until = self.deadline.map_or(until, |deadline| deadline.min(until));
        loop {
            // The timeout alone never fires for a client that always has bytes ready.
            if self.is_late() {
                return Err(broken("it took too long"));
            }
            let begin = Instant::now();
            let frame = tokio::time::timeout_at(until, self.body.frame()).await;
            self.waited += begin.elapsed();
            self.lap.0 += begin.elapsed();
            let frame = match frame {
                Ok(Some(frame)) => frame.map_err(|cause| broken(&cause.into().to_string()))?,
                Ok(None) => return Ok(Some(None)),
                Err(_) if self.is_late() => return Err(broken("it took too long")),
                Err(_) => return Ok(None),
            };
            match frame.into_data() {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => {
                    self.keep_pace(chunk.len() as u64)?;
                    return Ok(Some(Some(chunk)));
                }
                // Trailers are not used.
                Err(_) => {}
            }
        }
    }

    /// Counts bytes that have arrived; fails if they are too few for the time that they took.
    fn keep_pace(&mut self, bytes: u64) -> Result<(), CatalogError> {
        self.arrived += bytes;
        if self.arrived >= PACE {
            (self.waited, self.arrived) = (Duration::ZERO, 0);
        } else if self.waited >= PACE_TIME {
            return Err(broken("it came too slowly"));
        }
        Ok(())
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Gathers about [`BATCH`] bytes, or fewer when the client pauses: a paused upload waits on
    /// disk, not in memory. True beside the last batch of the body.
    pub(super) async fn batch(&mut self) -> Result<(Vec<Bytes>, bool), RequestError> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while size < BATCH {
            let arrived = if batch.is_empty() {
                self.next().await?
            } else {
                match self.next_until(Instant::now() + self.pause_max).await? {
                    Some(arrived) => self.count_lap(arrived).await?,
                    None => break,
                }
            };
            let Some(chunk) = arrived else { return Ok((batch, true)) };
            // A chunk of one byte takes far more memory than one byte.
            size += chunk.len() + size_of::<Bytes>();
            batch.push(chunk);
            if self.slow.is_some() {
                break;
            }
        }
        Ok((batch, false))
    }

    /// Drops the rest of a refused body, unless it broke off, and returns the refusal.
    pub(super) async fn drain(&mut self, refusal: RequestError) -> RequestError {
        let is_broken = matches!(
            refusal,
            RequestError::Catalog(CatalogError::BadArchive(ArchiveProblem::Incomplete(_)))
        );
        if !is_broken {
            self.drop_rest().await;
        }
        refusal
    }

    /// Reads and drops the rest of a refused body, up to [`DRAIN_MAX`] bytes.
    pub(super) async fn drop_rest(&mut self) {
        self.permit = None;
        let mut dropped = 0;
        while let Ok(Some(chunk)) = self.next().await {
            dropped += chunk.len() as u64;
            if dropped > DRAIN_MAX {
                break;
            }
        }
    }
}

/// Reports a body that broke off. The client caused it, so it is logged for debugging only.
fn broken(reason: &str) -> CatalogError {
    tracing::debug!(reason, "a body broke off");
    ArchiveProblem::Incomplete(format!("the body broke off: {reason}")).into()
}

#[cfg(test)]
mod tests {
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

    fn incomplete(outcome: Result<Option<Bytes>, RequestError>) -> bool {
        matches!(
            outcome,
            Err(RequestError::Catalog(CatalogError::BadArchive(ArchiveProblem::Incomplete(_))))
        )
    }

    #[test]
    fn an_idle_client_times_out() {
        run(async {
            let (mut sender, mut body) = Channel::<Bytes, io::Error>::new(2);
            sender.send_data(Bytes::from_static(b"some")).await.unwrap();
            let idle_max = Duration::from_millis(1);
            let mut arriving = Arriving { idle_max, ..arriving(&mut body) };
            assert_eq!(arriving.next().await.unwrap().unwrap(), "some");
            assert!(incomplete(arriving.next().await));
            let refusal = arriving.drain(RequestError::body_size(1, 2)).await;
            assert!(matches!(refusal, RequestError::Limit { .. }));
        });
    }

    #[test]
    fn a_client_that_keeps_sending_meets_the_deadline() {
        run(async {
            let (mut sender, mut body) = Channel::<Bytes, io::Error>::new(2);
            let mut arriving = arriving(&mut body);
            arriving.deadline = Some(Instant::now() + Duration::from_millis(1));
            let outcome = loop {
                // Bytes are always ready, so only the deadline can end it.
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
    fn a_client_that_sends_a_byte_now_and_then_is_given_up() {
        let (_, mut body) = Channel::<Bytes, io::Error>::new(2);
        let mut arriving = arriving(&mut body);
        arriving.waited = PACE_TIME;
        arriving.keep_pace(PACE).unwrap();
        assert_eq!(arriving.waited, Duration::ZERO, "that was enough");
        arriving.waited = PACE_TIME - Duration::from_millis(1);
        arriving.keep_pace(1).unwrap();
        arriving.waited += Duration::from_millis(1);
        assert!(arriving.keep_pace(PACE - 2).is_err());
        let (mut sender, mut body) = Channel::<Bytes, io::Error>::new(2);
        let mut arriving = Arriving::new(Pin::new(&mut body), None);
        arriving.waited = PACE_TIME;
        sender.try_send(http_body::Frame::data(Bytes::from_static(b"x"))).unwrap();
        run(async { assert!(incomplete(arriving.next().await)) });
    }

    #[test]
    fn a_lost_connection_is_an_incomplete_body() {
        run(async {
            let (sender, mut body) = Channel::<Bytes, io::Error>::new(2);
            sender.abort(io::ErrorKind::ConnectionReset.into());
            let mut arriving = arriving(&mut body);
            assert!(incomplete(arriving.next().await));
        });
    }

    #[test]
    fn a_pause_ends_the_batch() {
        run(async {
            let (mut sender, mut body) = Channel::<Bytes, io::Error>::new(2);
            let mut arriving =
                Arriving { pause_max: Duration::from_millis(1), ..arriving(&mut body) };
            sender.send_data(Bytes::from_static(b"some")).await.unwrap();
            let (batch, is_last) = arriving.batch().await.unwrap();
            assert_eq!((batch.concat(), is_last), (b"some".to_vec(), false));
            sender.send_data(Bytes::from_static(b"more")).await.unwrap();
            drop(sender);
            let (batch, is_last) = arriving.batch().await.unwrap();
            assert_eq!((batch.concat(), is_last), (b"more".to_vec(), true));
        });
    }

    #[test]
    fn a_batch_of_tiny_chunks_is_bounded_in_memory() {
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
