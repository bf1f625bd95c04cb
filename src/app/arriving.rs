//! A request's body on its way in: how long it may take, and its place among the others.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::admission::Admission;
use crate::domain::{ArchiveProblem, CatalogError, Limit};

/// Bytes of a large body that are gathered before a blocking thread writes them; as many again may
/// be on their way to the disk meanwhile.
pub(super) const BATCH: usize = 512 << 10;

/// How long a client may send nothing before its body counts as broken off.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How long it may send nothing before another large body may move in its place.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Bytes of a refused body that are read and thrown away, so that the client is done sending and
/// reads the refusal instead of finding its connection reset.
const DRAIN_MAX: u64 = 128 << 20;

/// A body on its way in.
pub(super) struct Arriving<'b, 't, B> {
    body: Pin<&'b mut B>,
    /// Where its place is among the large bodies, once it turned out to be one.
    place: Option<Place<'t>>,
    /// How long the client may send nothing.
    idle_max: Duration,
    /// How long until that counts as a pause.
    pause_max: Duration,
    /// When all of it must have come.
    end: Option<Instant>,
}

/// A place among the large bodies that move.
struct Place<'t> {
    admission: &'t Admission,
    _permit: SemaphorePermit<'t>,
}

impl<'b, 't, B> Arriving<'b, 't, B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Starts a body that must have come whole by `end`.
    pub(super) fn new(body: Pin<&'b mut B>, end: Option<Instant>) -> Self {
        Self { body, place: None, idle_max: IDLE_MAX, pause_max: PAUSE_MAX, end }
    }

    /// Waits for a place among the large bodies that move; `LimitExceeded` when none comes free.
    pub(super) async fn take_place(
        &mut self,
        admission: &'t Admission,
    ) -> Result<(), CatalogError> {
        let place = Place { admission, _permit: admission.start_upload().await? };
        self.place = Some(place);
        Ok(())
    }

    /// Waits for the next bytes; `None` at the body's end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, CatalogError> {
        let idle_end = Instant::now() + self.idle_max;
        let pause = idle_end.min(Instant::now() + self.pause_max);
        if let Some(came) = self.next_until(pause).await? {
            return Ok(came);
        }
        // It stands still: meanwhile another one may move.
        let admission = self.place.take().map(|place| place.admission);
        let came = self.next_until(idle_end).await?;
        let came = came.ok_or_else(|| broken("nothing came for too long"))?;
        if let Some(admission) = admission {
            self.take_place(admission).await?;
        }
        Ok(came)
    }

    /// Waits for the next bytes for some time; the outer `None` when nothing came in it.
    async fn next_until(&mut self, until: Instant) -> Result<Option<Option<Bytes>>, CatalogError> {
        let until = self.end.map_or(until, |end| end.min(until));
        loop {
            // Waiting alone would let a client through that always has something there.
            if self.is_late() {
                return Err(broken("it took too long"));
            }
            let frame = match tokio::time::timeout_at(until, self.body.frame()).await {
                Ok(Some(frame)) => frame.map_err(|cause| broken(&cause.into().to_string()))?,
                Ok(None) => return Ok(Some(None)),
                Err(_) if self.is_late() => return Err(broken("it took too long")),
                Err(_) => return Ok(None),
            };
            match frame.into_data() {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Ok(Some(Some(chunk))),
                // Trailers say nothing that is read here.
                Err(_) => {}
            }
        }
    }

    fn is_late(&self) -> bool {
        self.end.is_some_and(|end| end <= Instant::now())
    }

    /// Gathers about [`BATCH`] bytes, or fewer when the client pauses: what stands still waits on
    /// the disk and not in memory. True beside the last of the body.
    pub(super) async fn batch(&mut self) -> Result<(Vec<Bytes>, bool), CatalogError> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while size < BATCH {
            let came = match batch.is_empty() {
                true => self.next().await?,
                false => match self.next_until(Instant::now() + self.pause_max).await? {
                    Some(came) => came,
                    None => break,
                },
            };
            let Some(chunk) = came else { return Ok((batch, true)) };
            // Chunks of one byte each take far more than their bytes.
            size += chunk.len() + size_of::<Bytes>();
            batch.push(chunk);
        }
        Ok((batch, false))
    }

    /// Throws the rest of a body away that is too much, and returns the refusal.
    pub(super) async fn drain(&mut self, refusal: CatalogError) -> CatalogError {
        let is_worth_it = matches!(
            refusal,
            CatalogError::LimitExceeded { what: Limit::BodySize | Limit::Uploads, .. }
        );
        if is_worth_it {
            self.throw_away().await;
        }
        refusal
    }

    /// Throws the rest of a refused body away, within [`DRAIN_MAX`].
    pub(super) async fn throw_away(&mut self) {
        self.place = None;
        let mut thrown = 0;
        while let Ok(Some(chunk)) = self.next().await {
            thrown += chunk.len() as u64;
            if thrown > DRAIN_MAX {
                break;
            }
        }
    }
}

/// A body that broke off is its sender's doing, and no fault to wake anybody for.
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
    fn a_client_that_pauses_leaves_nothing_in_memory() {
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
