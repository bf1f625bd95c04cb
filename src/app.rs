//! The state that all handlers share: catalog, clock, settings, admission.
//!
//! The only bridge between async handlers and blocking work. Knows no HTTP framework.

mod admission;
mod arriving;
mod batches;
mod sites;
mod stage;
mod streaming;
mod upkeep;

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;

use crate::buckets::Buckets;
use crate::catalog::{Catalog, Clock, IdSource};
use crate::config::{Auth, Config};
use crate::domain::{
    Access, Actor, ArtifactLimits, CatalogError, CloudIds, Key, KeyId, RequestError, Stamp,
    TenantId,
};
use crate::ingest::spool::MEMORY_MAX;
use crate::ingest::{Measure, Spool, SpoolWriter};
use admission::Admission;
use arriving::Arriving;
use batches::Batches;
pub use sites::{Sites, bare_host, split_host};
use upkeep::Upkeep;

/// How long a client may take to send a small body, or one that is refused, if
/// `--body-timeout` is not less.
const SHORT: Duration = Duration::from_secs(30);

/// Most bytes of a small body.
const SMALL: u64 = 16 << 10;

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
    has_inbox: bool,
    sites: Sites,
    admission: Admission,
    upkeep: Upkeep,
}

impl App {
    /// Wires the parts. The server listens on `port`. `has_inbox`: an enabled dialect lets clients
    /// see and delete the objects of the inbox. `machine` is the machine's host name, which may be
    /// empty.
    pub fn new(
        catalog: Catalog,
        clock: Clock,
        ids: IdSource,
        config: Config,
        port: u16,
        has_inbox: bool,
        machine: &str,
    ) -> Self {
        let sites = Sites::new(&config, machine);
        let (catalog, admission) = (Arc::new(catalog), Admission::new(&config));
        let buckets = Buckets::new(&config);
        let upkeep = Upkeep::default();
        let inner = Inner {
            catalog,
            buckets,
            clock,
            ids,
            config,
            port,
            has_inbox,
            sites,
            admission,
            upkeep,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Whether clients must sign.
    pub fn verifies_signatures(&self) -> bool {
        self.config().auth == Auth::On
    }

    /// Returns the server's own names and origins.
    pub fn sites(&self) -> &Sites {
        &self.inner.sites
    }

    /// Takes a permit for a request, held until the result is dropped; fails with a `Limit` of
    /// `Requests` while `max_requests` are running.
    pub fn start_request(&self) -> Result<impl Drop + '_, RequestError> {
        self.inner.admission.start_request()
    }

    /// Waits for a permit for a large body, held until the result is dropped; fails with a `Limit`
    /// of `Uploads` when none of `max_uploads` becomes free in time.
    pub async fn start_upload(&self) -> Result<impl Drop + '_, RequestError> {
        self.inner.admission.start_upload().await
    }

    /// Checks that an upload of `bytes` leaves enough of the disk free; fails with `NoSpace`.
    pub fn must_have_room(&self, bytes: u64) -> Result<(), CatalogError> {
        self.inner.catalog.must_have_room(bytes)
    }

    /// Counts a request of a key; fails with a `Limit` of `Rate` past `rate_limit` in one second.
    pub fn count_request(&self, key: &KeyId) -> Result<(), RequestError> {
        self.inner.admission.count(key, self.clock().now())
    }

    /// Records in the background that a key of this snapshot was accepted.
    pub fn note_use(&self, access: &Access, key: &Key) {
        if !self.inner.catalog.is_use_due(access, key, self.clock().now()) {
            return;
        }
        let (catalog, id) = (Arc::clone(&self.inner.catalog), key.id.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = catalog.note_use(&Actor::task("note-key-use"), &id) {
                tracing::warn!(?failure, "the use of a key was not written down");
            }
        });
    }

    /// Returns the port that the server listens on.
    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// Returns what the tasks of upkeep did.
    pub fn upkeep(&self) -> &Upkeep {
        &self.inner.upkeep
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Returns the source of ids.
    pub fn ids(&self) -> &IdSource {
        &self.inner.ids
    }

    /// Returns the catalog's generation and access snapshot as of now, for one request that has
    /// arrived. Async like [`App::read`], and as ready at once on SQLite.
    pub async fn stamp(&self) -> Result<Stamp, CatalogError> {
        self.inner.catalog.stamp()
    }

    /// Returns a tenant's ids in the clouds from a request's snapshot, else from the configuration;
    /// each dialect derives the others.
    pub fn cloud_ids(&self, stamp: &Stamp, tenant: &TenantId) -> CloudIds {
        let ids = stamp.access.cloud_ids.get(tenant).cloned().unwrap_or_default();
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
            check_content: config.check_content,
            ..ArtifactLimits::default()
        }
    }

    /// Runs a short, indexed read on this thread: a switch of threads costs more than the read
    /// (limits.md).
    ///
    /// It is async because a catalog on another machine has to be waited for (scale.md section 3).
    /// On SQLite the future is ready at once: it allocates nothing and awaits nothing.
    pub async fn read<T>(
        &self,
        read: impl FnOnce(&Catalog) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        read(&self.inner.catalog)
    }

    /// Runs work that waits for the disk or scans rows, on a blocking thread.
    pub async fn blocking<T, E>(
        &self,
        work: impl FnOnce(&Catalog) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<CatalogError> + Send + 'static,
    {
        self.spawn_blocking(work).await?
    }

    /// Like [`App::blocking`], for work that returns no `Result`.
    pub async fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        let catalog = Arc::clone(&self.inner.catalog);
        tokio::task::spawn_blocking(move || work(&catalog)).await.map_err(CatalogError::internal)
    }

    /// Runs work that waits for the disk on this thread, after the runtime has moved the thread's
    /// other tasks to another one.
    pub fn in_place<T>(&self, work: impl FnOnce() -> T) -> T {
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
            // A runtime of one thread has no other.
            _ => work(),
        }
    }

    /// Reads a request's body once: a small one into memory, a larger one into a file.
    ///
    /// No thread waits for the client: each batch is written on a blocking thread. A body that does
    /// not fit into memory, or comes while many others are in memory, holds one of `max_uploads`
    /// permits while it arrives.
    ///
    /// Fails with a `Limit` of `BodySize` past `limit` bytes, with `NoSpace` when the body would
    /// leave too little of the disk free, and with `BadArchive(Incomplete)` for a body that breaks
    /// off, stalls or takes longer than the settings allow.
    pub async fn spool<B>(
        &self,
        body: B,
        limit: u64,
        measure: Measure,
    ) -> Result<Spool, RequestError>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let body = pin!(body);
        if body.is_end_stream() {
            return Ok(Spool::empty());
        }
        // The callers of most small bodies are not verified yet.
        let is_small = body.size_hint().upper().is_some_and(|most| most <= SMALL);
        let deadline = if is_small { self.short_deadline() } else { self.body_deadline() };
        let mut arriving = Arriving::new(body, deadline);
        let mut writer = self.inner.catalog.spool(limit, measure);
        let (mut len, mut in_memory) = (0, None);
        while let Some(chunk) = arriving.next().await? {
            len += chunk.len();
            let is_small = len as u64 <= SMALL;
            if !is_small && in_memory.is_none() {
                in_memory = self.inner.admission.start_in_memory();
            }
            if len > MEMORY_MAX || !is_small && in_memory.is_none() {
                writer.leave_memory();
                return self.spool_to_file(arriving, writer, chunk).await;
            }
            if let Err(refusal) = writer.write(chunk) {
                return Err(arriving.drain(refusal).await);
            }
        }
        Ok(writer.finish()?)
    }

    /// Unpacks a body that is packed by gzip; a large one is one of the concurrent uploads.
    ///
    /// Fails with a `Limit` of `BodySize` past `limit` bytes unpacked, and with `InvalidValue` of
    /// `Content-Encoding` for a body that is not gzip.
    pub async fn unpack(
        &self,
        packed: Spool,
        limit: u64,
        measure: Measure,
    ) -> Result<Spool, RequestError> {
        let is_small = packed.len() <= SMALL;
        let _permit = if is_small { None } else { Some(self.start_upload().await?) };
        self.blocking(move |catalog| {
            let mut writer = catalog.spool(limit, measure);
            packed.unpack_to(&mut writer)?;
            Ok(writer.finish()?)
        })
        .await
    }

    /// Reads the body of a refused request and drops it, up to a bound, so that the client finishes
    /// sending and reads the refusal.
    pub async fn drop_body<B>(&self, body: B)
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Arriving::new(pin!(body), self.short_deadline()).drop_rest().await;
    }

    /// Returns the time by which a body that begins now must be complete.
    fn body_deadline(&self) -> Option<Instant> {
        self.config().body_timeout.map(|length| Instant::now() + length)
    }

    /// Returns the time by which a small or refused body that begins now must be complete.
    fn short_deadline(&self) -> Option<Instant> {
        let short = Instant::now() + SHORT;
        Some(self.body_deadline().map_or(short, |deadline| deadline.min(short)))
    }

    async fn spool_to_file<B>(
        &self,
        mut arriving: Arriving<'_, '_, B>,
        writer: SpoolWriter,
        first: Bytes,
    ) -> Result<Spool, RequestError>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let refused = match self.must_have_room(arriving.least_size()) {
            Ok(()) => arriving.take_permit(&self.inner.admission).await.err(),
            Err(full) => Some(full.into()),
        };
        if let Some(refusal) = refused {
            return Err(arriving.drain(refusal).await);
        }
        match self.spool_batches(writer, vec![first], &mut arriving).await {
            Err(refusal) => Err(arriving.drain(refusal).await),
            spooled => spooled,
        }
    }
}

impl<B> Batches for Arriving<'_, '_, B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn next(&mut self) -> Result<(Vec<Bytes>, bool), RequestError> {
        self.batch().await
    }
}
