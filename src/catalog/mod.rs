//! The use cases: publish, get, list, update, delete, in the catalog's own words.
//!
//! Versions get their numbers here, and every rule that holds for all clouds is kept here. Knows no
//! HTTP, no JSON and no SQL.

mod access;
mod functions;
mod inbox;
mod layers;
mod limits;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use uuid::Uuid;

pub use functions::CodeInput;
use inbox::Completing;
pub use inbox::InboxLimits;
pub use layers::{DeleteRule, VersionRange};

use crate::domain::{
    Access, Artifact, Caller, CatalogError, KeyId, Limit, Noun, Role, TenantId, Timestamp,
};
use crate::ingest::{Content, Staged};
use crate::store::{AuditInsert, Change, PendingFile, Store};

/// Tells the time; the only way the catalog learns it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// A clock of the caller's.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the time, cut to the microsecond that the catalog keeps.
    pub fn now(&self) -> Timestamp {
        let now = (self.0)();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// Makes ids; the only way the catalog gets them.
#[derive(Clone)]
pub struct IdSource(Arc<dyn Fn() -> Uuid + Send + Sync>);

impl IdSource {
    /// Random ids of version 4.
    pub fn random() -> Self {
        Self::new(Uuid::new_v4)
    }

    /// Ids of the caller's.
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
    clock: Clock,
    ids: IdSource,
    /// Most bytes of all versions of one tenant and its divisions.
    tenant_code_max: Option<u64>,
    inbox_limits: InboxLimits,
    completing: Completing,
    access: RwLock<Option<Arc<Access>>>,
    /// When each key was made and its use was last written down. A key that is deleted and made
    /// again under its id is another one.
    noted: Mutex<HashMap<KeyId, (Timestamp, Timestamp)>>,
}

impl Catalog {
    /// Puts the use cases on top of an open store.
    pub fn new(store: Store, clock: Clock, ids: IdSource) -> Self {
        let (access, noted) = (RwLock::default(), Mutex::default());
        let (inbox_limits, completing) = Default::default();
        Self { store, clock, ids, tenant_code_max: None, inbox_limits, completing, access, noted }
    }

    /// Limits the bytes of all versions and heads of each tenant, its divisions (`tenant@…`)
    /// included; equal contents count each time.
    pub fn with_tenant_code_max(mut self, max: Option<u64>) -> Self {
        self.tenant_code_max = max;
        self
    }

    /// Returns the folder in which uploads gather.
    pub fn incoming(&self) -> &Path {
        self.store.blobs().incoming()
    }

    /// Returns a number that changes with every write; see `Store::generation`.
    pub fn generation(&self) -> u64 {
        self.store.generation()
    }

    /// Finds a content by its SHA-256: what is known of it, and the file.
    ///
    /// `NotFound` when no version ever had it.
    pub fn get_code(
        &self,
        sha256: &[u8; 32],
    ) -> Result<(Artifact, std::path::PathBuf), CatalogError> {
        let code = self.store.read(|view| view.select_code(sha256))?;
        let code = code.ok_or_else(|| CatalogError::not_found(Noun::Code, hex::encode(sha256)))?;
        Ok((code, self.store.blobs().path(sha256)))
    }

    /// Makes sure that something of the tenant has this content.
    ///
    /// `NotFound` when nothing has, whoever else may have it.
    pub fn find_code(&self, tenant: &TenantId, sha256: &[u8; 32]) -> Result<(), CatalogError> {
        if self.store.read(|view| view.is_code_of(tenant, sha256))? {
            Ok(())
        } else {
            Err(CatalogError::not_found(Noun::Code, hex::encode(sha256)))
        }
    }

    /// Checks that rows can be read and written and that uploads have room to gather.
    pub fn check(&self) -> Result<(), CatalogError> {
        self.store.read(|view| view.check())?;
        self.store.write(|change| change.check())?;
        tempfile::NamedTempFile::new_in(self.incoming())?;
        Ok(())
    }

    /// Runs a change on behalf of a caller who may write, with its line in the audit log.
    ///
    /// `change` gets the number of the change and returns its result and what it is about.
    /// `LimitExceeded` when the tenant then has more code than it may have.
    fn change<T: Send + 'static>(
        &self,
        by: &Caller,
        pending: Option<PendingFile>,
        change: impl FnOnce(&Change<'_>, u64) -> Result<(T, String), CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.change_several(by, pending, |store, sequence| {
            let (done, subject) = change(store, sequence)?;
            Ok((done, vec![subject]))
        })
    }

    /// Runs a change that is about several things, with a line in the audit log for each: the first
    /// has the number of the change, the others the next ones.
    fn change_several<T: Send + 'static>(
        &self,
        by: &Caller,
        pending: Option<PendingFile>,
        change: impl FnOnce(&Change<'_>, u64) -> Result<(T, Vec<String>), CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        by.must_be(Role::Write)?;
        let (by, at, code_max) = (by.clone(), self.clock.now(), self.tenant_code_max);
        self.store.write_file(pending, move |store| {
            let tenant = by.tenant();
            let sequence = store.next_sequence()?;
            let before = match code_max {
                Some(_) => store.select_code_size(tenant)?,
                None => 0,
            };
            let (done, subjects) = change(store, sequence)?;
            if let Some(limit) = code_max {
                let actual = store.select_code_size(tenant)?;
                if actual > limit && actual > before {
                    let what = Limit::TenantCode;
                    return Err(CatalogError::LimitExceeded { what, limit, actual });
                }
            }
            let context = by.audit_context();
            let (dialect, operation) = (context.dialect, context.operation);
            let (key, request) = (by.key(), context.request_id.to_string());
            for (place, subject) in subjects.iter().enumerate() {
                let sequence = if place == 0 { sequence } else { store.next_sequence()? };
                let request = Some(&*request);
                let entry = AuditInsert { at, tenant, key, dialect, operation, subject, request };
                store.insert_audit(sequence, &entry)?;
            }
            Ok(done)
        })
    }

    /// Makes an upload's file durable; its row must be committed before the result is dropped.
    fn keep(&self, staged: Staged) -> Result<(Artifact, PendingFile), CatalogError> {
        let sha256 = &staged.artifact.digests.sha256;
        let blob = match staged.content {
            Content::Memory(bytes) => self.store.blobs().keep_bytes(sha256, &bytes),
            Content::File(file) => self.store.blobs().keep_file(sha256, file),
        };
        Ok((staged.artifact, PendingFile::Code(blob?)))
    }
}
