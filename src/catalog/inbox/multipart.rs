//! Multipart uploads: an upload is started, receives parts in any order, and becomes an object when
//! it is completed.
//!
//! Must not know S3 or HTTP.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use md5::Md5;
use sha2::Digest;
use uuid::Uuid;

use super::{Catalog, check_object_info, digests_of};
use crate::catalog::limits::{check_multipart_range, has_nul};
use crate::domain::inbox::PART_MAX;
use crate::domain::{
    Actor, BucketName, CatalogError, Digests, Field, InboxObject, Limit, Multipart, MultipartRange,
    Noun, ObjectInfo, ObjectRef, Page, Part, RequestError, Role, Subject, TenantId, Timestamp,
};
use crate::ingest::digests::digest;
use crate::ingest::{Measure, Spool};
use crate::store::{Adds, PendingFile, PendingObject, View};

/// Most uploads of one tenant that are neither completed nor expired.
const UNFINISHED_MAX: u64 = 1000;

impl Catalog {
    /// Starts a multipart upload and returns its id.
    ///
    /// It expires like an object that is put now; parts do not extend its lifetime. Starting it and
    /// putting parts leave no line in the audit log; completing and aborting it do.
    ///
    /// `InvalidValue` of `media type` or `metadata`, or of `multipart uploads` when the tenant has
    /// 1,000 of them already; `LimitExceeded` of `InboxSize`.
    pub fn start_multipart(
        &self,
        by: impl Into<Actor>,
        at: ObjectRef,
        about: ObjectInfo,
    ) -> Result<String, CatalogError> {
        let by = by.into();
        by.must_be(Role::Write)?;
        check_object_info(&about)?;
        let (started, expires) = self.lifetime()?;
        let (tenant, room) = (by.own_tenant()?.clone(), self.room());
        let id = self.ids.next().simple().to_string();
        let taken = self.store.write(move |store| {
            if store.count_multiparts(&tenant, started)? >= UNFINISHED_MAX {
                let reason = format!("may be at most {UNFINISHED_MAX} that are not completed");
                return Err(CatalogError::invalid(Field::Multiparts, reason));
            }
            let upload = Multipart { id, at, about, started, expires };
            room.take(store, || {
                store.ensure_tenant(&tenant, started)?;
                store.insert_multipart(&tenant, &upload)?;
                Ok(upload.id)
            })
        })?;
        Ok(taken.log())
    }

    /// Puts a part, and replaces an older one with that number. Computes the MD5 if `body` does not
    /// have it.
    ///
    /// `InvalidValue` of `part number`; `NotFound` of `Multipart`; `LimitExceeded` of `InboxSize`.
    pub fn put_part(
        &self,
        by: impl Into<Actor>,
        at: &ObjectRef,
        upload: &str,
        number: u16,
        body: Spool,
    ) -> Result<Part, CatalogError> {
        let by = by.into();
        by.must_be(Role::Write)?;
        Part::check_number(number)?;
        let md5 = match body.md5() {
            Some(md5) => md5,
            None => digests_of(&body)?.md5,
        };
        let part = self.new_part(number, body.len(), md5);
        let pending = self.keep_in_inbox(body.into_payload())?;
        self.insert_part(&by, at, upload, part, pending)
    }

    /// Returns a part that is put now.
    pub(super) fn new_part(&self, number: u16, size: u64, md5: [u8; 16]) -> Part {
        Part { number, size, md5, etag: hex::encode(md5), stored: self.clock.now() }
    }

    /// Inserts a part's row, and removes the file of the replaced part after the commit.
    pub(super) fn insert_part(
        &self,
        by: &Actor,
        at: &ObjectRef,
        upload: &str,
        part: Part,
        pending: PendingObject,
    ) -> Result<Part, CatalogError> {
        let (tenant, at, upload) = (by.own_tenant()?.clone(), at.clone(), upload.to_owned());
        let (file, room) = (pending.id(), self.room());
        let (part, taken) =
            self.store.write_adding(Adds::File(PendingFile::Inbox(pending)), move |store| {
                find(store, &tenant, &at, &upload, part.stored)?;
                let taken = room.take(store, || store.replace_part(&upload, &part, file))?;
                Ok((part, taken))
            })?;
        self.remove(taken.log());
        Ok(part)
    }

    /// Returns an upload; `NotFound` of `Multipart` when it is completed, expired or unknown.
    pub(super) fn get_multipart(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
        upload: &str,
    ) -> Result<Multipart, CatalogError> {
        let now = self.clock.now();
        self.store.read(|view| find(view, tenant, at, upload, now))
    }

    /// Returns a page of an upload's parts after the number `after`; `total` is not counted.
    pub fn list_parts(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
        upload: &str,
        after: u16,
        limit: u64,
    ) -> Result<Page<Part>, CatalogError> {
        let now = self.clock.now();
        self.store.read(|view| {
            find(view, tenant, at, upload, now)?;
            let parts = view.select_parts(upload, after, limit)?;
            Ok(parts.map(|(part, _)| part))
        })
    }

    /// Returns a page of a bucket's uploads that are neither completed nor expired; `total` is not
    /// counted.
    pub fn list_multiparts(
        &self,
        tenant: &TenantId,
        bucket: &BucketName,
        range: MultipartRange,
    ) -> Result<Page<Multipart>, CatalogError> {
        check_multipart_range(&range)?;
        let now = self.clock.now();
        self.store.read(|view| view.select_multiparts(tenant, bucket, &range, now))
    }

    /// Joins the given parts, each with its number and entity tag, to the object, and ends the
    /// upload; other parts are discarded.
    ///
    /// `NotFound` of `Multipart`; `InvalidValue` of `parts` when none are given, of `part order`
    /// unless their numbers ascend, of `part` when the upload has no part with that number and tag,
    /// of `multipart upload` while another request is completing it; `LimitExceeded` of `CodeSize`,
    /// before any byte is copied, when the object would have more than `limit` bytes.
    pub fn complete_multipart(
        &self,
        by: impl Into<Actor>,
        at: &ObjectRef,
        upload: &str,
        parts: Vec<(u16, String)>,
        limit: u64,
    ) -> Result<InboxObject, CatalogError> {
        let by = by.into();
        by.must_be(Role::Write)?;
        let (tenant, now) = (by.own_tenant()?.clone(), self.clock.now());
        let _alone = self.completing.start(&tenant, upload)?;
        let (about, chosen) = self.store.read(|view| {
            let about = find(view, &tenant, at, upload, now)?.about;
            Ok((about, choose(view, upload, &parts)?))
        })?;
        let actual = chosen.iter().map(|(part, _)| part.size).sum();
        if actual > limit {
            return Err(CatalogError::LimitExceeded { what: Limit::CodeSize, limit, actual });
        }
        let (size, digests, pending) = self.join(&chosen, limit)?;
        let etag = tag(chosen.iter().map(|(part, _)| part));
        let (stored, expires) = self.lifetime()?;
        let (at, count) = (at.clone(), chosen.len() as u64);
        let object = InboxObject { at, size, digests, parts: count, etag, about, stored, expires };
        let (at, upload) = (object.at.clone(), upload.to_owned());
        let part_sizes = chosen.iter().map(|(part, _)| part.size).collect();
        self.insert_object(&by, object, part_sizes, pending, move |store| {
            // During the copy, other requests may have put parts or ended the upload.
            find(store, &tenant, &at, &upload, stored)?;
            if choose(store, &upload, &parts)? != chosen {
                return Err(CatalogError::invalid(
                    Field::Part,
                    "was put again while it was copied",
                ));
            }
            store.delete_multipart(&upload)
        })
    }

    /// Stores parts one after the other in a file of at most `limit` bytes, and returns its size
    /// and digests. A single part is read for its digests, and its file gets another name.
    fn join(
        &self,
        parts: &[(Part, Uuid)],
        limit: u64,
    ) -> Result<(u64, Digests, PendingObject), CatalogError> {
        if let [only] = parts {
            let file = self.open_part(only)?;
            let (size, digests) = digest(&file)?;
            if digests.md5 != only.0.md5 {
                return Err(damaged(only));
            }
            return Ok((size, digests, self.keep_copy(only.1, file)?));
        }
        let mut spool = self.spool(limit, Measure::All);
        for part in parts {
            spool.write_all(self.open_part(part)?).map_err(past_limit)?;
        }
        let body = spool.finish()?;
        let (size, digests) = (body.len(), digests_of(&body)?);
        Ok((size, digests, self.keep_in_inbox(body.into_payload())?))
    }

    fn open_part(&self, part: &(Part, Uuid)) -> Result<File, CatalogError> {
        let file = match self.store.inbox().open_file(part.1) {
            Err(failure) if failure.kind() == io::ErrorKind::NotFound => {
                let number = part.0.number;
                let reason = format!("{number} was put again or removed while it was copied");
                return Err(CatalogError::invalid(Field::Part, reason));
            }
            opened => opened?,
        };
        if file.metadata()?.len() == part.0.size { Ok(file) } else { Err(damaged(part)) }
    }

    /// Ends an upload without an object and discards its parts; `NotFound` of `Multipart`.
    pub fn abort_multipart(
        &self,
        by: impl Into<Actor>,
        at: &ObjectRef,
        upload: &str,
    ) -> Result<(), CatalogError> {
        let by = by.into();
        let (tenant, now) = (by.own_tenant()?.clone(), self.clock.now());
        let (at, upload) = (at.clone(), upload.to_owned());
        let files = self.change(&by, Adds::Nothing, move |store, _| {
            find(store, &tenant, &at, &upload, now)?;
            Ok((store.delete_multipart(&upload)?, Subject::object(&tenant, &at)))
        })?;
        self.remove(files);
        Ok(())
    }
}

/// Logs that the file of a part is damaged, and returns the error for the client.
fn damaged((part, file): &(Part, Uuid)) -> CatalogError {
    tracing::error!(%file, "a part of an upload is damaged; put it again");
    let reason = format!("{} is damaged on the server's disk: put it again", part.number);
    CatalogError::invalid(Field::Part, reason)
}

/// The uploads that are being completed, by tenant and id.
#[derive(Default)]
pub(in crate::catalog) struct Completing(Mutex<HashSet<(TenantId, String)>>);

impl Completing {
    /// Marks an upload as being completed until the result is dropped; `InvalidValue` of
    /// `multipart upload` when it is marked already.
    ///
    /// Each completion copies all parts, so one at a time is allowed.
    pub(super) fn start(
        &self,
        tenant: &TenantId,
        upload: &str,
    ) -> Result<Completion<'_>, CatalogError> {
        let which = (tenant.clone(), upload.to_owned());
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(which.clone()) {
            return Err(CatalogError::invalid(Field::Multipart, "is being completed"));
        }
        Ok(Completion { of: self, which })
    }
}

/// The mark of one upload; dropping it removes the mark.
pub(super) struct Completion<'c> {
    of: &'c Completing,
    which: (TenantId, String),
}

impl Drop for Completion<'_> {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.which);
    }
}

fn find(
    view: &View<'_>,
    tenant: &TenantId,
    at: &ObjectRef,
    upload: &str,
    now: Timestamp,
) -> Result<Multipart, CatalogError> {
    let found =
        if has_nul(upload) { None } else { view.select_multipart(tenant, at, upload, now)? };
    found.ok_or_else(|| CatalogError::NotFound {
        what: Noun::Multipart,
        name: upload.to_owned(),
        of: Some(at.key.to_string()),
    })
}

/// Looks up the given parts and returns them with the names of their files.
fn choose(
    view: &View<'_>,
    upload: &str,
    parts: &[(u16, String)],
) -> Result<Vec<(Part, Uuid)>, CatalogError> {
    if parts.is_empty() {
        return Err(CatalogError::invalid(Field::Parts, "must be at least one"));
    }
    if !parts.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(CatalogError::invalid(Field::PartOrder, "must be ascending, each number once"));
    }
    let mut there = view.select_parts(upload, 0, u64::from(PART_MAX))?.items.into_iter();
    let mut chosen = Vec::with_capacity(parts.len());
    for (number, etag) in parts {
        let found = there.find(|(part, _)| part.number >= *number);
        match found.filter(|(part, _)| part.number == *number && part.etag == *etag) {
            Some(part) => chosen.push(part),
            None => {
                let reason = format!("{number} with the entity tag '{etag}' was not put");
                return Err(CatalogError::invalid(Field::Part, reason));
            }
        }
    }
    Ok(chosen)
}

/// Restates an error of joining the parts: the limit is that of one upload's code.
pub(super) fn past_limit(error: RequestError) -> CatalogError {
    match error {
        RequestError::Limit { limit, actual, .. } => {
            CatalogError::LimitExceeded { what: Limit::CodeSize, limit, actual }
        }
        RequestError::Catalog(error) => error,
        other @ RequestError::Encoding { .. } => CatalogError::internal(other),
    }
}

/// Returns the entity tag of an object that was put in parts, as S3 computes it.
fn tag<'p>(parts: impl Iterator<Item = &'p Part>) -> String {
    let (mut whole, mut count) = (Md5::new(), 0);
    for part in parts {
        whole.update(part.md5);
        count += 1;
    }
    format!("{}-{count}", hex::encode(whole.finalize()))
}
