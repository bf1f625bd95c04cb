//! A test's key, and what the signatures of several clouds are made of.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Request;

/// A key that the server under test knows.
#[derive(Clone, Copy)]
pub struct TestKey {
    pub id: &'static str,
    pub secret: &'static str,
    pub tenant: &'static str,
}

/// Returns the HMAC-SHA256 of data.
pub fn hmac(key: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).unwrap();
    mac.update(data.as_ref());
    mac.finalize().into_bytes().into()
}

/// Returns a request's path and query.
pub fn parts(request: &Request) -> (&str, &str) {
    request.path.split_once('?').unwrap_or((&request.path, ""))
}

/// Returns a request's content type; empty where it has none.
pub fn kind(request: &Request) -> &str {
    let mut headers = request.headers.iter();
    let found = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    found.map(|(_, value)| value.as_str()).unwrap_or_default()
}
