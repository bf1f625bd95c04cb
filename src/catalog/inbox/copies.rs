//! Copies inside the inbox. A whole object is copied without its bytes: the copy's file is another
//! name of the same bytes, and has its own row.
//!
//! Must not know S3 or HTTP.

use std::fs::File;
use std::ops::Range;

use uuid::Uuid;

use super::multipart::past_limit;
use super::{Catalog, check_object_info};
use crate::catalog::Content;
use crate::domain::{
    Actor, CatalogError, InboxObject, ObjectInfo, ObjectRef, Part, Role, TenantId,
};
use crate::ingest::Measure;
use crate::store::PendingObject;

impl Catalog {
    /// Copies an object of the caller's tenant to `to`, and replaces an older one with that key.
    ///
    /// The copy is a new object in one part, with its own lifetime. It has what `about` states,
    /// else what is stated of its source. `check` is called with the source before the copy, again
    /// for another source if the first is replaced meanwhile, and may refuse it.
    ///
    /// `NotFound` of `Object`; `InvalidValue` of `media type` or `metadata`; `LimitExceeded` of
    /// `InboxSize`.
    pub fn copy_object<E: From<CatalogError>>(
        &self,
        by: impl Into<Actor>,
        from: &ObjectRef,
        to: ObjectRef,
        about: Option<ObjectInfo>,
        check: impl Fn(&InboxObject) -> Result<(), E>,
    ) -> Result<InboxObject, E> {
        let by = by.into();
        by.must_be(Role::Write)?;
        about.as_ref().map_or(Ok(()), check_object_info)?;
        let source = self.open_source(by.own_tenant()?, from, check)?;
        let (stored, expires) = self.lifetime()?;
        let pending = self.keep_copy(source.name, source.file)?;
        let object = InboxObject {
            at: to,
            parts: 1,
            etag: hex::encode(source.object.digests.md5),
            about: about.unwrap_or(source.object.about),
            stored,
            expires,
            ..source.object
        };
        Ok(self.insert_object(&by, object, Vec::new(), pending, |_| Ok(Vec::new()))?)
    }

    /// Puts bytes of an object of the caller's tenant as a part, and replaces an older part with
    /// that number. Only a part of an object is read and written.
    ///
    /// `choose` is called with the source before the copy, again for another source if the first is
    /// replaced meanwhile; it returns the range of bytes, and may refuse the source.
    ///
    /// `InvalidValue` of `part number`; `NotFound` of `Object` or `Multipart`; `LimitExceeded` of
    /// `InboxSize`.
    pub fn copy_part<E: From<CatalogError>>(
        &self,
        by: impl Into<Actor>,
        from: &ObjectRef,
        choose: impl Fn(&InboxObject) -> Result<Range<u64>, E>,
        at: &ObjectRef,
        upload: &str,
        number: u16,
    ) -> Result<Part, E> {
        let by = by.into();
        by.must_be(Role::Write)?;
        Part::check_number(number)?;
        let tenant = by.own_tenant()?;
        // No bytes are copied for an upload that does not exist.
        self.get_multipart(tenant, at, upload)?;
        let Source { object, name, file, chosen } = self.open_source(tenant, from, choose)?;
        if chosen == (0..object.size) {
            let pending = self.keep_copy(name, file)?;
            let part = self.new_part(number, object.size, object.digests.md5);
            return Ok(self.insert_part(&by, at, upload, part, pending)?);
        }
        let reader = Content::of(file, object.size).open_range(chosen.clone())?;
        let mut body = self.spool(chosen.end - chosen.start, Measure::Md5AndSha256);
        body.write_all(reader).map_err(past_limit)?;
        Ok(self.put_part(by, at, upload, number, body.finish()?)?)
    }

    /// Opens an object that `judge` accepts.
    fn open_source<T, E: From<CatalogError>>(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
        judge: impl Fn(&InboxObject) -> Result<T, E>,
    ) -> Result<Source<T>, E> {
        let ((object, chosen, name), file) = self.open(at, || {
            let (object, name) = self.find_object(tenant, at)?;
            let chosen = judge(&object)?;
            Ok::<_, E>(((object, chosen, name), name))
        })?;
        self.must_be_whole(&object, &file)?;
        Ok(Source { object, name, file, chosen })
    }

    /// Gives a file of the inbox another name durably; the row of that name must be committed
    /// before the result is dropped.
    pub(super) fn keep_copy(&self, name: Uuid, file: File) -> Result<PendingObject, CatalogError> {
        Ok(self.store.inbox().keep_copy(self.ids.next(), name, file)?)
    }
}

/// An object that is copied, with its open file.
struct Source<T> {
    object: InboxObject,
    /// The name of the file, which may be removed meanwhile.
    name: Uuid,
    file: File,
    chosen: T,
}
