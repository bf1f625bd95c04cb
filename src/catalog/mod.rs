//! The use cases: publish, get, list, update and delete, in terms of the domain.
//!
//! This module assigns version numbers and enforces every rule that holds for all clouds. Must not
//! know HTTP, JSON or SQL.

mod access;
mod content;
mod functions;
mod health;
mod inbox;
mod layers;
mod limits;
mod upkeep;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock};

use uuid::Uuid;

pub use content::{Content, ContentReader};
pub use functions::CodeInput;
use health::UnknownCode;
pub use health::Unready;
use inbox::Completing;
pub use inbox::InboxLimits;
pub use layers::{DeleteRule, VersionRange};

use crate::domain::{
    Access, Actor, Artifact, ArtifactLimits, CatalogError, KeyId, Limit, Noun, Role, Subject,
    TenantId, Timestamp,
};
use crate::ingest::{Measure, Payload, SpoolWriter, Staged, StagingWriter, UploadFolder};
use crate::store::{Adds, Change, PendingFile, Store};

/// The clock; the catalog's only source of time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// Returns the machine's clock.
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// Returns a clock that calls `now`.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the time, truncated to microseconds as in the catalog.
    pub fn now(&self) -> Timestamp {
        let now = (self.0)();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// The generator of ids; the catalog's only source of them.
#[derive(Clone)]
pub struct IdSource(Arc<dyn Fn() -> Uuid + Send + Sync>);

impl IdSource {
    /// Returns a source of random ids of version 4.
    pub fn random() -> Self {
        Self::new(Uuid::new_v4)
    }

    /// Returns a source that calls `next`.
    pub fn new(next: impl Fn() -> Uuid + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    /// Returns an id that was not returned before.
    pub fn next(&self) -> Uuid {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// The one catalog behind all dialects.
pub struct Catalog {
    store: Store,
    incoming: UploadFolder,
    clock: Clock,
    ids: IdSource,
    /// Most bytes of all versions of one tenant and its subtenants.
    tenant_code_max: Option<u64>,
    inbox_limits: InboxLimits,
    completing: Completing,
    unknown_code: Mutex<UnknownCode>,
    access: RwLock<Option<Arc<Access>>>,
    /// For each key, its time of creation and when its use was last recorded. A key that is deleted
    /// and created again under the same id is another key.
    noted: Mutex<HashMap<KeyId, (Timestamp, Timestamp)>>,
}

impl Catalog {
    /// Creates the catalog of an open store.
    pub fn new(store: Store, clock: Clock, ids: IdSource) -> Self {
        Self {
            incoming: UploadFolder::new(store.blobs().incoming(), None),
            store,
            clock,
            ids,
            tenant_code_max: None,
            inbox_limits: InboxLimits::default(),
            completing: Completing::default(),
            unknown_code: Mutex::default(),
            access: RwLock::default(),
            noted: Mutex::default(),
        }
    }

    /// Limits the bytes of all versions and heads of each tenant, including its subtenants
    /// (`tenant@…`); equal contents count each time.
    pub fn with_tenant_code_max(mut self, max: Option<u64>) -> Self {
        self.tenant_code_max = max;
        self
    }

    /// Starts a spool of at most `limit` bytes, which is a file on the store's disk when it is
    /// long.
    pub fn spool(&self, limit: u64, measure: Measure) -> SpoolWriter {
        SpoolWriter::new(&self.incoming, limit, measure)
    }

    /// Starts a staging, which is a file on the store's disk when its code is long.
    pub fn staging(&self, limits: ArtifactLimits) -> StagingWriter {
        StagingWriter::new(&self.incoming, limits)
    }

    /// Checks that a version, a head or a bound layer of the reader has this content, or a public
    /// layer of any tenant.
    ///
    /// `NotFound` otherwise, also when another tenant has the content.
    pub fn find_code(&self, reader: &TenantId, sha256: &[u8; 32]) -> Result<(), CatalogError> {
        if self.store.read(|view| view.is_readable_code(reader, sha256))? {
            Ok(())
        } else {
            Err(CatalogError::not_found(Noun::Code, hex::encode(sha256)))
        }
    }

    /// Runs a change with its line in the audit log.
    ///
    /// `change` gets the number of the change and returns its result and its subject. `Forbidden`
    /// for a caller without the right to write; `LimitExceeded` when the code of the caller's
    /// tenant would exceed its limit.
    fn change<T: Send + 'static>(
        &self,
        by: &Actor,
        adds: Adds,
        change: impl FnOnce(&Change<'_>, u64) -> Result<(T, Subject), CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.change_several(by, adds, |store, sequence| {
            let (done, subject) = change(store, sequence)?;
            Ok((done, vec![subject]))
        })
    }

    /// Runs a change with several subjects, with a line in the audit log for each.
    ///
    /// The first line has the number of the change, the others have the following numbers.
    fn change_several<T: Send + 'static>(
        &self,
        by: &Actor,
        adds: Adds,
        change: impl FnOnce(&Change<'_>, u64) -> Result<(T, Vec<Subject>), CatalogError>
        + Send
        + 'static,
    ) -> Result<T, CatalogError> {
        by.must_be(Role::Write)?;
        let (by, at, code_max) = (by.clone(), self.clock.now(), self.tenant_code_max);
        self.store.write_adding(adds, move |store| {
            let sequence = store.next_sequence()?;
            // Owner and tasks have no tenant, and add no code.
            let limited = code_max.zip(by.tenant());
            let before = match limited {
                Some((_, tenant)) => store.select_code_size(tenant)?,
                None => 0,
            };
            let (done, subjects) = change(store, sequence)?;
            if let Some((limit, tenant)) = limited {
                let actual = store.select_code_size(tenant)?;
                if actual > limit && actual > before {
                    let what = Limit::TenantCode;
                    return Err(CatalogError::LimitExceeded { what, limit, actual });
                }
            }
            for (index, subject) in subjects.iter().enumerate() {
                let sequence = if index == 0 { sequence } else { store.next_sequence()? };
                store.insert_audit(sequence, at, &by, subject)?;
            }
            Ok(done)
        })
    }

    /// Stores an upload's file durably; its row must be committed before the result is dropped.
    fn keep(&self, staged: Staged) -> Result<(Artifact, PendingFile), CatalogError> {
        let sha256 = &staged.artifact.digests.sha256;
        let blob = match staged.payload {
            Payload::Memory(bytes) => {
                self.incoming.must_have(bytes.len() as u64)?;
                self.store.blobs().keep_bytes(sha256, &bytes)
            }
            Payload::File(file) => self.store.blobs().keep_file(sha256, file),
        };
        Ok((staged.artifact, PendingFile::Code(blob?)))
    }
}
