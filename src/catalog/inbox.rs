//! The inbox: objects that clients put before they publish versions of them.
//!
//! Size and lifetime of the inbox are limited. Reads do not see expired objects and uploads,
//! whether or not they are removed yet. Must not know S3 or HTTP.

mod copies;
mod multipart;

pub(super) use multipart::Completing;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::time::Duration;

use uuid::Uuid;

use super::limits::{check_object_info, check_object_range};
use super::{Catalog, Content};
use crate::domain::{
    Actor, BucketName, CatalogError, Digests, InboxObject, Limit, Noun, ObjectFrom, ObjectInfo,
    ObjectPart, ObjectRange, ObjectRef, Page, Role, Subject, Tally, TenantId, Timestamp,
};
use crate::ingest::digests::digest;
use crate::ingest::{Payload, Spool};
use crate::store::{Adds, Change, PendingFile, PendingObject};

/// Most expired objects, parts and uploads (of each) that a put removes.
const SWEPT_BY_PUT: u64 = 100;

/// Most buckets in a list, as in S3.
const BUCKETS_MAX: u64 = 10_000;

/// Most attempts to open an object whose file is removed between the lookup and the opening.
const OPEN_ATTEMPTS: u32 = 10;

/// Limits of the inbox; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxLimits {
    /// Lifetime of an object after it is put, and of an upload after it is started.
    pub lifetime: Option<Duration>,
    /// Most bytes of all objects, unfinished uploads and their parts, of all tenants; each object,
    /// upload and part counts 4,096 more than its bytes.
    pub size: Option<u64>,
}

impl Catalog {
    /// Limits the inbox; existing objects keep their time of expiry.
    pub fn with_inbox(mut self, limits: InboxLimits) -> Self {
        self.inbox_limits = limits;
        self
    }

    /// Puts an object, and replaces an older one with that key. Computes the digests that `body`
    /// does not have.
    ///
    /// `InvalidValue` of `media type` or `metadata`; `LimitExceeded` of `InboxSize`.
    pub fn put_object(
        &self,
        by: impl Into<Actor>,
        at: ObjectRef,
        about: ObjectInfo,
        body: Spool,
    ) -> Result<InboxObject, CatalogError> {
        let by = by.into();
        by.must_be(Role::Write)?;
        check_object_info(&about)?;
        let (size, digests) = (body.len(), digests_of(&body)?);
        let pending = self.keep_in_inbox(body.into_payload())?;
        let etag = hex::encode(digests.md5);
        let (stored, expires) = self.lifetime()?;
        let object = InboxObject { at, size, digests, parts: 1, etag, about, stored, expires };
        self.insert_object(&by, object, Vec::new(), pending, |_| Ok(Vec::new()))
    }

    /// Runs `first`, then inserts an object's row with its line in the audit log, in one change.
    ///
    /// After the commit it removes the files whose names `first` returned, and the file of the
    /// replaced object.
    fn insert_object(
        &self,
        by: &Actor,
        object: InboxObject,
        part_sizes: Vec<u64>,
        pending: PendingObject,
        first: impl FnOnce(&Change<'_>) -> Result<Vec<Uuid>, CatalogError> + Send + 'static,
    ) -> Result<InboxObject, CatalogError> {
        let (tenant, file, room) = (by.own_tenant()?.clone(), pending.id(), self.room());
        let (object, taken) =
            self.change(by, Adds::File(PendingFile::Inbox(pending)), move |store, _| {
                let taken = room.take(store, || {
                    store.ensure_tenant(&tenant, object.stored)?;
                    let mut gone = first(store)?;
                    gone.extend(store.replace_object(&tenant, &object, &part_sizes, file)?);
                    Ok(gone)
                })?;
                let subject = Subject::object(&tenant, &object.at);
                Ok(((object, taken), subject))
            })?;
        self.remove(taken.log());
        Ok(object)
    }

    /// Returns an object without its bytes; `NotFound` when it does not exist or is expired.
    pub fn get_object(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
    ) -> Result<InboxObject, CatalogError> {
        Ok(self.find_object(tenant, at)?.0)
    }

    /// Returns an object with its bytes; `NotFound` when it does not exist or is expired, or when
    /// its file is missing or has another length, which is logged.
    ///
    /// The bytes can be read to their end even if the object is replaced or deleted meanwhile.
    pub fn open_object(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
    ) -> Result<(InboxObject, Content), CatalogError> {
        let (object, file) = self.open(at, || self.find_object(tenant, at))?;
        self.must_be_whole(&object, &file)?;
        let content = Content::of(file, object.size);
        Ok((object, content))
    }

    /// Returns an object and its part with a number, if it has one: see [`ObjectPart::find`].
    ///
    /// `NotFound` when the object does not exist or is expired.
    pub fn get_object_part(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
        number: u16,
    ) -> Result<(InboxObject, Option<ObjectPart>), CatalogError> {
        Ok(self.find_part(tenant, at, number)?.0)
    }

    /// Like [`Catalog::get_object_part`], with the bytes of the whole object.
    pub fn open_object_part(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
        number: u16,
    ) -> Result<(InboxObject, Option<ObjectPart>, Content), CatalogError> {
        let ((object, part), file) = self.open(at, || self.find_part(tenant, at, number))?;
        self.must_be_whole(&object, &file)?;
        let content = Content::of(file, object.size);
        Ok((object, part, content))
    }

    /// Opens the file that `find` names, and looks it up again when it is removed meanwhile: the
    /// object was then replaced or deleted.
    fn open<T, E: From<CatalogError>>(
        &self,
        at: &ObjectRef,
        find: impl Fn() -> Result<(T, Uuid), E>,
    ) -> Result<(T, File), E> {
        let (mut found, mut name) = find()?;
        for _ in 1..OPEN_ATTEMPTS {
            match self.store.inbox().open_file(name) {
                Ok(file) => return Ok((found, file)),
                Err(failure) if failure.kind() != io::ErrorKind::NotFound => {
                    return Err(CatalogError::from(failure).into());
                }
                Err(_) => (found, name) = find()?,
            }
        }
        match self.store.inbox().open_file(name) {
            Ok(file) => Ok((found, file)),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                Err(self.lost_object(at, "its file is missing").into())
            }
            Err(failure) => Err(CatalogError::from(failure).into()),
        }
    }

    /// Checks the length of an object's file; `NotFound` when it is another one.
    fn must_be_whole(&self, object: &InboxObject, file: &File) -> Result<(), CatalogError> {
        if file.metadata()?.len() == object.size {
            return Ok(());
        }
        Err(self.lost_object(&object.at, "its file has another length"))
    }

    /// Logs that an object is lost, and returns the error for the client.
    pub fn lost_object(&self, at: &ObjectRef, problem: &'static str) -> CatalogError {
        tracing::error!(object = %at, problem, "an object of the inbox is damaged; put it again");
        no_object(at)
    }

    fn find_object(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
    ) -> Result<(InboxObject, Uuid), CatalogError> {
        let now = self.clock.now();
        let found = self.store.read(|view| view.select_object(tenant, at, now))?;
        found.ok_or_else(|| no_object(at))
    }

    fn find_part(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
        number: u16,
    ) -> Result<((InboxObject, Option<ObjectPart>), Uuid), CatalogError> {
        let now = self.clock.now();
        let found = self.store.read(|view| {
            let Some((object, file)) = view.select_object(tenant, at, now)? else {
                return Ok(None);
            };
            let part = ObjectPart::find(number, object.size, &view.select_part_sizes(file)?);
            Ok(Some(((object, part), file)))
        })?;
        found.ok_or_else(|| no_object(at))
    }

    /// Tells whether the tenant has an object in the bucket; a bucket exists while it has objects.
    pub fn has_bucket(&self, tenant: &TenantId, bucket: &BucketName) -> Result<bool, CatalogError> {
        let range = ObjectRange { prefix: String::new(), from: ObjectFrom::Start, limit: 1 };
        Ok(!self.list_objects(tenant, bucket, range)?.items.is_empty())
    }

    /// Returns a page of a bucket's objects; `total` is not counted.
    pub fn list_objects(
        &self,
        tenant: &TenantId,
        bucket: &BucketName,
        range: ObjectRange,
    ) -> Result<Page<InboxObject>, CatalogError> {
        check_object_range(&range)?;
        let now = self.clock.now();
        self.store.read(|view| view.select_objects(tenant, bucket, &range, now))
    }

    /// Returns the tenant's buckets by name, up to 10,000, each with the time at which its first
    /// object by key was put.
    pub fn list_buckets(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<(BucketName, Timestamp)>, CatalogError> {
        let now = self.clock.now();
        self.store.read(|view| view.select_buckets(tenant, now, BUCKETS_MAX))
    }

    /// Deletes an object; returns false, without a line in the audit log, when it does not exist or
    /// is expired.
    pub fn delete_object(
        &self,
        by: impl Into<Actor>,
        at: &ObjectRef,
    ) -> Result<bool, CatalogError> {
        Ok(self.delete_objects(by, std::slice::from_ref(at))?.contains(&true))
    }

    /// Deletes objects in one change and returns for each, in their order, whether it existed.
    ///
    /// Each deleted object has its own line in the audit log, with its own number.
    pub fn delete_objects(
        &self,
        by: impl Into<Actor>,
        objects: &[ObjectRef],
    ) -> Result<Vec<bool>, CatalogError> {
        let by = by.into();
        by.must_be(Role::Write)?;
        let Some(first) = objects.first().cloned() else { return Ok(Vec::new()) };
        let (tenant, at, now) = (by.own_tenant()?.clone(), objects.to_vec(), self.clock.now());
        let deleted = self.change_several(&by, Adds::Nothing, move |store, _| {
            let mut files: HashMap<_, _> =
                store.delete_objects(&tenant, &at, now)?.into_iter().collect();
            // Nothing was deleted: the error also rolls back the number of the change.
            if files.is_empty() {
                return Err(no_object(&first));
            }
            // In the order of the request; an object that it names twice is deleted once.
            let deleted: Vec<_> = at.iter().map(|at| files.remove(at)).collect();
            let subjects = deleted.iter().zip(&at).filter(|(file, _)| file.is_some());
            let subjects = subjects.map(|(_, at)| Subject::object(&tenant, at)).collect();
            Ok((deleted, subjects))
        });
        match deleted {
            Ok(deleted) => {
                let were = deleted.iter().map(Option::is_some).collect();
                self.remove(deleted.into_iter().flatten());
                Ok(were)
            }
            Err(CatalogError::NotFound { what: Noun::Object, .. }) => {
                Ok(vec![false; objects.len()])
            }
            Err(error) => Err(error),
        }
    }

    /// Stores a file of the inbox durably; its row must be committed before the result is dropped.
    fn keep_in_inbox(&self, payload: Payload) -> Result<PendingObject, CatalogError> {
        let (files, id) = (self.store.inbox(), self.ids.next());
        Ok(match payload {
            Payload::Memory(bytes) => {
                self.must_have_room(bytes.len() as u64)?;
                files.keep_bytes(id, &bytes)
            }
            Payload::File(file) => files.keep_file(id, file),
        }?)
    }

    /// Removes files that no row refers to any longer; the sweep removes those that remain.
    fn remove(&self, files: impl IntoIterator<Item = Uuid>) {
        for file in files {
            self.store.inbox().remove(file);
        }
    }

    /// Returns the current time, and the time of expiry of an object that is put now.
    fn lifetime(&self) -> Result<(Timestamp, Option<Timestamp>), CatalogError> {
        let now = self.clock.now();
        let end = |length| now.checked_add(length).map_err(CatalogError::internal);
        Ok((now, self.inbox_limits.lifetime.map(end).transpose()?))
    }

    fn room(&self) -> Room {
        Room { now: self.clock.now(), limit: self.inbox_limits.size }
    }
}

/// The limit of the inbox's size, at a given time.
#[derive(Clone, Copy)]
struct Room {
    now: Timestamp,
    limit: Option<u64>,
}

impl Room {
    /// Runs an operation that may enlarge the inbox; `LimitExceeded` when the limit is exceeded.
    ///
    /// A bounded number of expired objects and uploads is removed first. An operation that does not
    /// enlarge the inbox is allowed, however full the inbox is.
    fn take<T>(
        self,
        change: &Change<'_>,
        run: impl FnOnce() -> Result<T, CatalogError>,
    ) -> Result<Taken<T>, CatalogError> {
        let expired = change.delete_expired(self.now, SWEPT_BY_PUT)?;
        let before = change.select_inbox_size()?;
        let done = run()?;
        let actual = change.select_inbox_size()?;
        match self.limit {
            Some(limit) if actual > limit && actual > before => {
                Err(CatalogError::LimitExceeded { what: Limit::InboxSize, limit, actual })
            }
            _ => Ok(Taken { done, expired }),
        }
    }
}

/// The result of an operation, and the totals of the expired objects and uploads removed for it.
#[must_use]
struct Taken<T> {
    done: T,
    expired: Tally,
}

impl<T> Taken<T> {
    /// Logs the removal and returns the result. Call it after the commit: a change that is rolled
    /// back removes nothing.
    fn log(self) -> T {
        if !self.expired.is_empty() {
            let Tally { things, files, bytes } = self.expired;
            tracing::info!(things, files, bytes, "expired things made room in the inbox");
        }
        self.done
    }
}

fn digests_of(body: &Spool) -> Result<Digests, CatalogError> {
    match body.digests() {
        Some(digests) => Ok(*digests),
        None => Ok(digest(body.reader()?)?.1),
    }
}

fn no_object(at: &ObjectRef) -> CatalogError {
    CatalogError::NotFound {
        what: Noun::Object,
        name: at.key.to_string(),
        of: Some(at.bucket.to_string()),
    }
}

#[cfg(test)]
mod tests;
