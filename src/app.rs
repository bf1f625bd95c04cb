//! What every handler gets: the catalog, the clock, the settings it needs.
//!
//! The only bridge between async handlers and blocking work. Knows no HTTP framework.

mod admission;
mod arriving;
mod kept;
mod objects;

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::buckets::Buckets;
use crate::catalog::{Catalog, Clock, IdSource};
use crate::config::{Auth, Config};
use crate::domain::{ArtifactLimits, CatalogError, CloudIds, Key, KeyId, TenantId};
use crate::ingest::spool::MEMORY_MAX;
use crate::ingest::{Measure, Spool, SpoolWriter};
use admission::Admission;
use arriving::Arriving;

/// The shared state of all handlers; cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    catalog: Arc<Catalog>,
    buckets: Buckets,
    clock: Clock,
    ids: IdSource,
    config: Config,
    port: u16,
    admission: Admission,
}

impl App {
    /// Wires the parts; `port` is the one that the server listens on.
    pub fn new(catalog: Catalog, clock: Clock, ids: IdSource, config: Config, port: u16) -> Self {
        let (catalog, admission) = (Arc::new(catalog), Admission::new(&config));
        let buckets = Buckets::new(&config);
        Self { inner: Arc::new(Inner { catalog, buckets, clock, ids, config, port, admission }) }
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
        self.inner.admission.start_request()
    }

    /// Waits for a place among the large bodies that move, until the result is dropped;
    /// `LimitExceeded` when none of `max_uploads` comes free in time.
    pub async fn start_upload(&self) -> Result<impl Drop + '_, CatalogError> {
        self.inner.admission.start_upload().await
    }

    /// Counts a request of a key; `LimitExceeded` past `rate_limit` in one second.
    pub fn count_request(&self, key: &KeyId) -> Result<(), CatalogError> {
        self.inner.admission.count(key, self.clock().now())
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
    pub fn cloud_ids(&self, tenant: &TenantId) -> CloudIds {
        let ids = self.catalog().cloud_ids(tenant);
        match self.config().tenants.get(tenant.as_str()) {
            Some(configured) => ids.or(configured),
            None => ids,
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

    /// Runs a short, indexed read on this thread (`limits.md`: moving it elsewhere costs more than
    /// the read itself).
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Catalog) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        read(&self.inner.catalog)
    }

    /// Runs work that waits for the disk, or scans, on a thread made for that.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.spawn_blocking(work).await?
    }

    /// Like [`App::blocking`], for work with another outcome.
    pub async fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        let catalog = Arc::clone(&self.inner.catalog);
        tokio::task::spawn_blocking(move || work(&catalog)).await.map_err(CatalogError::internal)
    }

    /// Runs work that waits for the disk where it is, for a caller that cannot wait for another
    /// thread; the other tasks of this one move on meanwhile.
    pub fn in_place<T>(&self, work: impl FnOnce() -> T) -> T {
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
            // No other thread is there to move to.
            _ => work(),
        }
    }

    /// Reads a request's body once: into memory while it is small, into a file beyond that.
    ///
    /// No thread waits for the client: one is taken for each batch that is to be written.
    /// `LimitExceeded` past `limit` bytes; `BadArchive(Incomplete)` for a body that breaks off,
    /// stands still or takes longer than the settings allow.
    ///
    /// A body that does not fit into memory takes one of `max_uploads` places while it moves.
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
        let mut arriving = Arriving::new(body, self.body_end());
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

    /// Reads the body of a refused request and throws it away, up to a bound, so that the client is
    /// done sending and reads the refusal.
    pub async fn throw_away<B>(&self, body: B)
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Arriving::new(pin!(body), self.body_end()).throw_away().await;
    }

    /// When a body that begins now must have come whole.
    fn body_end(&self) -> Option<Instant> {
        self.config().body_timeout.map(|length| Instant::now() + length)
    }

    /// Gathers one batch while the one before it is written.
    async fn spool_to_file<B>(
        &self,
        mut arriving: Arriving<'_, '_, B>,
        writer: SpoolWriter,
        first: Bytes,
    ) -> Result<Spool, CatalogError>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if let Err(refusal) = arriving.take_place(&self.inner.admission).await {
            return Err(arriving.drain(refusal).await);
        }
        let mut writing = write_batch(writer, vec![first]);
        loop {
            let (batch, is_last) = match arriving.batch().await {
                Ok(gathered) => gathered,
                Err(broken) => {
                    // Its file goes where files may take their time, and before anybody is told.
                    let writer = written(writing).await;
                    self.spawn_blocking(move |_| drop(writer)).await?;
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
                return self.blocking(end).await;
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
