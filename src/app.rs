//! What every handler gets: the catalog, the clock, the settings it needs.
//!
//! The only bridge between async handlers and blocking work. Knows no HTTP framework.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::catalog::{Catalog, Clock, IdSource};
use crate::config::Config;
use crate::domain::{ArtifactLimits, CatalogError, Limit};
use crate::ingest::spool::MEMORY_MAX;
use crate::ingest::{Measure, Spool, SpoolWriter};

/// Chunks of a large body that wait for the disk at the most.
const CHUNKS_WAITING: usize = 4;

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
}

impl App {
    /// Wires the parts; `port` is the one that the server listens on.
    pub fn new(catalog: Catalog, clock: Clock, ids: IdSource, config: Config, port: u16) -> Self {
        let catalog = Arc::new(catalog);
        Self { inner: Arc::new(Inner { catalog, clock, ids, config, port }) }
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.inner.config
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
    /// `LimitExceeded` past `limit` bytes; a broken connection is `Internal`, for nobody hears it.
    pub async fn spool<B>(
        &self,
        body: B,
        limit: u64,
        measure: Measure,
    ) -> Result<Spool, CatalogError>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut body = pin!(body);
        if body.is_end_stream() {
            return Ok(Spool::empty());
        }
        let mut writer = SpoolWriter::new(self.inner.catalog.incoming(), limit, measure);
        let mut room = MEMORY_MAX;
        while let Some(chunk) = next_chunk(&mut body).await? {
            if chunk.len() > room {
                return self.spool_to_file(body, writer, chunk).await;
            }
            room -= chunk.len();
            if let Err(refusal) = writer.write(chunk) {
                return Err(drain(&mut body, refusal).await);
            }
        }
        writer.finish()
    }

    /// Hands chunks to a blocking thread, a few ahead of the disk.
    async fn spool_to_file<B>(
        &self,
        mut body: std::pin::Pin<&mut B>,
        mut writer: SpoolWriter,
        first: Bytes,
    ) -> Result<Spool, CatalogError>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (chunks, mut queue) = mpsc::channel::<Bytes>(CHUNKS_WAITING);
        let (done, mut whole) = mpsc::channel::<()>(1);
        let work = tokio::task::spawn_blocking(move || {
            writer.write(first)?;
            while let Some(chunk) = queue.blocking_recv() {
                writer.write(chunk)?;
            }
            // A body that broke off is given up with its file, not finished.
            match whole.blocking_recv() {
                Some(()) => writer.finish(),
                None => Err(CatalogError::internal("the body broke off")),
            }
        });
        let mut broken = None;
        loop {
            match next_chunk(&mut body).await {
                Ok(Some(chunk)) => {
                    if chunks.send(chunk).await.is_err() {
                        break;
                    }
                }
                Ok(None) => {
                    let _ = done.send(()).await;
                    break;
                }
                Err(failure) => {
                    broken = Some(failure);
                    break;
                }
            }
        }
        drop((chunks, done));
        let outcome = work.await.map_err(CatalogError::internal)?;
        match (outcome, broken) {
            (_, Some(failure)) => Err(failure),
            (Err(refusal), None) => Err(drain(&mut body, refusal).await),
            (Ok(spool), None) => Ok(spool),
        }
    }
}

async fn next_chunk<B>(body: &mut std::pin::Pin<&mut B>) -> Result<Option<Bytes>, CatalogError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame.map_err(CatalogError::internal)?.into_data() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// Throws the rest of a refused body away, within [`DRAIN_MAX`], and returns the refusal.
async fn drain<B>(body: &mut std::pin::Pin<&mut B>, refusal: CatalogError) -> CatalogError
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if !matches!(refusal, CatalogError::LimitExceeded { what: Limit::BodySize, .. }) {
        return refusal;
    }
    let mut thrown = 0;
    while let Ok(Some(chunk)) = next_chunk(body).await {
        thrown += chunk.len() as u64;
        if thrown > DRAIN_MAX {
            break;
        }
    }
    refusal
}
