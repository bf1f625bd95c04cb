//! Code that is named and not sent: it is copied from a bucket into a spool.

use std::fs::File;
use std::io::Read;

use bytes::Bytes;
use tokio::time::Instant;

use super::arriving::BATCH;
use super::{App, write_batch, written};
use crate::buckets::{ObjectBody, OpenObject, RemoteBody};
use crate::catalog::Catalog;
use crate::domain::{Caller, CatalogError, Limit, Noun, ObjectRef, Role, TenantId};
use crate::ingest::{Measure, Spool, SpoolWriter, next_piece};

/// Why a copy ends that its storage does not end.
const TOO_LONG: &str = "the copy took too long";
const CHANGED: &str = "the object changed while it was copied";

impl App {
    /// Copies an object: the tenant's in the inbox, else the one in the bucket map.
    ///
    /// `Forbidden` for who may not write; `NotFound` of a `Bucket` or an `Object`; `LimitExceeded`
    /// of `CodeSize` past `limit` bytes, of `Uploads` when no place comes free;
    /// `BucketUnavailable` when its storage does not answer, breaks off or takes longer than
    /// `fetch_timeout`. Nothing of a copy that fails stays.
    pub async fn fetch(
        &self,
        by: &Caller,
        object: &ObjectRef,
        limit: u64,
    ) -> Result<Spool, CatalogError> {
        // Who may not publish must not move data either, nor learn what is there.
        by.must_be(Role::Write)?;
        let _place = self.inner.admission.start_upload().await?;
        let end = self.config().fetch_timeout.map(|length| Instant::now() + length);
        let copy = ObjectCopy { object: object.clone(), end };
        let OpenObject { size, body } = copy.in_time(self.find_object(by.tenant(), object)).await?;
        if size > limit {
            return Err(CatalogError::LimitExceeded { what: Limit::CodeSize, limit, actual: size });
        }
        let writer = SpoolWriter::new(self.inner.catalog.incoming(), size, Measure::All);
        match body {
            ObjectBody::File(file) => {
                self.blocking(move |_| copy.read_file(file, size, writer)).await
            }
            ObjectBody::Remote(body) => self.copy_remote(&copy, body, writer).await,
        }
    }

    /// Finds an object in the tenant's inbox, else in the bucket map.
    async fn find_object(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
    ) -> Result<OpenObject, CatalogError> {
        // A division of a tenant, openYuanrong's product, has no inbox of its own.
        let owner = TenantId::parse(tenant.root())?;
        let (named, inbox) = (object.clone(), owner.clone());
        // A door that is shut must not leave behind what nobody can see or delete.
        let doors = ["alibaba", "s3"];
        let is_open = self.config().dialects.iter().any(|name| doors.contains(&&**name));
        let put = match is_open {
            true => self.blocking(move |catalog| catalog.open_object(&inbox, &named)).await,
            false => Err(CatalogError::not_found(Noun::Object, &object.key)),
        };
        let absent = match put {
            Ok((about, file)) => {
                return Ok(OpenObject { size: about.size, body: ObjectBody::File(file) });
            }
            Err(absent @ CatalogError::NotFound { .. }) => absent,
            Err(failure) => return Err(failure),
        };
        match self.inner.buckets.open(object, tenant).await {
            // It is the bucket's name alone that the map does not know.
            Err(CatalogError::NotFound { what: Noun::Bucket, .. })
                if self.read(|catalog| catalog.has_bucket(&owner, &object.bucket))? =>
            {
                Err(absent)
            }
            outcome => outcome,
        }
    }

    /// Gathers one batch while the one before it is written.
    async fn copy_remote(
        &self,
        copy: &ObjectCopy,
        mut body: RemoteBody,
        writer: SpoolWriter,
    ) -> Result<Spool, CatalogError> {
        let mut writing = write_batch(writer, Vec::new());
        loop {
            let gathered = copy.in_time(batch(&mut body)).await;
            let mut writer = written(writing).await?;
            let (batch, is_last) = match gathered {
                Ok(gathered) => gathered,
                Err(broken) => {
                    // Its file goes where files may take their time, and before anybody is told.
                    self.spawn_blocking(move |_| drop(writer)).await?;
                    return Err(broken);
                }
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

/// Gathers about [`BATCH`] bytes; true beside the last.
async fn batch(body: &mut RemoteBody) -> Result<(Vec<Bytes>, bool), CatalogError> {
    let (mut batch, mut size) = (Vec::new(), 0);
    while size < BATCH {
        let Some(chunk) = body.next().await? else { return Ok((batch, true)) };
        // Chunks of one byte each take far more than their bytes.
        size += chunk.len() + size_of::<Bytes>();
        batch.push(chunk);
    }
    Ok((batch, false))
}

/// One copy on its way.
struct ObjectCopy {
    object: ObjectRef,
    /// When it must be done.
    end: Option<Instant>,
}

impl ObjectCopy {
    /// Waits for one step, no longer than the copy may take.
    async fn in_time<T>(
        &self,
        step: impl Future<Output = Result<T, CatalogError>>,
    ) -> Result<T, CatalogError> {
        match self.end {
            Some(end) => tokio::time::timeout_at(end, step)
                .await
                .unwrap_or_else(|_| Err(self.unavailable(TOO_LONG))),
            None => step.await,
        }
    }

    /// Copies a file of `size` bytes, for a blocking thread.
    fn read_file(
        &self,
        file: File,
        size: u64,
        mut writer: SpoolWriter,
    ) -> Result<Spool, CatalogError> {
        let mut left = size;
        // One byte more than there should be, so that a file that grew is seen.
        let mut file = file.take(left.saturating_add(1));
        loop {
            if self.end.is_some_and(|end| end <= Instant::now()) {
                return Err(self.unavailable(TOO_LONG));
            }
            let piece = next_piece(&mut file).map_err(|error| {
                tracing::warn!(object = %self.object, %error, "an object cannot be read");
                self.unavailable("its file cannot be read")
            })?;
            let len = piece.len() as u64;
            if len > left || (len == 0 && left > 0) {
                return Err(self.unavailable(CHANGED));
            }
            if len == 0 {
                return writer.finish();
            }
            left -= len;
            writer.write(piece)?;
        }
    }

    fn unavailable(&self, reason: &'static str) -> CatalogError {
        CatalogError::BucketUnavailable { bucket: self.object.bucket.to_string(), reason }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_copied_is_no_object() {
        let incoming = tempfile::tempdir().unwrap();
        let object = ObjectRef::parse("code", "a.zip").unwrap();
        let copy = ObjectCopy { object, end: None };
        let bytes = 700_000;
        for (said, reason) in [(bytes - 1, CHANGED), (bytes, ""), (bytes + 1, CHANGED)] {
            let mut file = tempfile::tempfile_in(incoming.path()).unwrap();
            file.write_all(&vec![b'x'; bytes as usize]).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            let writer = SpoolWriter::new(incoming.path(), said, Measure::All);
            match copy.read_file(file, said, writer) {
                Ok(spool) => assert_eq!((spool.len(), reason), (bytes, "")),
                Err(refusal) => assert_eq!(
                    refusal.to_string(),
                    format!("the bucket 'code' cannot be read: {reason}")
                ),
            }
            assert_eq!(std::fs::read_dir(incoming.path()).unwrap().count(), 0);
        }
    }
}
