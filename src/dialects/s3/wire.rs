//! Conversions between the catalog's types and those of `s3s`, and the paths of requests.

pub(super) mod checksums;
pub(super) mod chunked;

use std::time::SystemTime;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Request};
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use s3s::dto;

use super::{PREFIX, SERVICE};
use crate::dialects::{signing, sigv4};
use crate::domain::{
    BucketName, CatalogError, Field, InboxObject, ObjectInfo, ObjectKey, ObjectRef, Timestamp,
};

/// The version id of an object in a bucket without versions.
pub(super) const THE_VERSION: &str = "null";

/// The media type of an object for which none was stated.
const UNKNOWN_TYPE: &str = "binary/octet-stream";

/// Marks a request that came without the prefix: its signature does not cover the prefix.
#[derive(Clone, Copy, Debug)]
struct FromRoot;

/// The first words of credentials that object stores alone have and that are refused: S3's version
/// 2, Huawei's OBS, Tencent's COS.
const OTHER_SCHEMES: [&[u8]; 3] = [b"AWS ", b"OBS ", b"q-sign-algorithm="];

/// Parameters of addresses that are signed by one of these schemes.
const OTHER_SIGNED: [&str; 2] = ["AWSAccessKeyId=", "q-sign-algorithm="];

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

/// Whether a path is below the prefix.
pub(super) fn has_prefix(path: &str) -> bool {
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
