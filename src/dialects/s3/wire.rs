//! Objects in, records out, in the types of `s3s`.

pub(super) mod checksums;
pub(super) mod chunked;

use std::collections::BTreeMap;
use std::time::SystemTime;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Request};
use memchr::memmem;
use percent_encoding::utf8_percent_encode;
use s3s::dto;

use super::PREFIX;
use super::auth::ALGORITHM;
use crate::dialects::signing;
use crate::domain::{
    BucketName, CatalogError, InboxObject, ObjectInfo, ObjectKey, ObjectRef, Timestamp,
};

/// What an object is called whose media type nobody stated.
const UNKNOWN_TYPE: &str = "binary/octet-stream";

/// Says that a request came without our prefix, which its signature then does not cover.
#[derive(Clone, Copy, Debug)]
struct FromRoot;

/// Turns a request with this protocol's credentials to the door, whatever its path is: some clients
/// take no address with a path in it.
pub(in crate::dialects) fn reroute<B>(request: &mut Request<B>) {
    let credentials = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let is_ours = match credentials {
        Some(text) => text.starts_with(ALGORITHM.as_bytes()),
        None => {
            let query = request.uri().query().unwrap_or_default();
            memmem::find(query.as_bytes(), b"X-Amz-Signature=").is_some()
        }
    };
    if !is_ours || is_below_the_door(request.uri().path()) {
        return;
    }
    let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    // What is an address with a text before it is one as well, unless it is too long.
    if let Ok(uri) = format!("{PREFIX}{target}").parse() {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(FromRoot);
    }
}

/// Whether a path is this protocol's outright.
pub(super) fn is_below_the_door(path: &str) -> bool {
    let rest = path.strip_prefix(PREFIX);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path as the client signed it.
pub(super) fn signed_path(head: &Parts) -> &str {
    let path = head.uri.path();
    match head.extensions.get::<FromRoot>() {
        Some(_) => path.strip_prefix(PREFIX).unwrap_or(path),
        None => path,
    }
}

/// Reads a bucket's name. One is taken by our prefix: from the root it would mean something else.
pub(super) fn read_bucket(name: String) -> Result<BucketName, CatalogError> {
    match name == PREFIX.trim_start_matches('/') {
        true => Err(CatalogError::invalid("bucket", format!("must not be '{name}' at this door"))),
        false => BucketName::parse(name),
    }
}

/// Reads bucket and key.
pub(super) fn read_ref(bucket: String, key: String) -> Result<ObjectRef, CatalogError> {
    Ok(ObjectRef { bucket: read_bucket(bucket)?, key: ObjectKey::parse(key)? })
}

/// Reads what a client says of its object.
pub(super) fn read_info(media_type: Option<String>, metadata: Option<dto::Metadata>) -> ObjectInfo {
    let metadata: BTreeMap<String, String> = metadata.unwrap_or_default().into_iter().collect();
    ObjectInfo { media_type: media_type.unwrap_or_default(), metadata }
}

/// An object's media type.
pub(super) fn media_type(object: &InboxObject) -> String {
    match &*object.about.media_type {
        "" => UNKNOWN_TYPE.to_owned(),
        stated => stated.to_owned(),
    }
}

/// What a client said of its object, as it gets it back.
pub(super) fn metadata(object: &InboxObject) -> Option<dto::Metadata> {
    let pairs = object.about.metadata.clone().into_iter();
    Some(pairs.collect::<dto::Metadata>()).filter(|metadata| !metadata.is_empty())
}

/// When an object goes, in the words of `x-amz-expiration`.
pub(super) fn expiration(object: &InboxObject) -> Option<String> {
    let at = object.expires?;
    Some(format!("expiry-date=\"{}\", rule-id=\"inbox\"", at.strftime("%a, %d %b %Y %H:%M:%S GMT")))
}

/// An entity tag without its quotes, as `s3s` takes it.
pub(super) fn etag(text: &str) -> dto::ETag {
    dto::ETag::Strong(text.to_owned())
}

/// A time; before 1970 nothing was put.
pub(super) fn moment(at: Timestamp) -> dto::Timestamp {
    SystemTime::from(at).into()
}

/// The whole seconds of a time, as headers have it.
pub(super) fn second(at: &dto::Timestamp) -> i64 {
    let mut text = Vec::new();
    // Memory can always be written, and a whole second is always a number.
    let _ = at.format(dto::TimestampFormat::EpochSeconds, &mut text);
    let text = String::from_utf8_lossy(&text);
    text.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
}

/// Spells a key for a listing as its reader asked for it: as it is, or with everything escaped but
/// letters, digits, `-`, `_`, `.`, `~` and `/`.
pub(super) fn encoded(text: &str, encoding: Option<&dto::EncodingType>) -> String {
    if encoding.is_none_or(|encoding| encoding.as_str() != "url") {
        return text.to_owned();
    }
    let parts = text.split('/').map(|part| utf8_percent_encode(part, signing::ESCAPED).to_string());
    parts.collect::<Vec<_>>().join("/")
}

/// A size or a count, which are signed in S3's models.
pub(super) fn number<T: TryFrom<u64>>(value: u64) -> Option<T> {
    T::try_from(value).ok()
}

/// One line of a listing.
pub(super) fn listed(object: &InboxObject) -> dto::Object {
    dto::Object {
        key: Some(object.at.key.to_string()),
        e_tag: Some(etag(&object.etag)),
        last_modified: Some(moment(object.stored)),
        size: number(object.size),
        storage_class: Some(dto::ObjectStorageClass::from_static("STANDARD")),
        ..dto::Object::default()
    }
}
