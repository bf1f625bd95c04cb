//! Converts the catalog's errors for all dialects, through tables that each dialect supplies.
//!
//! The tables are exhaustive by noun, field and limit: a new one does not compile until every
//! dialect covers it. An operation's exceptions are beside that operation. Knows no cloud.

use super::answer::log_fault;
use super::refusal::Refusal;
use crate::domain::{ArchiveProblem, CatalogError, Field, Limit, Noun, RequestError, RequestLimit};

/// The name of something that does not exist.
pub(super) struct Missing {
    /// Its name.
    pub(super) name: String,
    /// The layer or function of a version, or the bucket of an object.
    pub(super) of: Option<String>,
    /// The catalog's own sentence.
    pub(super) text: String,
}

/// Something that another thing uses.
pub(super) struct Used {
    /// Its name.
    pub(super) name: String,
    /// The thing that uses it.
    pub(super) by: String,
    /// The catalog's own sentence.
    pub(super) text: String,
}

/// A limit that was exceeded.
pub(super) struct Excess {
    /// The most that is allowed.
    pub(super) limit: u64,
    /// The actual amount, or the amount counted.
    pub(super) actual: u64,
    /// The catalog's own sentence.
    pub(super) text: String,
}

/// One cloud's error for each kind of error; `text` is always the catalog's own sentence.
pub(super) trait Wording: Refusal + Sized {
    /// Something does not exist.
    fn missing(what: Noun, missing: Missing) -> Self;
    /// The name is taken.
    fn exists(what: Noun, text: String) -> Self;
    /// Another thing uses it.
    fn in_use(what: Noun, used: Used) -> Self;
    /// A value breaks a rule.
    fn field(field: Field, reason: String) -> Self;
    /// A limit on what the catalog stores is exceeded.
    fn limit(what: Limit, excess: Excess) -> Self;
    /// A limit on requests is exceeded.
    fn request_limit(what: RequestLimit, excess: Excess) -> Self;
    /// The upload is not an archive that can be stored.
    fn archive(problem: ArchiveProblem) -> Self;
    /// An error without a noun, field or limit.
    fn other(cause: Cause, text: String) -> Self;
}

/// The cause of an error without a noun, field or limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The body is encoded in a way that the server does not understand.
    Encoding,
    /// A stated checksum is not that of the received bytes.
    Checksum,
    /// The caller's revision of something is not the current one.
    Stale,
    /// There is nothing new to publish.
    Unchanged,
    /// The caller's role does not cover the operation.
    Forbidden,
    /// The storage behind a bucket does not answer.
    BucketUnavailable,
    /// The catalog cannot be reached; the client may try again.
    Unavailable,
    /// The server's disk is full.
    NoSpace,
    /// A fault of the server, described in the log.
    Internal,
}

/// Converts an error, and logs faults of the server.
pub(super) fn word<W: Wording>(error: impl Into<RequestError>) -> W {
    let error = error.into();
    let text = error.to_string();
    let error = match error {
        RequestError::Limit { what, limit, actual } => {
            return W::request_limit(what, Excess { limit, actual, text });
        }
        RequestError::Encoding { .. } => return W::other(Cause::Encoding, text),
        RequestError::Catalog(error) => error,
    };
    let cause = match error {
        CatalogError::NotFound { what, name, of } => {
            return W::missing(what, Missing { name, of, text });
        }
        CatalogError::AlreadyExists { what, .. } => return W::exists(what, text),
        CatalogError::InUse { what, name, by } => return W::in_use(what, Used { name, by, text }),
        CatalogError::InvalidValue { field, reason } => return W::field(field, reason),
        CatalogError::LimitExceeded { what, limit, actual } => {
            return W::limit(what, Excess { limit, actual, text });
        }
        CatalogError::BadArchive(problem) => return W::archive(problem),
        CatalogError::ChecksumMismatch { .. } => Cause::Checksum,
        CatalogError::Stale { .. } => Cause::Stale,
        CatalogError::Unchanged { .. } => Cause::Unchanged,
        CatalogError::Forbidden { .. } | CatalogError::OwnerOnly => Cause::Forbidden,
        CatalogError::BucketUnavailable { .. } => Cause::BucketUnavailable,
        CatalogError::Unavailable { what, source } => {
            log_fault(&format!("{what} cannot be reached"), &*source);
            Cause::Unavailable
        }
        CatalogError::NoSpace { source } => {
            tracing::debug!(error = %source, "no space left on the disk");
            Cause::NoSpace
        }
        CatalogError::Internal { source } => {
            log_fault("an internal error", &*source);
            Cause::Internal
        }
    };
    W::other(cause, text)
}

/// Lets `?` convert the catalog's errors into a dialect's.
macro_rules! worded_from_catalog {
    ($($error:ty),+) => { $(
        impl From<crate::domain::CatalogError> for $error {
            fn from(error: crate::domain::CatalogError) -> Self {
                crate::dialects::wording::word(error)
            }
        }

        impl From<crate::domain::RequestError> for $error {
            fn from(error: crate::domain::RequestError) -> Self {
                crate::dialects::wording::word(error)
            }
        }
    )+ };
}
pub(super) use worded_from_catalog;
