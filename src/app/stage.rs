//! Code that a request names or sends, made one [`Staging`]: objects and stored contents are
//! copied.

use std::io::Read;

use bytes::Bytes;
use tokio::time::Instant;

use super::App;
use super::batches::{BATCH, Batches};
use crate::buckets::{ObjectBody, OpenObject, RemoteBody};
use crate::catalog::{Catalog, Content};
use crate::domain::{
    ArchiveProblem, ArtifactLimits, Caller, CatalogError, CodeSource, Limit, Noun, ObjectRef,
    RequestError, Role, TenantId,
};
use crate::ingest::spool::PIECE;
use crate::ingest::{Measure, Spool, SpoolWriter, Staging, next_piece};

/// Why a copy ends before its storage ends it.
const TOO_LONG: &str = "the copy took too long";
const CHANGED: &str = "the object changed while it was copied";

/// What is wrong with a damaged file of ours.
const OTHER_BYTES: &str = "its bytes are others";

impl App {
    /// Returns the bytes of a request's code: those that came with the request, or a copy of the
    /// object or stored content that it names. Nothing of a copy that fails stays.
    ///
    /// Fails for an object or a stored content with `Forbidden` when the caller may not write;
    /// `NotFound` of a `Bucket`, an `Object` or `Code`; `LimitExceeded` of `CodeSize` past
    /// `limits`; `BadArchive` for an empty object; a `Limit` of `Uploads` when no permit comes
    /// free; `BucketUnavailable` when the storage does not answer, breaks off or takes longer than
    /// `fetch_timeout`.
    pub async fn stage(
        &self,
        by: &Caller,
        source: CodeSource<Staging>,
        limits: ArtifactLimits,
    ) -> Result<Staging, RequestError> {
        let spool = match source {
            CodeSource::Archive(staging) => return Ok(staging),
            CodeSource::Text(staging) => return Ok(staging.as_text()),
            CodeSource::Object(object) => self.copy_object(by, &object, limits.size).await?,
            CodeSource::Stored(sha256) => self.copy_stored(by, sha256, limits.size).await?,
        };
        if spool.is_empty() {
            let problem = ArchiveProblem::NotZip("the object is empty".to_owned());
            return Err(CatalogError::from(problem).into());
        }
        Ok(Staging::of_spool(spool, limits))
    }

    /// Copies a stored content by its SHA-256, whichever tenant stored it: the caller has shown a
    /// download link to it.
    async fn copy_stored(
        &self,
        by: &Caller,
        sha256: [u8; 32],
        limit: u64,
    ) -> Result<Spool, RequestError> {
        by.must_be(Role::Write)?;
        let _permit = self.start_upload().await?;
        self.blocking(move |catalog| {
            let (code, content) = catalog.get_code(&sha256)?;
            check_size(code.size, limit)?;
            let mut writer = catalog.spool(code.size, Measure::All);
            writer.write_all(content.open()?)?;
            let spool = writer.finish()?;
            if spool.sha256() != Some(sha256) {
                return Err(catalog.lost_code(&sha256, OTHER_BYTES).into());
            }
            Ok(spool)
        })
        .await
    }

    /// Copies an object: the tenant's in the inbox, else the one in the bucket map.
    async fn copy_object(
        &self,
        by: &Caller,
        object: &ObjectRef,
        limit: u64,
    ) -> Result<Spool, RequestError> {
        // A caller that may not publish must not move data, nor learn which objects exist.
        by.must_be(Role::Write)?;
        let _permit = self.start_upload().await?;
        let deadline = self.config().fetch_timeout.map(|length| Instant::now() + length);
        let copy = ObjectCopy { object: object.clone(), deadline };
        let (size, found) = copy.in_time(self.find_object(by.tenant(), object)).await?;
        check_size(size, limit)?;
        let writer = self.inner.catalog.spool(size, Measure::All);
        match found {
            Found::Inbox(content, sha256) => {
                let read = move |catalog: &Catalog| {
                    let spool = copy.read_from(content.open()?, size, writer)?;
                    if spool.sha256() != Some(sha256) {
                        return Err(catalog.lost_object(&copy.object, OTHER_BYTES).into());
                    }
                    Ok(spool)
                };
                self.blocking(read).await
            }
            Found::Bucket(ObjectBody::File(file)) => {
                self.blocking(move |_| copy.read_from(file, size, writer)).await
            }
            Found::Bucket(ObjectBody::Remote(body)) => {
                self.spool_batches(writer, Vec::new(), &mut RemoteCopy { copy, body }).await
            }
        }
    }

    /// Finds an object in the tenant's inbox, else in the bucket map, and returns its size.
    async fn find_object(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
    ) -> Result<(u64, Found), CatalogError> {
        // A subtenant, openYuanrong's product, has no inbox of its own.
        let owner = TenantId::parse(tenant.root())?;
        // Objects that no client can see or delete must not be used.
        let found = if self.inner.has_inbox {
            let (named, owner) = (object.clone(), owner.clone());
            self.blocking(move |catalog| catalog.open_object(&owner, &named)).await
        } else {
            Err(CatalogError::not_found(Noun::Object, &object.key))
        };
        let absent = match found {
            Ok((about, content)) => {
                return Ok((about.size, Found::Inbox(content, about.digests.sha256)));
            }
            Err(absent @ CatalogError::NotFound { .. }) => absent,
            Err(failure) => return Err(failure),
        };
        match self.inner.buckets.open(object, tenant).await {
            // The inbox has the bucket, so that only the object is missing.
            Err(CatalogError::NotFound { what: Noun::Bucket, .. })
                if self.read(|catalog| catalog.has_bucket(&owner, &object.bucket)).await? =>
            {
                Err(absent)
            }
            outcome => outcome.map(|OpenObject { size, body }| (size, Found::Bucket(body))),
        }
    }
}

/// An object that is open for copying.
enum Found {
    /// One of the inbox, with the SHA-256 that it must have.
    Inbox(Content, [u8; 32]),
    /// One of the bucket map.
    Bucket(ObjectBody),
}

fn check_size(size: u64, limit: u64) -> Result<(), CatalogError> {
    if size <= limit {
        return Ok(());
    }
    Err(CatalogError::LimitExceeded { what: Limit::CodeSize, limit, actual: size })
}

/// The copy of an object out of a remote storage.
struct RemoteCopy {
    copy: ObjectCopy,
    body: RemoteBody,
}

impl Batches for RemoteCopy {
    async fn next(&mut self) -> Result<(Vec<Bytes>, bool), RequestError> {
        let Self { copy, body } = self;
        let gather = async {
            let (mut batch, mut size) = (Vec::new(), 0);
            while size < BATCH {
                let Some(chunk) = body.next().await? else { return Ok((batch, true)) };
                // A chunk of one byte takes far more memory than its byte.
                size += chunk.len() + size_of::<Bytes>();
                batch.push(chunk);
            }
            Ok((batch, false))
        };
        Ok(copy.in_time(gather).await?)
    }
}

/// One copy that is under way.
struct ObjectCopy {
    object: ObjectRef,
    /// When it must be done.
    deadline: Option<Instant>,
}

impl ObjectCopy {
    /// Waits for one step, no longer than the copy may take.
    async fn in_time<T>(
        &self,
        step: impl Future<Output = Result<T, CatalogError>>,
    ) -> Result<T, CatalogError> {
        match self.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, step)
                .await
                .unwrap_or_else(|_| Err(self.unavailable(TOO_LONG))),
            None => step.await,
        }
    }

    /// Copies `size` bytes that are on this machine, for a blocking thread.
    fn read_from(
        &self,
        bytes: impl Read,
        size: u64,
        mut writer: SpoolWriter,
    ) -> Result<Spool, RequestError> {
        let mut left = size;
        // One byte more than there should be shows a file that grew.
        let mut bytes = bytes.take(left.saturating_add(1));
        loop {
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(self.unavailable(TOO_LONG).into());
            }
            let piece = next_piece(&mut bytes, PIECE).map_err(|error| {
                tracing::warn!(object = %self.object, %error, "an object cannot be read");
                self.unavailable("its file cannot be read")
            })?;
            let len = piece.len() as u64;
            if len > left || (len == 0 && left > 0) {
                return Err(self.unavailable(CHANGED).into());
            }
            if len == 0 {
                return Ok(writer.finish()?);
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
    use crate::ingest::UploadFolder;

    #[test]
    fn a_file_that_changes_while_it_is_copied_is_no_object() {
        let incoming = tempfile::tempdir().unwrap();
        let object = ObjectRef::parse("code", "a.zip").unwrap();
        let copy = ObjectCopy { object, deadline: None };
        let bytes = 700_000;
        for (said, reason) in [(bytes - 1, CHANGED), (bytes, ""), (bytes + 1, CHANGED)] {
            let mut file = tempfile::tempfile_in(incoming.path()).unwrap();
            file.write_all(&vec![b'x'; bytes as usize]).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            let folder = UploadFolder::new(incoming.path(), None);
            let writer = SpoolWriter::new(&folder, said, Measure::All);
            match copy.read_from(file, said, writer) {
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
