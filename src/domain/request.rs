//! Errors of requests: the server's own limits, and the catalog's errors.

use std::fmt;

use super::CatalogError;

/// A limit on all requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestLimit {
    /// Bytes of a request's body.
    BodySize,
    /// Requests of one key in one second.
    Rate,
    /// Requests that run at the same time.
    Requests,
    /// Uploads that run at the same time.
    Uploads,
}

impl fmt::Display for RequestLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BodySize => "bytes of request body",
            Self::Rate => "requests of the key in this second",
            Self::Requests => "requests at the same time",
            Self::Uploads => "uploads at the same time",
        })
    }
}

/// Why a request is refused: by a limit on requests, for its encoding, or by the catalog.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The request exceeds a limit on requests.
    #[error("{what}: {actual} is more than the limit of {limit}")]
    Limit {
        /// The limit.
        what: RequestLimit,
        /// The most that is allowed.
        limit: u64,
        /// The actual amount, or the amount counted before reading stopped.
        actual: u64,
    },
    /// The body is encoded in a way that the server does not understand.
    #[error("Content-Encoding '{stated}' is not understood: send gzip, or the bytes as they are")]
    Encoding {
        /// The header's value.
        stated: String,
    },
    /// The catalog refuses or fails.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl RequestError {
    /// Reports a body longer than `limit` bytes, of which `actual` were counted.
    pub fn body_size(limit: u64, actual: u64) -> Self {
        Self::Limit { what: RequestLimit::BodySize, limit, actual }
    }
}

impl From<std::io::Error> for RequestError {
    fn from(source: std::io::Error) -> Self {
        Self::Catalog(source.into())
    }
}
