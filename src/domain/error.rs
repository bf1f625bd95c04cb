//! What can go wrong in the catalog, in its own words and with the data to tell it.
//!
//! No status, no vendor code: each dialect matches these exhaustively and words its own answer.

use std::error::Error;
use std::fmt;

use super::Role;

/// The kinds of things that can be missing or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    /// A layer.
    Layer,
    /// One version of a layer.
    LayerVersion,
    /// A function.
    Function,
    /// One version of a function.
    FunctionVersion,
    /// Uploaded code.
    Code,
    /// An access key.
    Key,
    /// A tenant.
    Tenant,
    /// A tenant's name in a cloud.
    CloudId,
    /// A bucket, in the inbox or in the bucket map.
    Bucket,
    /// An object in a bucket.
    Object,
    /// An unfinished multipart upload into the inbox.
    Multipart,
}

impl fmt::Display for Noun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Layer => "layer",
            Self::LayerVersion => "layer version",
            Self::Function => "function",
            Self::FunctionVersion => "function version",
            Self::Code => "code",
            Self::Key => "key",
            Self::Tenant => "tenant",
            Self::CloudId => "the name",
            Self::Bucket => "bucket",
            Self::Object => "object",
            Self::Multipart => "multipart upload",
        })
    }
}

/// The limits that a request can exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of a request's body.
    BodySize,
    /// Bytes of an uploaded zip.
    CodeSize,
    /// Bytes of a zip's entries unpacked.
    UnpackedSize,
    /// Number of entries in a zip.
    Entries,
    /// Versions of one function.
    FunctionVersions,
    /// Bytes of all versions of one tenant.
    TenantCode,
    /// Requests of one key in one second.
    RequestRate,
    /// Requests that run at the same time.
    Requests,
    /// Uploads that run at the same time.
    Uploads,
    /// Bytes of all objects in the inbox.
    InboxSize,
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BodySize => "bytes of request body",
            Self::CodeSize => "bytes of zip",
            Self::UnpackedSize => "bytes unpacked",
            Self::Entries => "entries in the zip",
            Self::FunctionVersions => "versions of the function",
            Self::TenantCode => "bytes of all versions of the tenant",
            Self::RequestRate => "requests of the key in this second",
            Self::Requests => "requests at the same time",
            Self::Uploads => "uploads at the same time",
            Self::InboxSize => "bytes in the inbox",
        })
    }
}

/// Why an upload is not an archive that the catalog keeps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveProblem {
    /// No code came with the request.
    #[error("no code was sent")]
    Missing,
    /// The text is not base64.
    #[error("the text is not base64")]
    NotBase64,
    /// The bytes have no readable zip directory.
    #[error("the bytes are not a zip archive: {0}")]
    NotZip(String),
    /// The form of the upload itself is broken, or shorter than it says.
    #[error("the upload is incomplete: {0}")]
    Incomplete(String),
    /// An entry's path leaves the archive's tree or is not portable.
    #[error("entry {path:?}: {reason}")]
    UnsafePath {
        /// The path as the archive has it.
        path: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// Two entries have one name.
    #[error("entry {0:?} is there twice")]
    DuplicatePath(String),
    /// An entry is encrypted.
    #[error("entry {0:?} is encrypted")]
    Encrypted(String),
}

/// Writes what something belongs to, where it belongs to anything.
struct Of<'a>(&'a Option<String>);

impl fmt::Display for Of<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(owner) => write!(formatter, " of '{owner}'"),
            None => Ok(()),
        }
    }
}

/// Why the catalog refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Something named is not there.
    #[error("{what} '{name}'{} does not exist", Of(.of))]
    NotFound {
        /// Its kind.
        what: Noun,
        /// Its name as asked for.
        name: String,
        /// What it would belong to: the layer or function of a version.
        of: Option<String>,
    },
    /// Something by that name is there already.
    #[error("{what} '{name}' already exists")]
    AlreadyExists {
        /// Its kind.
        what: Noun,
        /// Its name.
        name: String,
    },
    /// A value breaks a rule.
    #[error("{field} {reason}")]
    InvalidValue {
        /// The field in the catalog's or the dialect's words.
        field: &'static str,
        /// The rule, with its limit.
        reason: String,
    },
    /// Something is too large or too many.
    #[error("{what}: {actual} is more than the limit of {limit}")]
    LimitExceeded {
        /// What was measured.
        what: Limit,
        /// The most that is allowed.
        limit: u64,
        /// What it was, or how far it was counted before reading stopped.
        actual: u64,
    },
    /// The upload is not an archive that can be kept.
    #[error("{0}")]
    BadArchive(#[from] ArchiveProblem),
    /// A digest that the caller stated is not the digest of what arrived.
    #[error("the {algorithm} checksum is {actual}, not {stated}")]
    ChecksumMismatch {
        /// The algorithm's name.
        algorithm: &'static str,
        /// What the caller stated.
        stated: String,
        /// What arrived, spelled the same way.
        actual: String,
    },
    /// The caller's revision of a head is not the current one.
    #[error("{what} '{name}' has changed since it was read")]
    Stale {
        /// Its kind.
        what: Noun,
        /// Its name.
        name: String,
    },
    /// There is nothing new to publish.
    #[error("function '{name}' has not changed since its last publication")]
    Unchanged {
        /// The function's name.
        name: String,
    },
    /// Something else still needs it.
    #[error("{what} '{name}' is in use by {by}")]
    InUse {
        /// Its kind.
        what: Noun,
        /// Its name.
        name: String,
        /// What needs it.
        by: String,
    },
    /// The storage behind a bucket does not answer as it should.
    #[error("the bucket '{bucket}' cannot be read: {reason}")]
    BucketUnavailable {
        /// The bucket's name.
        bucket: String,
        /// What is wrong, in our words: the storage's own stay in the log.
        reason: &'static str,
    },
    /// The caller's role does not cover what he asks for.
    #[error("the key has the role {role}, and this needs the role {needed}")]
    Forbidden {
        /// What the caller is.
        role: Role,
        /// What he would have to be.
        needed: Role,
    },
    /// A fault of ours or of the machine; the text is for the log alone.
    #[error("internal error")]
    Internal {
        /// What happened, for the log.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl CatalogError {
    /// Wraps a fault that is nobody's input.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal { source: source.into() }
    }

    /// Says that something is not there.
    pub fn not_found(what: Noun, name: impl fmt::Display) -> Self {
        Self::NotFound { what, name: name.to_string(), of: None }
    }

    /// Says that a version of something is not there.
    pub fn no_version(what: Noun, name: impl fmt::Display, of: impl fmt::Display) -> Self {
        Self::NotFound { what, name: name.to_string(), of: Some(of.to_string()) }
    }

    /// Says that a value breaks a rule.
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidValue { field, reason: reason.into() }
    }
}

impl From<std::io::Error> for CatalogError {
    fn from(source: std::io::Error) -> Self {
        Self::internal(source)
    }
}
