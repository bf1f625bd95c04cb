//! What is on its way into the inbox in parts, and which stretch of it is asked for.

use super::object::{ObjectInfo, ObjectRef};
use super::{CatalogError, Timestamp};

/// Highest number of a part, as S3 and its relatives have it.
pub const PART_MAX: u16 = 10_000;

/// A stretch of a bucket's objects, in the order of their keys' bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRange {
    /// What the keys start with; empty for all.
    pub prefix: String,
    /// Where it begins.
    pub from: ObjectFrom,
    /// Objects to return at most.
    pub limit: u64,
}

/// Where a stretch of a bucket's objects begins.
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

/// A stretch of the unfinished uploads into a bucket, in the order of their keys' bytes, and then
/// of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultipartRange {
    /// What the keys start with; empty for all.
    pub prefix: String,
    /// Where it begins.
    pub from: MultipartFrom,
    /// Uploads to return at most.
    pub limit: u64,
}

/// Where a stretch of unfinished uploads begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MultipartFrom {
    /// At the first upload.
    #[default]
    Start,
    /// At the first key after this text, which need not be a key.
    AfterKey(String),
    /// At the first upload after this one, by its key and its id; it need not be there.
    After(String, String),
    /// At the first key after all that start with this text; nothing is behind the empty one.
    Behind(String),
}

/// A multipart upload that is not completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// What the client names it by.
    pub id: String,
    /// The object that it becomes.
    pub at: ObjectRef,
    /// What is said of that object.
    pub about: ObjectInfo,
    /// When it was started.
    pub started: Timestamp,
    /// From when on it is no longer there; `None`: it stays.
    pub expires: Option<Timestamp>,
}

/// One part of an upload that is not completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its place among the parts, from 1 to [`PART_MAX`].
    pub number: u16,
    /// Bytes.
    pub size: u64,
    /// MD5 of its bytes.
    pub md5: [u8; 16],
    /// The entity tag without quotes: the MD5 in lower-case hexadecimal.
    pub etag: String,
    /// When it was put.
    pub stored: Timestamp,
}

impl Part {
    /// Checks a part's number; `InvalidValue` unless it is 1 to [`PART_MAX`].
    pub fn check_number(number: u16) -> Result<(), CatalogError> {
        if (1..=PART_MAX).contains(&number) {
            return Ok(());
        }
        let reason = format!("must be 1 to {PART_MAX}, this is {number}");
        Err(CatalogError::invalid("part number", reason))
    }
}
