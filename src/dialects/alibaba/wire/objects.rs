//! The object store's requests: how they are told from the others, which bucket and key they are
//! about, what is said of an object (alibaba.md section 3.3).

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, Uri};
use percent_encoding::percent_decode_str;

use crate::dialects::alibaba::errors::StoreError;
use crate::dialects::signing;
use crate::domain::{BucketName, ObjectInfo, ObjectKey, ObjectRef};

/// The one bucket that is offered for uploads. It needs no row: it is there once an object is.
pub(in crate::dialects::alibaba) const INBOX: &str = "local-temp";

/// Where requests about one object go. No bucket and no layer can have a name that starts so.
pub(in crate::dialects::alibaba) const OBJECT: &str = "/_oss/object";

/// Where the store's other requests go; there is nothing.
const OTHER: &str = "/_oss/other";

/// Tells the store's paths, be they come to by [`reroute`] or asked for outright.
pub(in crate::dialects::alibaba) fn is_stores(path: &str) -> bool {
    path.starts_with("/_oss/")
}

/// What the names of a client's own headers begin with.
const META: &str = "x-oss-meta-";

/// Headers that make something else of a request than what its method says, or demand what is not
/// done here; they are refused and not passed over.
const UNKNOWN: [&str; 3] = ["x-oss-copy-source", "x-oss-forbid-overwrite", "x-oss-callback"];

/// What a request to the store is about, read off host and path before they made way for
/// [`OBJECT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dialects::alibaba) struct Address {
    /// The first label of the host; the first part of the path where the host is an IP address.
    pub(in crate::dialects::alibaba) bucket: String,
    /// The rest of the path, decoded; signatures cover it so.
    pub(in crate::dialects::alibaba) key: Vec<u8>,
}

impl Address {
    fn read(host: &str, path: &str) -> Self {
        let path = path.trim_start_matches('/');
        let (bucket, key) = match is_ip_address(host) {
            true => path.split_once('/').unwrap_or((path, "")),
            false => (host.split(['.', ':']).next().unwrap_or_default(), path),
        };
        Self { bucket: bucket.to_owned(), key: percent_decode_str(key).collect() }
    }

    /// Returns what a request is about that came through [`reroute`].
    pub(in crate::dialects::alibaba) fn of(head: &Parts) -> Option<&Self> {
        head.extensions.get()
    }

    fn target(&self) -> Result<ObjectRef, StoreError> {
        let bucket =
            BucketName::parse(&*self.bucket).map_err(|_| StoreError::bad_bucket(&self.bucket))?;
        let key = std::str::from_utf8(&self.key).ok().and_then(|key| ObjectKey::parse(key).ok());
        Ok(ObjectRef { bucket, key: key.ok_or_else(StoreError::bad_key)? })
    }
}

fn is_ip_address(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    bare.is_some_and(|bare| bare.parse::<IpAddr>().is_ok())
}

/// Turns a request with the store's credentials to the store, whatever its path is: there the
/// bucket stands in the host, and any path may be a key.
///
/// Whatever has parameters is another operation than those of one object.
pub(in crate::dialects) fn reroute<B>(request: &mut Request<B>) {
    let credentials = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let is_stores =
        |text: &[u8]| text.starts_with(b"OSS ") || text.starts_with(b"OSS4-HMAC-SHA256 ");
    if !credentials.is_some_and(is_stores) {
        return;
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let address = Address::read(host.unwrap_or_default(), request.uri().path());
    let is_plain = request.uri().query().unwrap_or_default().is_empty() && !address.key.is_empty();
    *request.uri_mut() = Uri::from_static(if is_plain { OBJECT } else { OTHER });
    request.extensions_mut().insert(address);
}

/// The object that a request is about.
pub(in crate::dialects::alibaba) struct Target(pub(in crate::dialects::alibaba) ObjectRef);

impl<S: Sync> FromRequestParts<S> for Target {
    type Rejection = StoreError;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, StoreError> {
        if UNKNOWN.iter().any(|name| head.headers.contains_key(*name)) {
            return Err(StoreError::not_implemented());
        }
        let address = Address::of(head).ok_or_else(StoreError::no_credentials)?;
        address.target().map(Self)
    }
}

/// What whoever puts an object says of it and of its bytes.
pub(in crate::dialects::alibaba) struct Said {
    pub(in crate::dialects::alibaba) about: ObjectInfo,
    content_md5: Option<Vec<u8>>,
}

impl Said {
    /// Refuses bytes that are not those that `Content-MD5` speaks of.
    pub(in crate::dialects::alibaba) fn check(&self, md5: &[u8; 16]) -> Result<(), StoreError> {
        match &self.content_md5 {
            Some(stated) if stated != md5 => Err(StoreError::bad_digest()),
            Some(_) | None => Ok(()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Said {
    type Rejection = StoreError;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, StoreError> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let own = head.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix(META)?.to_owned(), text(value)))
        });
        let about = ObjectInfo {
            media_type: head.headers.get(CONTENT_TYPE).map(text).unwrap_or_default(),
            metadata: own.collect(),
        };
        let content_md5 = signing::header(head, "content-md5").map(signing::from_base64);
        Ok(Self { about, content_md5 })
    }
}

/// Writes what was said of an object when it was put.
pub(in crate::dialects::alibaba) fn write_info(headers: &mut HeaderMap, about: &ObjectInfo) {
    let own = about.metadata.iter().map(|(name, value)| (format!("{META}{name}"), &**value));
    let media_type = match &*about.media_type {
        "" => "application/octet-stream",
        media_type => media_type,
    };
    for (name, value) in own.chain([(CONTENT_TYPE.to_string(), media_type)]) {
        // Another cloud's door may have let in what no header of this one can hold.
        if let (Ok(name), Ok(value)) =
            (name.parse::<axum::http::HeaderName>(), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rerouted(host: &str, target: &str, authorization: &str) -> Request<()> {
        let request = Request::builder().uri(target).header("host", host);
        let mut request = request.header("authorization", authorization).body(()).unwrap();
        reroute(&mut request);
        request
    }

    #[test]
    fn bucket_and_key_are_in_host_and_path() {
        let store = "local-temp.oss-cn-hangzhou.aliyuncs.com";
        for (host, target, bucket, key) in [
            (store, "/1234567890123456/abc123", "local-temp", "1234567890123456/abc123"),
            (store, "/2023-03-30/layers", "local-temp", "2023-03-30/layers"),
            (store, "/%E5%B1%82%2Fa%3Fb", "local-temp", "层/a?b"),
            ("code.localhost:8470", "/a", "code", "a"),
            ("127.0.0.1:8470", "/code/a/b", "code", "a/b"),
            ("[::1]:8470", "/code/a", "code", "a"),
        ] {
            let request = rerouted(host, target, "OSS id:signature");
            assert_eq!(request.uri(), OBJECT, "{host}{target}");
            let address: &Address = request.extensions().get().unwrap();
            assert_eq!((&*address.bucket, &*address.key), (bucket, key.as_bytes()));
        }
    }

    #[test]
    fn what_is_not_about_one_object_goes_elsewhere() {
        for (host, target) in
            [("code.h", "/"), ("code.h", "/a?uploads"), ("127.0.0.1", "/code"), ("", "/?acl")]
        {
            assert_eq!(rerouted(host, target, "OSS4-HMAC-SHA256 x").uri(), OTHER, "{host}{target}");
        }
        for other in ["FC id:signature", "OSS", "OSSX id:signature", "oss id:signature"] {
            let request = rerouted("code.h", "/layers?limit=1", other);
            assert_eq!(request.uri(), "/layers?limit=1");
            assert!(request.extensions().get::<Address>().is_none());
        }
    }
}
