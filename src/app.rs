//! What every handler gets: the catalog, the clock, the settings it needs.
//!
//! The only bridge between async handlers and blocking work. Knows no HTTP framework.

mod traffic;

use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::catalog::{Catalog, Clock, IdSource};
use crate::config::{Auth, Config};
use crate::domain::{
    ArchiveProblem, ArtifactLimits, CatalogError, Key, KeyId, Limit, TenantId, TenantSpelling,
};
use crate::ingest::spool::MEMORY_MAX;
use crate::ingest::{Measure, Spool, SpoolWriter};
use traffic::Traffic;

/// Bytes of a large body that are gathered before a blocking thread writes them; as many again may
/// be on their way to the disk meanwhile.
const BATCH: usize = 512 << 10;

/// How long a client may send nothing before its body counts as broken off.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Bytes that are read and thrown away after a body went over its limit, so that the client is
/// done sending and reads the refusal instead of finding its connection reset.
const DRAIN_MAX: u64 = 128 << 20;

/// The shared state of all handlers; cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    catalog: Arc<Catalog>,
    clock: Clock,
    ids: IdSource,
    config: Config,
    port: u16,
    traffic: Traffic,
}

impl App {
    /// Wires the parts; `port` is the one that the server listens on.
    pub fn new(catalog: Catalog, clock: Clock, ids: IdSource, config: Config, port: u16) -> Self {
        let (catalog, traffic) = (Arc::new(catalog), Traffic::new(&config));
        Self { inner: Arc::new(Inner { catalog, clock, ids, config, port, traffic }) }
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Whether clients must sign.
    pub fn verifies_signatures(&self) -> bool {
        self.config().auth == Auth::On
    }

    /// Takes a place among the requests that run, until the result is dropped; `LimitExceeded`
    /// when there are `max_requests` already.
    pub fn start_request(&self) -> Result<impl Drop + '_, CatalogError> {
        self.inner.traffic.start_request()
    }

    /// Waits for a place among the large bodies that arrive, which is kept until the result is
    /// dropped; `LimitExceeded` when none of `max_uploads` comes free in time.
    pub async fn start_upload(&self) -> Result<impl Drop + '_, CatalogError> {
        self.inner.traffic.start_upload().await
    }

    /// Counts a request of a key; `LimitExceeded` past `rate_limit` in one second.
    pub fn count_request(&self, key: &KeyId) -> Result<(), CatalogError> {
        self.inner.traffic.count(key, self.clock().now())
    }

    /// Has it written down, without waiting for it, that a key was let in.
    pub fn note_use(&self, key: &Key) {
        let catalog = self.catalog();
        if !catalog.is_use_due(key, self.clock().now()) {
            return;
        }
        let (catalog, id) = (Arc::clone(&self.inner.catalog), key.id.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = catalog.note_use(&id) {
                tracing::warn!(?failure, "the use of a key was not written down");
            }
        });
    }

    /// Returns the port that the server listens on.
    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Returns the source of ids.
    pub fn ids(&self) -> &IdSource {
        &self.inner.ids
    }

    /// Returns the catalog for what takes no time: its counters and keys.
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// Returns how a tenant is called in the clouds: as the catalog has it, else as configured;
    /// what is set in neither is derived by each dialect.
    pub fn spelling(&self, tenant: &TenantId) -> TenantSpelling {
        let spelling = self.catalog().spelling(tenant);
        match self.config().tenants.get(tenant.as_str()) {
            Some(configured) => spelling.or(configured),
            None => spelling,
        }
    }

    /// Returns the limits of an upload whose zip may have `vendor_limit` bytes in the caller's
    /// cloud. `--max-upload` replaces that limit, up or down.
    pub fn upload_limits(&self, vendor_limit: u64) -> ArtifactLimits {
        let config = self.config();
        ArtifactLimits {
            size: config.max_upload.unwrap_or(vendor_limit),
            unpacked: config.max_unpacked,
            entries: config.max_entries,
            ..ArtifactLimits::default()
        }
    }

    /// Runs a short, indexed read on this thread (`LIMITS.md`: moving it elsewhere costs more than
    /// the read itself).
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Catalog) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        read(&self.inner.catalog)
    }

    /// Runs work that waits for the disk, or scans, on a thread made for that.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.blocking(work).await?
    }

    /// Like [`App::write`], for work with another outcome.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        let catalog = Arc::clone(&self.inner.catalog);
        tokio::task::spawn_blocking(move || work(&catalog)).await.map_err(CatalogError::internal)
    }

    /// Reads a request's body once: into memory while it is small, into a file beyond that.
    ///
    /// No thread waits for the client: one is taken for each batch that is to be written.
    /// `LimitExceeded` past `limit` bytes; `BadArchive(Incomplete)` for a body that breaks off,
    /// stands still or takes longer than the settings allow.
    pub async fn spool<B>(
        &self,
        body: B,
        limit: u64,
        measure: Measure,
    ) -> Result<Spool, CatalogError>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let body = pin!(body);
        if body.is_end_stream() {
            return Ok(Spool::empty());
        }
        let end = self.config().body_timeout.map(|length| Instant::now() + length);
        let mut arriving = Arriving { body, idle_max: IDLE_MAX, end };
        let mut writer = SpoolWriter::new(self.inner.catalog.incoming(), limit, measure);
        let mut room = MEMORY_MAX;
        while let Some(chunk) = arriving.next().await? {
            if chunk.len() > room {
                return self.spool_to_file(arriving, writer, chunk).await;
            }
            room -= chunk.len();
            if let Err(refusal) = writer.write(chunk) {
                return Err(arriving.drain(refusal).await);
            }
        }
        writer.finish()
    }

    /// Gathers one batch while the one before it is written.
    async fn spool_to_file<B>(
        &self,
        mut arriving: Arriving<'_, B>,
        writer: SpoolWriter,
        first: Bytes,
    ) -> Result<Spool, CatalogError>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut writing = write_batch(writer, vec![first]);
        loop {
            let (batch, is_last) = match arriving.batch().await {
                Ok(gathered) => gathered,
                Err(broken) => {
                    // Its file goes where files may take their time, and before anybody is told.
                    let writer = written(writing).await;
                    self.blocking(move |_| drop(writer)).await?;
                    return Err(broken);
                }
            };
            let mut writer = match written(writing).await {
                Ok(writer) => writer,
                Err(refusal) => return Err(arriving.drain(refusal).await),
            };
            if is_last {
                let end = move |_: &Catalog| {
                    batch.into_iter().try_for_each(|chunk| writer.write(chunk))?;
                    writer.finish()
                };
                return self.write(end).await;
            }
            writing = write_batch(writer, batch);
        }
    }
}

/// The way of a body's writer to a blocking thread and back.
type Writing = JoinHandle<Result<SpoolWriter, CatalogError>>;

fn write_batch(mut writer: SpoolWriter, batch: Vec<Bytes>) -> Writing {
    tokio::task::spawn_blocking(move || {
        batch.into_iter().try_for_each(|chunk| writer.write(chunk))?;
        Ok(writer)
    })
}

async fn written(writing: Writing) -> Result<SpoolWriter, CatalogError> {
    writing.await.map_err(CatalogError::internal)?
}

/// A body on its way in.
struct Arriving<'b, B> {
    body: Pin<&'b mut B>,
    /// How long the client may send nothing.
    idle_max: Duration,
    /// When all of it must have come.
    end: Option<Instant>,
}

impl<B> Arriving<'_, B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Waits for the next bytes; `None` at the body's end.
    async fn next(&mut self) -> Result<Option<Bytes>, CatalogError> {
        loop {
            let now = Instant::now();
            let idle_end = now + self.idle_max;
            let (end, reason) = match self.end {
                // Waiting alone would let a client through that always has something there.
                Some(end) if end <= now => return Err(broken("it took too long")),
                Some(end) if end < idle_end => (end, "it took too long"),
                _ => (idle_end, "nothing came for too long"),
            };
            let frame = tokio::time::timeout_at(end, self.body.frame()).await;
            let frame = frame.map_err(|_| broken(reason))?;
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
    async fn batch(&mut self) -> Result<(Vec<Bytes>, bool), CatalogError> {
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
    async fn drain(&mut self, refusal: CatalogError) -> CatalogError {
        if !matches!(refusal, CatalogError::LimitExceeded { what: Limit::BodySize, .. }) {
            return refusal;
        }
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

    fn arriving(body: &mut Channel<Bytes, io::Error>) -> Arriving<'_, Channel<Bytes, io::Error>> {
        Arriving { body: Pin::new(body), idle_max: IDLE_MAX, end: None }
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
            let mut arriving = Arriving { body: pin!(&mut body), idle_max, end: None };
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
