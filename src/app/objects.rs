//! Code that is named and not sent: it is copied from a bucket into a spool.

use std::fs::File;
use std::io::Read;

use bytes::Bytes;
use tokio::time::Instant;

use super::App;
use crate::buckets::ObjectBody;
use crate::domain::{Caller, CatalogError, ObjectRef, Role};
use crate::ingest::{Measure, Spool, SpoolWriter};

/// Bytes that are read of a file at a time.
const CHUNK: u64 = 256 << 10;

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
        let _place = self.inner.traffic.start_upload().await?;
        let end = self.config().fetch_timeout.map(|length| Instant::now() + length);
        let found = self.inner.buckets.open(object, by.tenant(), limit).await?;
        let (copy, named) = (Copy { size: found.size, end }, object.clone());
        match found.body {
            ObjectBody::File(file) => {
                self.write(move |catalog| {
                    let writer = SpoolWriter::new(catalog.incoming(), copy.size, Measure::All);
                    copy.file(file, writer, &named)
                })
                .await
            }
        }
    }
}

/// One copy on its way.
struct Copy {
    /// Bytes that the object has.
    size: u64,
    /// When it must be done.
    end: Option<Instant>,
}

impl Copy {
    /// Copies a file, for a blocking thread.
    fn file(
        &self,
        file: File,
        mut writer: SpoolWriter,
        object: &ObjectRef,
    ) -> Result<Spool, CatalogError> {
        let mut left = self.size;
        // One byte more than there should be, so that a file that grew is seen.
        let mut file = file.take(left.saturating_add(1));
        loop {
            if self.end.is_some_and(|end| end <= Instant::now()) {
                return Err(unavailable(object, TOO_LONG));
            }
            let mut chunk = Vec::with_capacity(CHUNK.min(left + 1) as usize);
            file.by_ref().take(CHUNK).read_to_end(&mut chunk).map_err(|error| {
                tracing::warn!(%object, %error, "an object cannot be read");
                unavailable(object, "it broke off")
            })?;
            let len = chunk.len() as u64;
            if len > left || (len == 0 && left > 0) {
                return Err(unavailable(object, "the object changed while it was copied"));
            }
            if len == 0 {
                return writer.finish();
            }
            left -= len;
            writer.write(Bytes::from(chunk))?;
        }
    }
}

/// Why a copy ends that its storage does not.
const TOO_LONG: &str = "the copy took too long";

fn unavailable(object: &ObjectRef, reason: &'static str) -> CatalogError {
    CatalogError::BucketUnavailable { bucket: object.bucket.to_string(), reason }
}
