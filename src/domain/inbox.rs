//! Multipart uploads into the inbox, and the ranges of its lists.

use std::ops::Range;

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

/// One part of a complete object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    /// The part's bytes in the object.
    pub range: Range<u64>,
    /// Number of all parts; `None` when the object was put whole.
    pub count: Option<u64>,
}

impl ObjectPart {
    /// Returns the part with a number from 1, of an object of `size` bytes; `None` when there is no
    /// such part. An object without `part_sizes` is its own only part.
    pub fn find(number: u16, size: u64, part_sizes: &[u64]) -> Option<Self> {
        let index = usize::from(number).checked_sub(1)?;
        if part_sizes.is_empty() {
            return (index == 0).then_some(Self { range: 0..size, count: None });
        }
        let length = part_sizes.get(index)?;
        let start: u64 = part_sizes[..index].iter().sum();
        Some(Self { range: start..start + length, count: Some(part_sizes.len() as u64) })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_object_lie_one_behind_the_other() {
        let find = |number, sizes: &[u64]| {
            ObjectPart::find(number, 9, sizes).map(|part| (part.range, part.count))
        };
        assert_eq!(find(1, &[5, 0, 4]), Some((0..5, Some(3))));
        assert_eq!(find(2, &[5, 0, 4]), Some((5..5, Some(3))));
        assert_eq!(find(3, &[5, 0, 4]), Some((5..9, Some(3))));
        assert_eq!(find(1, &[9]), Some((0..9, Some(1))));
        assert_eq!(find(1, &[]), Some((0..9, None)));
        for none in [find(0, &[]), find(2, &[]), find(0, &[9]), find(2, &[9]), find(u16::MAX, &[9])]
        {
            assert_eq!(none, None);
        }
    }
}
