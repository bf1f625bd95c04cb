//! Conversions between the catalog's types and those of `s3s`, and the paths of requests.

pub(super) mod checksums;
pub(super) mod chunked;

use std::time::SystemTime;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Request};
use memchr::memmem;
use percent_encoding::{percent_decode, percent_decode_str, utf8_percent_encode};
use s3s::dto;

use super::errors::ApiError;
use super::{PREFIX, SERVICE};
use crate::dialects::{signing, sigv4};
use crate::domain::{
    BucketName, CatalogError, Field, InboxObject, ObjectInfo, ObjectKey, ObjectRef, Timestamp,
};

/// The header that makes a copy of an upload.
pub(super) const COPY_SOURCE: &str = "x-amz-copy-source";

/// What is before a version in [`COPY_SOURCE`].
const VERSION_ID: &[u8] = b"?versionId=";

/// The version id of an object in a bucket without versions.
pub(super) const THE_VERSION: &str = "null";

/// The media type of an object for which none was stated.
const UNKNOWN_TYPE: &str = "binary/octet-stream";

/// Marks a request that came without the prefix: its signature does not cover the prefix.
#[derive(Clone, Copy, Debug)]
struct FromRoot;

/// The first word of credentials of S3's version 2, which other services have too.
const VERSION_2: &[u8] = b"AWS ";

/// The first words of credentials that object stores alone have and that are refused: Huawei's OBS,
/// Tencent's COS.
const OTHER_SCHEMES: [&[u8]; 2] = [b"OBS ", b"q-sign-algorithm="];

/// Parameters of addresses that are signed by one of these schemes.
const OTHER_SIGNED: [&str; 2] = ["AWSAccessKeyId=", "q-sign-algorithm="];

/// Whether the first bytes of a connection are those of an S3 client: boto3 takes the names of an
/// object's metadata as the header names spell them, and S3 spells these in lower case.
pub(in crate::dialects) fn begins(first: &[u8]) -> bool {
    let target = first.iter().position(|byte| *byte == b' ').map_or(first, |at| &first[at + 1..]);
    let is_below = |rest: &[u8]| matches!(rest.first(), Some(b'/' | b'?' | b' '));
    target.strip_prefix(PREFIX.as_bytes()).is_some_and(is_below)
        || memmem::find(first, b"AWS4-HMAC-SHA256").is_some()
}

/// Moves a request that is signed for S3 below the prefix, whatever its path is: some clients take
/// no address with a path. A request whose credential scope cannot be read, or whose scheme is that
/// of another object store, is moved too: it is then refused in the shape of S3.
pub(in crate::dialects) fn reroute<B>(request: &mut Request<B>) {
    if has_prefix(request.uri().path()) {
        return;
    }
    let query = request.uri().query().unwrap_or_default();
    let is_moved = match sigv4::service_of(request.headers(), query) {
        Some(service) => service.is_none_or(|name| name == SERVICE),
        None => is_signed_otherwise(request.headers().get(AUTHORIZATION), query),
    };
    if !is_moved {
        return;
    }
    let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    // The longer address parses too, unless it exceeds the limit of an address.
    if let Ok(uri) = format!("{PREFIX}{target}").parse() {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(FromRoot);
    }
}

fn is_signed_otherwise(credentials: Option<&HeaderValue>, query: &str) -> bool {
    match credentials.map(HeaderValue::as_bytes) {
        Some(sent) => OTHER_SCHEMES.iter().any(|scheme| sent.starts_with(scheme)),
        None => OTHER_SIGNED.iter().any(|name| query.contains(name)),
    }
}

/// Whether a request that no operation serves is one of an S3 client: below the prefix, or signed
/// by S3's version 2.
pub(super) fn is_for_s3(head: &Parts) -> bool {
    let credentials = head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    has_prefix(head.uri.path()) || credentials.is_some_and(|sent| sent.starts_with(VERSION_2))
}

/// Whether a path is below the prefix.
fn has_prefix(path: &str) -> bool {
    let rest = path.strip_prefix(PREFIX);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path as `s3s` knows it, without the prefix.
pub(super) fn path_below(path: &str) -> &str {
    match path.strip_prefix(PREFIX).unwrap_or_default() {
        "" => "/",
        path => path,
    }
}

/// The path as the client signed it.
pub(super) fn signed_path(head: &Parts) -> &str {
    let path = head.uri.path();
    let from_root = head.extensions.get::<FromRoot>().and_then(|_| path.strip_prefix(PREFIX));
    from_root.unwrap_or(path)
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// All buckets.
    Root,
    Bucket,
    Object,
}

impl Named {
    /// Returns what a path without the prefix names, by the rule of `s3s`.
    pub(super) fn by(path: &str) -> Self {
        let path = percent_decode_str(path).decode_utf8_lossy();
        let path = path.strip_prefix('/').unwrap_or(&path);
        match path.split_once('/') {
            Some((_, key)) if !key.is_empty() => Self::Object,
            None if path.is_empty() => Self::Root,
            _ => Self::Bucket,
        }
    }
}

/// Reads a bucket's name. No bucket is called `s3`: from the root its path would be the prefix.
pub(super) fn read_bucket(name: String) -> Result<BucketName, CatalogError> {
    if name == PREFIX.trim_start_matches('/') {
        let reason = format!("must not be '{name}', which is the path of this API");
        return Err(CatalogError::invalid(Field::Bucket, reason));
    }
    BucketName::parse(name)
}

/// Reads bucket and key.
pub(super) fn read_ref(bucket: String, key: String) -> Result<ObjectRef, CatalogError> {
    Ok(ObjectRef { bucket: read_bucket(bucket)?, key: ObjectKey::parse(key)? })
}

/// Refuses a version other than the only one of an object without versions.
pub(super) fn check_version(version: Option<&str>) -> Result<(), ApiError> {
    match version {
        None | Some(THE_VERSION) => Ok(()),
        Some(_) => {
            Err(ApiError::not_implemented("objects have no versions here: leave versionId out"))
        }
    }
}

/// Reads the source of a copy: bucket and key, percent-encoded, with or without a slash at the
/// start and `?versionId=` at the end. The address of an access point is no source here.
pub(super) fn copy_source(headers: &HeaderMap) -> Result<ObjectRef, ApiError> {
    let bad = || {
        let rule = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
        ApiError::invalid(rule)
    };
    let decoded =
        |text: &[u8]| String::from_utf8(percent_decode(text).collect()).map_err(|_| bad());
    let sent = headers.get(COPY_SOURCE).map_or(&[][..], HeaderValue::as_bytes);
    let (path, version) = match memmem::find(sent, VERSION_ID) {
        Some(at) => (&sent[..at], Some(decoded(&sent[at + VERSION_ID.len()..])?)),
        None => (sent, None),
    };
    check_version(version.as_deref())?;
    let path = decoded(path)?;
    let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(bad)?;
    Ok(read_ref(bucket.to_owned(), key.to_owned())?)
}

/// Reads what a client states about its object.
pub(super) fn read_info(media_type: Option<String>, metadata: Option<dto::Metadata>) -> ObjectInfo {
    let metadata = metadata.unwrap_or_default().into_iter().collect();
    ObjectInfo { media_type: media_type.unwrap_or_default(), metadata }
}

/// An object's media type.
pub(super) fn media_type(object: &InboxObject) -> String {
    match &*object.about.media_type {
        "" => UNKNOWN_TYPE.to_owned(),
        stated => stated.to_owned(),
    }
}

/// The metadata that a client stated about its object.
pub(super) fn metadata(object: &InboxObject) -> Option<dto::Metadata> {
    let pairs = object.about.metadata.clone().into_iter();
    Some(pairs.collect::<dto::Metadata>()).filter(|metadata| !metadata.is_empty())
}

/// When an object expires, in the form of `x-amz-expiration`.
pub(super) fn expiration(object: &InboxObject) -> Option<String> {
    let at = object.expires?;
    Some(format!("expiry-date=\"{}\", rule-id=\"inbox\"", at.strftime("%a, %d %b %Y %H:%M:%S GMT")))
}

/// Converts an entity tag without quotes.
pub(super) fn etag(text: &str) -> dto::ETag {
    dto::ETag::Strong(text.to_owned())
}

/// Converts a time.
pub(super) fn moment(at: Timestamp) -> dto::Timestamp {
    SystemTime::from(at).into()
}

/// Spells a key for a listing in the encoding that the client asks for: as it is, or with all
/// characters escaped but letters, digits, `-`, `_`, `.`, `~` and `/`.
pub(super) fn encoded(text: &str, encoding: Option<&dto::EncodingType>) -> String {
    if encoding.is_none_or(|encoding| encoding.as_str() != "url") {
        return text.to_owned();
    }
    let parts = text.split('/').map(|part| utf8_percent_encode(part, signing::ESCAPED).to_string());
    parts.collect::<Vec<_>>().join("/")
}

/// Converts a size or a count: S3's models have signed integers.
pub(super) fn number<T: TryFrom<u64>>(value: u64) -> Option<T> {
    T::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_a_copy_is_decoded_once() {
        let source = |sent: &[u8]| {
            let sent = HeaderValue::from_bytes(sent).unwrap();
            let read = copy_source(&HeaderMap::from_iter([(COPY_SOURCE.parse().unwrap(), sent)]));
            read.map(|at| (at.bucket.to_string(), at.key.to_string())).ok()
        };
        for (sent, bucket, key) in [
            ("code/a", "code", "a"),
            ("/code/a", "code", "a"),
            ("%2Fcode%2Fa%2fb", "code", "a/b"),
            ("Code_1/a+b%2B%20c", "Code_1", "a+b+ c"),
            ("code/a%3FversionId=1", "code", "a?versionId=1"),
            ("code/a?versionId=null", "code", "a"),
            ("code/a?b", "code", "a?b"),
            ("code//a/", "code", "/a/"),
            ("code/%25%32%66", "code", "%2f"),
            ("code/%E5%B1%82", "code", "\u{5c42}"),
            ("code/\u{5c42}", "code", "\u{5c42}"),
            ("code/../../a", "code", "../../a"),
        ] {
            let expected = Some((bucket.to_owned(), key.to_owned()));
            assert_eq!(source(sent.as_bytes()), expected, "{sent}");
        }
        for bad in [
            &b"code"[..],
            b"",
            b"/",
            b"//code/a",
            b"code/",
            b"s3/a",
            b"code/%00",
            b"code/a?versionId=1",
            b"code/a?versionId=",
            b"code/\xff",
            b"code/%ff",
        ] {
            assert_eq!(source(bad), None, "{}", bad.escape_ascii());
        }
    }
}
