//! Conditions on an object that is read or copied (RFC 9110 section 13).

use jiff::SignedDuration;
use s3s::{S3ErrorCode, dto};

use crate::dialects::s3::errors::ApiError;
use crate::dialects::s3::wire;
use crate::domain::InboxObject;

/// The four conditions; `None` where one is not stated.
pub(super) struct Conditions {
    /// `If-Match`
    pub(super) fits: Option<dto::ETagCondition>,
    /// `If-None-Match`
    pub(super) fits_not: Option<dto::ETagCondition>,
    /// `If-Modified-Since`
    pub(super) modified: Option<dto::Timestamp>,
    /// `If-Unmodified-Since`
    pub(super) unmodified: Option<dto::Timestamp>,
}

impl Conditions {
    /// Refuses a read: 412 for an object that the client does not want, 304 for one that it has.
    pub(super) fn check_read(&self, object: &InboxObject) -> Result<(), ApiError> {
        if self.is_unwanted(object) {
            return Err(failed("the object does not fit If-Match or If-Unmodified-Since"));
        }
        if self.is_known(object) { Err(ApiError::not_modified(&object.etag)) } else { Ok(()) }
    }

    /// Refuses a copy of an object, always with 412.
    pub(super) fn check_copy(&self, object: &InboxObject) -> Result<(), ApiError> {
        if self.is_unwanted(object) || self.is_known(object) {
            return Err(failed("the source does not fit x-amz-copy-source-if-"));
        }
        Ok(())
    }

    fn is_unwanted(&self, object: &InboxObject) -> bool {
        match (&self.fits, &self.unmodified) {
            (Some(fits), _) => !is(fits, object),
            (None, Some(unmodified)) => is_later(object, unmodified),
            (None, None) => false,
        }
    }

    fn is_known(&self, object: &InboxObject) -> bool {
        match (&self.fits_not, &self.modified) {
            (Some(fits_not), _) => is(fits_not, object),
            (None, Some(modified)) => !is_later(object, modified),
            (None, None) => false,
        }
    }
}

fn failed(message: &str) -> ApiError {
    ApiError::new(S3ErrorCode::PreconditionFailed, message)
}

fn is(condition: &dto::ETagCondition, object: &InboxObject) -> bool {
    condition.as_etag().is_none_or(|etag| etag.value() == object.etag)
}

/// Whether an object was stored later. Headers have whole seconds: what was stored within the
/// second is not later.
fn is_later(object: &InboxObject, time: &dto::Timestamp) -> bool {
    wire::moment(object.stored - SignedDuration::from_secs(1)) >= *time
}
