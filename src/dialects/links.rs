//! Download links: capability URLs under `/code/`, signed, with an end.
//!
//! The one place that builds and checks them. A link names a tenant, a content and a file name, and
//! is good for anyone who has it until it expires (DESIGN.md section 5).

use std::convert::Infallible;
use std::fmt::Write;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::HOST;
use axum::http::request::Parts;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use super::Params;
use crate::app::App;
use crate::domain::{TenantId, Timestamp};

/// How long a link is good at least, in seconds (tencent.md section 3.3 has the longest: 10,000).
const LIFETIME: i64 = 10_000;

/// Links are renewed at the same moments for everyone, in seconds, so that pages which carry them
/// can be given again in between.
const PERIOD: i64 = 600;

/// Everything that is not an RFC 3986 unreserved character is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRefusal {
    /// A byte of it is not as it was given out.
    Invalid,
    /// Its time is over.
    Expired,
}

/// Returns the period that a moment is in.
pub(super) fn period_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(PERIOD)
}

/// Builds links for one request.
pub struct Links {
    /// Scheme and host, without a slash at the end.
    base: String,
    key: Hmac<Sha256>,
    expires: i64,
}

impl Links {
    /// Builds links onto `base` as of `now`.
    fn new(app: &App, base: String, now: Timestamp) -> Self {
        let expires = (period_of(now) + 1) * PERIOD + LIFETIME;
        Self { base, key: key(app), expires }
    }

    /// Returns the link to a content, to be saved under `file_name`.
    pub fn code(&self, tenant: &TenantId, sha256: &[u8; 32], file_name: &str) -> String {
        let mut link = String::with_capacity(self.base.len() + file_name.len() + 210);
        link.push_str(&self.base);
        link.push_str("/code/");
        link.push_str(&hex::encode(sha256));
        // Writing to a String cannot fail.
        let _ = write!(
            link,
            "/{}?tenant={}&expires={}",
            utf8_percent_encode(file_name, ESCAPED),
            utf8_percent_encode(tenant.as_str(), ESCAPED),
            self.expires,
        );
        let signature = sign(self.key.clone(), &link[self.base.len()..]);
        link.push_str("&signature=");
        link.push_str(&hex::encode(signature));
        link
    }
}

/// Checks a link by its path and query as they were sent.
pub fn verify(app: &App, path_and_query: &str, now: Timestamp) -> Result<(), LinkRefusal> {
    let (signed, signature) =
        path_and_query.split_once("&signature=").ok_or(LinkRefusal::Invalid)?;
    // What a client adds behind the signature, say a media type, is not covered and not used.
    let signature = signature.split('&').next().unwrap_or_default();
    let mut stated = [0; 32];
    hex::decode_to_slice(signature, &mut stated).map_err(|_| LinkRefusal::Invalid)?;
    let mut mac = key(app);
    mac.update(signed.as_bytes());
    mac.verify_slice(&stated).map_err(|_| LinkRefusal::Invalid)?;
    let query = Params::parse(signed.split_once('?').map_or("", |(_, query)| query));
    let expires: i64 = query
        .get("expires")
        .and_then(|expires| expires.parse().ok())
        .ok_or(LinkRefusal::Invalid)?;
    if now.as_second() >= expires { Err(LinkRefusal::Expired) } else { Ok(()) }
}

fn key(app: &App) -> Hmac<Sha256> {
    // HMAC takes keys of every length, so this cannot fail.
    Hmac::new_from_slice(app.catalog().link_secret())
        .unwrap_or_else(|_| Hmac::new(&Default::default()))
}

fn sign(mut mac: Hmac<Sha256>, text: &str) -> [u8; 32] {
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The base is `--public-url`, else the request's host with the listening port: some clients leave
/// the port out (alibaba.md section 0), and one puts a scheme in (tencent.md section 0).
impl<S> FromRequestParts<S> for Links
where
    S: Sync,
    App: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let app = App::from_ref(state);
        let base = match &app.config().public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
                format!("http://{}:{}", bare_host(host.unwrap_or("127.0.0.1")), app.port())
            }
        };
        let now = app.clock().now();
        Ok(Self::new(&app, base, now))
    }
}

/// Cuts scheme and port off a `Host` header.
fn bare_host(host: &str) -> &str {
    let host = host.split_once("://").map_or(host, |(_, host)| host);
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::bare_host;

    #[test]
    fn hosts_lose_scheme_and_port() {
        for (sent, bare) in [
            ("127.0.0.1:9000", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1"),
            ("http://localhost:9000", "localhost"),
            ("[::1]:9000", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(bare_host(sent), bare);
        }
    }
}
