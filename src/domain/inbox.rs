//! Multipart uploads into the inbox, and the ranges of its lists.

use super::object::{ObjectInfo, ObjectRef};
use super::{CatalogError, Field, Timestamp};

/// Highest number of a part, as S3 and its relatives have it.
pub const PART_MAX: u16 = 10_000;

/// A range of a bucket's objects, in the order of their keys' bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRange {
    /// What the keys start with; empty for all.
    pub prefix: String,
    /// Where it begins.
    pub from: ObjectFrom,
    /// Objects to return at most.
    pub limit: u64,
}

/// The start of a range of a bucket's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ObjectFrom {
    /// At the first key.
    #[default]
    Start,
    /// At the first key after this text, which need not be a key.
    After(String),
    /// At the first key after all that start with this text; nothing is behind the empty one.
    Behind(String),
}

/// A range of the unfinished uploads into a bucket, in the order of their keys' bytes, then of
/// their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultipartRange {
    /// What the keys start with; empty for all.
    pub prefix: String,
    /// Where it begins.
    pub from: MultipartFrom,
    /// Uploads to return at most.
    pub limit: u64,
}

/// The start of a range of unfinished uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MultipartFrom {
    /// At the first upload.
    #[default]
    Start,
    /// At the first key after this text, which need not be a key.
    AfterKey(String),
    /// At the first upload after this key and id, which need not exist.
    After(String, String),
    /// At the first key after all that start with this text; nothing is behind the empty one.
    Behind(String),
}

/// A multipart upload that is not completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// The client's handle to it.
    pub id: String,
    /// The object that it becomes.
    pub at: ObjectRef,
    /// The media type and metadata of that object.
    pub about: ObjectInfo,
    /// When it was started.
    pub started: Timestamp,
    /// When it expires; `None`: never.
    pub expires: Option<Timestamp>,
}

/// One part of an upload that is not completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its position among the parts, from 1 to [`PART_MAX`].
    pub number: u16,
    /// Bytes.
    pub size: u64,
    /// MD5 of its bytes.
    pub md5: [u8; 16],
    /// The entity tag without quotes: the MD5 in lower-case hexadecimal.
    pub etag: String,
    /// When it was stored.
    pub stored: Timestamp,
}

impl Part {
    /// Checks a part's number; `InvalidValue` unless it is 1 to [`PART_MAX`].
    pub fn check_number(number: u16) -> Result<(), CatalogError> {
        if (1..=PART_MAX).contains(&number) {
            return Ok(());
        }
        let reason = format!("must be 1 to {PART_MAX}, this is {number}");
        Err(CatalogError::invalid(Field::PartNumber, reason))
    }
}
