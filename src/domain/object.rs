//! Buckets and objects: references to code outside the request, and the objects in the inbox.

use std::collections::BTreeMap;
use std::fmt;

use super::{CatalogError, Field};
use super::{Digests, Timestamp};

/// Longest name of a bucket, in bytes; the clouds' own limits are below it.
pub const BUCKET_MAX_BYTES: usize = 255;

/// Longest key of an object, in bytes, as S3 and its relatives have it.
pub const KEY_MAX_BYTES: usize = 1024;

/// The name of a bucket: 1 to 255 ASCII letters, digits, `.`, `_` and `-`, the first a letter or a
/// digit. It is never a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketName(String);

impl BucketName {
    /// Parses a name; `CatalogError::InvalidValue` says which rule it breaks.
    pub fn parse(text: impl Into<String>) -> Result<Self, CatalogError> {
        let text = text.into();
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let reason = if text.is_empty() || text.len() > BUCKET_MAX_BYTES {
            format!("must be 1 to {BUCKET_MAX_BYTES} bytes long, this is {}", text.len())
        } else if !text.bytes().all(inner) || !text.as_bytes()[0].is_ascii_alphanumeric() {
            "must be letters, digits, '.', '_' and '-', and start with a letter or a digit".into()
        } else {
            return Ok(Self(text));
        };
        Err(CatalogError::InvalidValue { field: Field::Bucket, reason })
    }

    /// Returns the name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The key of an object: 1 to 1024 bytes of UTF-8 without control characters and without U+FFFE and
/// U+FFFF, which the clouds' lists cannot carry (XML 1.0 section 2.2).
///
/// It is a name that may look like any path, such as `../../etc/passwd`: code that makes a path of
/// it must check it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Parses a key; `CatalogError::InvalidValue` says which rule it breaks.
    pub fn parse(text: impl Into<String>) -> Result<Self, CatalogError> {
        let text = text.into();
        let reason = if text.is_empty() || text.len() > KEY_MAX_BYTES {
            format!("must be 1 to {KEY_MAX_BYTES} bytes long, this is {}", text.len())
        } else if text.chars().any(char::is_control) {
            "must not contain control characters".into()
        } else if text.contains(['\u{fffe}', '\u{ffff}']) {
            "must not contain U+FFFE or U+FFFF".into()
        } else {
            return Ok(Self(text));
        };
        Err(CatalogError::InvalidValue { field: Field::ObjectKey, reason })
    }

    /// Returns the key as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A reference to an object in a bucket, as the source of code that is not in the request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key in it.
    pub key: ObjectKey,
}

impl ObjectRef {
    /// Parses both parts; `CatalogError::InvalidValue` names `bucket` or `object`.
    pub fn parse(bucket: impl Into<String>, key: impl Into<String>) -> Result<Self, CatalogError> {
        Ok(Self { bucket: BucketName::parse(bucket)?, key: ObjectKey::parse(key)? })
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.bucket, self.key)
    }
}

/// An object in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxObject {
    /// Its bucket and key.
    pub at: ObjectRef,
    /// Bytes.
    pub size: u64,
    /// All digests of the whole object.
    pub digests: Digests,
    /// Number of its parts; 1 unless it was a multipart upload.
    pub parts: u64,
    /// The entity tag without quotes: the MD5 in lower-case hexadecimal, or S3's combination of the
    /// MD5s of several parts, `<md5>-<parts>`.
    pub etag: String,
    /// Its media type and metadata.
    pub about: ObjectInfo,
    /// When it was stored.
    pub stored: Timestamp,
    /// When it expires; `None`: never.
    pub expires: Option<Timestamp>,
}

/// The media type and metadata that a client states for an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The media type; empty when none was stated.
    pub media_type: String,
    /// The client's own names and values (`x-amz-meta-…`), names in lower case.
    pub metadata: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_never_a_path() {
        for good in ["a", "9", "code", "my.bucket-1_x", &"b".repeat(BUCKET_MAX_BYTES)] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".a", "-a", "a/b", "a\\b", "a b", "ä", "a\0", &"b".repeat(256)]
        {
            assert!(BucketName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_any_text_that_xml_can_carry() {
        for good in [
            "a",
            "../../etc/passwd",
            "/a",
            "a//b",
            "层.zip",
            "\u{fffd}\u{1ffff}\u{10ffff}",
            &"k".repeat(KEY_MAX_BYTES),
        ] {
            assert!(ObjectKey::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a\0b", "a\nb", "\u{7f}", "a\u{fffe}", "\u{ffff}b", &"k".repeat(1025)] {
            assert!(ObjectKey::parse(bad).is_err(), "{bad}");
        }
    }
}
