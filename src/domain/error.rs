//! The catalog's errors, with their own texts and data.
//!
//! No status, no vendor code: each dialect has exhaustive tables that render them.

use std::error::Error;
use std::fmt;
use std::io;

use super::{Field, Noun, Role};

/// The limits on what the catalog stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
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
    /// Bytes of all objects in the inbox.
    InboxSize,
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CodeSize => "bytes of zip",
            Self::UnpackedSize => "bytes unpacked",
            Self::Entries => "entries in the zip",
            Self::FunctionVersions => "versions of the function",
            Self::TenantCode => "bytes of all versions of the tenant",
            Self::InboxSize => "bytes in the inbox",
        })
    }
}

/// Why an upload is not an archive that the catalog stores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveProblem {
    /// The request has no code.
    #[error("no code was sent")]
    Missing,
    /// The text is not base64.
    #[error("the text is not base64")]
    NotBase64,
    /// The bytes have no readable zip directory.
    #[error("the bytes are not a zip archive: {0}")]
    NotZip(String),
    /// The framing of the upload is broken, or it is shorter than declared.
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
    /// Two entries have the same name and different contents.
    #[error("entry {path:?} is there twice with different contents: as entry {first} and {second}")]
    DuplicatePath {
        /// The path as the second entry has it.
        path: String,
        /// Position of the first one in the directory, counted from 1.
        first: u64,
        /// Position of the second one.
        second: u64,
    },
    /// An entry is encrypted.
    #[error("entry {0:?} is encrypted")]
    Encrypted(String),
    /// An entry is packed by a method that not every unpacker reads.
    #[error(
        "entry {path:?} is packed by method {method}; only 0 (stored) and 8 (deflated) are read"
    )]
    UnknownMethod {
        /// The path as the archive has it.
        path: String,
        /// The method's number in the zip format.
        method: u16,
    },
    /// An entry is malformed, damaged, of a refused kind, or not what the archive declares.
    #[error("entry {path:?}: {reason}")]
    BadEntry {
        /// The path as the archive has it.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The archive is empty.
    #[error("the archive has no entries")]
    NoEntries,
}

/// Writes the owner of a noun, if it has one.
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
    /// The named thing does not exist.
    #[error("{what} '{name}'{} does not exist", Of(.of))]
    NotFound {
        /// Its kind.
        what: Noun,
        /// Its name as asked for.
        name: String,
        /// Its owner: the layer or function of a version.
        of: Option<String>,
    },
    /// The name is taken.
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
        /// The field.
        field: Field,
        /// The rule, with its limit.
        reason: String,
    },
    /// A size or a count exceeds a limit.
    #[error("{what}: {actual} is more than the limit of {limit}")]
    LimitExceeded {
        /// The limit.
        what: Limit,
        /// The most that is allowed.
        limit: u64,
        /// The actual amount, or the amount counted before reading stopped.
        actual: u64,
    },
    /// The upload is not an archive that can be stored.
    #[error("{0}")]
    BadArchive(#[from] ArchiveProblem),
    /// The digest that the caller stated is not that of the received bytes.
    #[error("the {algorithm} checksum is {actual}, not {stated}")]
    ChecksumMismatch {
        /// The algorithm's name.
        algorithm: &'static str,
        /// The caller's digest.
        stated: String,
        /// The digest of the received bytes, in the same spelling.
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
    /// Another thing still uses it.
    #[error("{what} '{name}' is in use by {by}")]
    InUse {
        /// Its kind.
        what: Noun,
        /// Its name.
        name: String,
        /// The thing that uses it.
        by: String,
    },
    /// The storage behind a bucket does not answer as it should.
    #[error("the bucket '{bucket}' cannot be read: {reason}")]
    BucketUnavailable {
        /// The bucket's name.
        bucket: String,
        /// The cause in our words: the storage's own text is only logged.
        reason: &'static str,
    },
    /// The caller's role does not cover the operation.
    #[error("the key has the role {role}, and this needs the role {needed}")]
    Forbidden {
        /// The caller's role.
        role: Role,
        /// The weakest role that covers the operation.
        needed: Role,
    },
    /// Only the node's owner may do it, at the command line: it concerns all tenants.
    #[error("only the owner of the node may do this, by a command on the data folder")]
    OwnerOnly,
    /// The catalog or its storage cannot be reached; the same request may succeed later.
    #[error("{what} cannot be reached: try again")]
    Unavailable {
        /// The part that cannot be reached.
        what: &'static str,
        /// What happened, for the log.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The disk is full.
    #[error("no space left on the server's disk")]
    NoSpace {
        /// What happened, for the log.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A fault of the server; its text is only logged.
    #[error("internal error")]
    Internal {
        /// What happened, for the log.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl CatalogError {
    /// Wraps a fault that no input caused.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal { source: source.into() }
    }

    /// Reports that something does not exist.
    pub fn not_found(what: Noun, name: impl fmt::Display) -> Self {
        Self::NotFound { what, name: name.to_string(), of: None }
    }

    /// Reports that a version of something does not exist.
    pub fn no_version(what: Noun, name: impl fmt::Display, of: impl fmt::Display) -> Self {
        Self::NotFound { what, name: name.to_string(), of: Some(of.to_string()) }
    }

    /// Reports a value that breaks a rule.
    pub fn invalid(field: Field, reason: impl Into<String>) -> Self {
        Self::InvalidValue { field, reason: reason.into() }
    }
}

impl From<std::io::Error> for CatalogError {
    fn from(source: std::io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoSpace { source: source.into() },
            _ => Self::internal(source),
        }
    }
}
