//! The object store's requests: their routing, their bucket and key, and what they state of an
//! object (alibaba.md section 3.3).

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use percent_encoding::percent_decode_str;

use super::errors::StoreError;
use crate::dialects::auth::Denied;
use crate::dialects::refusal::Refused;
use crate::dialects::signing;
use crate::domain::{BucketName, ObjectInfo, ObjectKey, ObjectRef};

/// The bucket for uploads. It needs no row: it exists once it has an object.
pub(in crate::dialects::alibaba) const INBOX: &str = "local-temp";

/// The path of requests about one object. No bucket and no layer can have a name with this start.
pub(super) const OBJECT: &str = "/_oss/object";

/// The path of the store's other requests, which no operation has.
const OTHER: &str = "/_oss/other";

/// The prefix of a client's own headers.
const META: &str = "x-oss-meta-";

/// Headers that select another operation or require something that this server does not do. They
/// are refused, not ignored.
const UNKNOWN: [&str; 3] = ["x-oss-copy-source", "x-oss-forbid-overwrite", "x-oss-callback"];

/// The bucket and the key of a request to the store, from the host and the path that [`reroute`]
/// replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The first label of the host; the first part of the path where the host is an IP address.
    pub(super) bucket: String,
    /// The rest of the path, decoded as signatures cover it.
    pub(super) key: Vec<u8>,
}

impl Address {
    fn read(host: &str, path: &str) -> Self {
        let path = path.trim_start_matches('/');
        let (bucket, key) = if is_ip_address(host) {
            path.split_once('/').unwrap_or((path, ""))
        } else {
            (host.split(['.', ':']).next().unwrap_or_default(), path)
        };
        Self { bucket: bucket.to_owned(), key: percent_decode_str(key).collect() }
    }

    /// Returns the address of a request that came through [`reroute`].
    pub(super) fn of(head: &Parts) -> Option<&Self> {
        head.extensions.get()
    }

    fn target(&self) -> Result<ObjectRef, StoreError> {
        let bucket = BucketName::parse(&*self.bucket).map_err(|_| {
            let message = format!("the host names no bucket, but '{}'", self.bucket);
            StoreError::bad("InvalidBucketName", message)
        })?;
        let key = std::str::from_utf8(&self.key).ok().and_then(|key| ObjectKey::parse(key).ok());
        let rule = "the object name must be 1 to 1024 bytes of UTF-8 without control characters";
        let key = key.ok_or_else(|| StoreError::bad("InvalidObjectName", rule))?;
        Ok(ObjectRef { bucket, key })
    }
}

fn is_ip_address(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    bare.is_some_and(|bare| bare.parse::<IpAddr>().is_ok())
}

/// The first words of credentials in the header, of the store's signatures of version 1, 2 and 4.
const SCHEMES: [&[u8]; 3] = [b"OSS ", b"OSS2 ", b"OSS4-HMAC-SHA256 "];

/// Parameters of signed addresses, of version 1, and of versions 2 and 4.
const SIGNED: [&str; 2] = ["OSSAccessKeyId=", "x-oss-signature-version="];

/// Moves a request with the store's credentials to the store, whatever its path is: the bucket is
/// in the host, and any path may be a key. Also one whose scheme is refused, so that it is refused
/// in the shape of the store.
///
/// Requests with parameters are other operations than those on one object.
pub(crate) fn reroute<B>(request: &mut Request<B>) {
    let query = request.uri().query().unwrap_or_default();
    let is_stores = match request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes) {
        Some(sent) => SCHEMES.iter().any(|scheme| sent.starts_with(scheme)),
        None => SIGNED.iter().any(|name| query.contains(name)),
    };
    if !is_stores {
        return;
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let address = Address::read(host.unwrap_or_default(), request.uri().path());
    let is_plain = request.uri().query().unwrap_or_default().is_empty() && !address.key.is_empty();
    *request.uri_mut() = Uri::from_static(if is_plain { OBJECT } else { OTHER });
    request.extensions_mut().insert(address);
}

/// The object of a request.
pub(super) struct Target(pub(super) ObjectRef);

impl<S: Sync> FromRequestParts<S> for Target {
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Refused> {
        if UNKNOWN.iter().any(|name| head.headers.contains_key(*name)) {
            return Err(StoreError::not_implemented().into());
        }
        let address = Address::of(head).ok_or_else(|| StoreError::from(Denied::Missing))?;
        Ok(Self(address.target()?))
    }
}

/// What a client states of an object that it puts, and of its bytes.
pub(super) struct Said {
    pub(super) about: ObjectInfo,
    content_md5: Option<Vec<u8>>,
}

impl Said {
    /// Refuses bytes whose MD5 is not the one in `Content-MD5`.
    pub(super) fn check(&self, md5: &[u8; 16]) -> Result<(), StoreError> {
        match &self.content_md5 {
            Some(stated) if stated != md5 => Err(StoreError::bad_digest()),
            Some(_) | None => Ok(()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Said {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Infallible> {
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

/// Writes what the client stated of an object that it put.
pub(super) fn write_info(headers: &mut HeaderMap, about: &ObjectInfo) {
    let own = about.metadata.iter().map(|(name, value)| (format!("{META}{name}"), &**value));
    let media_type =
        if about.media_type.is_empty() { "application/octet-stream" } else { &about.media_type };
    for (name, value) in own.chain([(CONTENT_TYPE.to_string(), media_type)]) {
        // Another dialect may have stored metadata that no header of this one can hold.
        if let (Ok(name), Ok(value)) =
            (name.parse::<HeaderName>(), HeaderValue::from_bytes(value.as_bytes()))
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
    fn requests_about_no_single_object_are_moved_elsewhere() {
        for (host, target) in
            [("code.h", "/"), ("code.h", "/a?uploads"), ("127.0.0.1", "/code"), ("", "/?acl")]
        {
            for scheme in ["OSS", "OSS2", "OSS4-HMAC-SHA256"] {
                let request = rerouted(host, target, &format!("{scheme} x"));
                assert_eq!(request.uri(), OTHER, "{scheme} {host}{target}");
            }
        }
        for signed in ["OSSAccessKeyId=a&Signature=b", "a=b&x-oss-signature-version=OSS2"] {
            let mut request = Request::builder().uri(format!("/a?{signed}")).body(()).unwrap();
            reroute(&mut request);
            assert_eq!(request.uri(), OTHER, "{signed}");
        }
        for other in ["FC id:signature", "OSS", "OSSX id:signature", "oss id:signature"] {
            let request = rerouted("code.h", "/layers?limit=1", other);
            assert_eq!(request.uri(), "/layers?limit=1");
            assert!(request.extensions().get::<Address>().is_none());
        }
    }
}
