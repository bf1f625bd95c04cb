//! Builds and checks download links: signed capability URLs under `/code/` with an expiry.
//!
//! A link names a tenant, a content and a file name. It works for every holder until it expires
//! (design.md section 5).

use std::cell::RefCell;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::Uri;
use axum::http::header::HOST;
use axum::http::request::Parts;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use ring::hmac::{self, HMAC_SHA256};

use super::forwarded::Forwarded;
use super::params::Params;
use super::refusal::Refused;
use super::signing::ESCAPED;
use crate::app::{self, App};
use crate::domain::{Caller, Stamp, TenantId, Timestamp};

/// Shortest lifetime of a link, in seconds (tencent.md section 3.3 has the longest: 10,000).
const LIFETIME: i64 = 10_000;

/// Seconds between renewals of links, at the same times for all clients: answers with links can be
/// cached in between.
const PERIOD: i64 = 600;

/// Characters that JSON escapes; no URL may contain them, a link's base included.
const UNFIT: &AsciiSet = &CONTROLS.add(b'"').add(b'\\');

/// The media type that a download is answered with. A link states it, so that each cloud's download
/// has its own; a link without it is for a zip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/zip`.
    Zip,
    /// `application/octet-stream`.
    OctetStream,
}

/// The parameter that states [`Media::OctetStream`], as object stores spell it (tencent.md section
/// 3.3).
const MEDIA: &str = "response-content-type";

impl Media {
    /// Returns the value of `Content-Type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "application/zip",
            Self::OctetStream => "application/octet-stream",
        }
    }

    /// Reads a link's statement; `None` for one that no link has.
    fn parse(stated: Option<&str>) -> Option<Self> {
        match stated {
            None => Some(Self::Zip),
            Some(stated) => (stated == Self::OctetStream.as_str()).then_some(Self::OctetStream),
        }
    }
}

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRefusal {
    /// It differs from the link that the server built.
    Invalid,
    /// It has expired.
    Expired,
}

/// Returns the renewal period that contains a time.
pub(super) fn period_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(PERIOD)
}

/// Builds links for one request.
pub struct Links {
    /// Scheme and host, without a slash at the end.
    base: String,
    /// The end of every link of this request, after the file's name.
    end: String,
    key: hmac::Key,
}

impl Links {
    /// Prepares a tenant's links as of `now`, which begin with `base`.
    fn new(secret: &[u8; 32], base: &str, tenant: &TenantId, now: Timestamp, media: Media) -> Self {
        let base = utf8_percent_encode(base, UNFIT).to_string();
        let expires = (period_of(now) + 1) * PERIOD + LIFETIME;
        let owner = utf8_percent_encode(tenant.as_str(), ESCAPED);
        let stated = match media {
            Media::Zip => String::new(),
            Media::OctetStream => format!("&{MEDIA}={}", media.as_str()),
        };
        let end = format!("?tenant={owner}&expires={expires}{stated}&signature=");
        Self { base, end, key: key(secret, tenant.as_str(), expires, media) }
    }

    async fn prepare<S>(head: &mut Parts, state: &S, media: Media) -> Result<Self, Refused>
    where
        S: Sync,
        App: FromRef<S>,
    {
        let app = App::from_ref(state);
        let caller = Caller::from_request_parts(head, state).await?;
        let now = app.clock().now();
        let Stamp { access, .. } = Stamp::from_request_parts(head, state).await?;
        Ok(Self::new(&access.link_secret, &base(&app, head), caller.tenant(), now, media))
    }

    /// Returns the link to a content, with the file name `file_name`.
    pub fn code(&self, sha256: &[u8; 32], file_name: &str) -> String {
        let mut link = Vec::with_capacity(self.base.len() + file_name.len() + 210);
        self.write(&mut link, sha256, &[file_name]);
        String::from_utf8(link).unwrap_or_default()
    }

    /// Writes the link to a content, with the concatenation of `file_name` as the file name.
    ///
    /// Links need no escapes in JSON.
    pub fn write(&self, out: &mut Vec<u8>, sha256: &[u8; 32], file_name: &[&str]) {
        out.extend_from_slice(self.base.as_bytes());
        out.extend_from_slice(b"/code/");
        push_hex(out, sha256);
        out.push(b'/');
        for encoded in file_name.iter().flat_map(|part| utf8_percent_encode(part, ESCAPED)) {
            out.extend_from_slice(encoded.as_bytes());
        }
        out.extend_from_slice(self.end.as_bytes());
        let mut code = hmac::Context::with_key(&self.key);
        code.update(sha256);
        file_name.iter().for_each(|part| code.update(part.as_bytes()));
        push_hex(out, code.sign().as_ref());
    }
}

/// Checks a link by its path and query as sent and the catalog's link secret; returns the content's
/// SHA-256 and the media type of its download.
pub fn verify(
    secret: &[u8; 32],
    uri: &Uri,
    now: Timestamp,
) -> Result<([u8; 32], Media), LinkRefusal> {
    let query = Params::parse(uri.query().unwrap_or_default());
    let parameter = |name: &str| query.get(name).ok_or(LinkRefusal::Invalid);
    let expires: i64 = parameter("expires")?.parse().map_err(|_| LinkRefusal::Invalid)?;
    let media = Media::parse(query.get(MEDIA)).ok_or(LinkRefusal::Invalid)?;
    let target = uri.path().strip_prefix("/code/").and_then(|rest| rest.split_once('/'));
    let (content, file_name) = target.ok_or(LinkRefusal::Invalid)?;
    let file_name = percent_decode_str(file_name).decode_utf8_lossy();
    let (mut sha256, mut signature) = ([0; 32], [0; 32]);
    hex::decode_to_slice(content, &mut sha256).map_err(|_| LinkRefusal::Invalid)?;
    hex::decode_to_slice(parameter("signature")?, &mut signature)
        .map_err(|_| LinkRefusal::Invalid)?;
    let covered = [&sha256[..], file_name.as_bytes()].concat();
    hmac::verify(&key(secret, parameter("tenant")?, expires, media), &covered, &signature)
        .map_err(|_| LinkRefusal::Invalid)?;
    if now.as_second() >= expires { Err(LinkRefusal::Expired) } else { Ok((sha256, media)) }
}

/// Returns the key of all links of one tenant with one expiry and media type, so that a list of
/// links derives it once.
///
/// Each thread caches its last one, which the next request mostly needs again.
fn key(secret: &[u8; 32], tenant: &str, expires: i64, media: Media) -> hmac::Key {
    thread_local! {
        static LAST: RefCell<Option<(Vec<u8>, hmac::Key)>> = const { RefCell::new(None) };
    }
    let about = [&secret[..], &expires.to_be_bytes(), &[media as u8], tenant.as_bytes()].concat();
    LAST.with_borrow_mut(|last| match last {
        Some((known, key)) if *known == about => key.clone(),
        _ => last.insert((about, derive(secret, tenant, expires, media))).1.clone(),
    })
}

fn derive(secret: &[u8; 32], tenant: &str, expires: i64, media: Media) -> hmac::Key {
    let mut code = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, secret));
    code.update(&expires.to_be_bytes());
    code.update(tenant.as_bytes());
    let key = hmac::Key::new(HMAC_SHA256, code.sign().as_ref());
    match media {
        Media::Zip => key,
        // No link covers this text, which is shorter than a SHA-256.
        Media::OctetStream => {
            let code = hmac::sign(&key, media.as_str().as_bytes());
            hmac::Key::new(HMAC_SHA256, code.as_ref())
        }
    }
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

impl<S> FromRequestParts<S> for Links
where
    S: Sync,
    App: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Refused> {
        Self::prepare(head, state, Media::Zip).await
    }
}

/// Builds links whose downloads are an `application/octet-stream`.
pub struct OctetStreamLinks(pub Links);

impl<S> FromRequestParts<S> for OctetStreamLinks
where
    S: Sync,
    App: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Refused> {
        Links::prepare(head, state, Media::OctetStream).await.map(Self)
    }
}

/// Returns what links begin with: `--public-url`, else what a trusted proxy forwards, else the
/// request's host.
///
/// Some clients omit the port though it is not their scheme's (alibaba.md section 0): without a
/// proxy they get the listening port.
fn base(app: &App, head: &Parts) -> String {
    if let Some(url) = &app.config().public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let (scheme, listening) = (app.config().scheme(), app.port());
    let sent = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let forwarded = head.extensions.get().filter(|forwarded: &&Forwarded| forwarded.is_stated());
    let (scheme, host, port, prefix) = match forwarded {
        Some(forwarded) => {
            let host = forwarded.hosts().first().map_or(sent, String::as_str);
            (forwarded.scheme().unwrap_or(scheme), host, None, forwarded.prefix())
        }
        None => (scheme, sent, Some(listening), ""),
    };
    let (host, port) = authority(host, port).unwrap_or(("127.0.0.1", Some(listening)));
    match port {
        Some(port) => format!("{scheme}://{host}:{port}{prefix}"),
        None => format!("{scheme}://{host}{prefix}"),
    }
}

/// Returns host and port of a `Host` header, with `otherwise` where it has no port; `None` for an
/// invalid host.
fn authority(sent: &str, otherwise: Option<u16>) -> Option<(&str, Option<u16>)> {
    let (host, port) = app::split_host(sent).filter(|(host, _)| is_name(host))?;
    Some((host, port.or(otherwise)))
}

/// Whether a host has the form of a name or of an address, so that nothing in it ends it.
fn is_name(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    match inner {
        Some(inner) => {
            !inner.is_empty() && inner.bytes().all(|byte| is_plain(byte) || byte == b':')
        }
        None => !host.is_empty() && host.bytes().all(is_plain),
    }
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn hosts_keep_their_port_and_invalid_ones_are_ignored() {
        for (sent, expected) in [
            ("127.0.0.1:9000", Some(("127.0.0.1", 9000))),
            ("127.0.0.1", Some(("127.0.0.1", 8470))),
            ("localhost:", Some(("localhost", 8470))),
            ("localhost:99999", Some(("localhost", 8470))),
            ("localhost.:80", Some(("localhost", 80))),
            ("http://localhost:9000", Some(("localhost", 9000))),
            ("https://edge-1:443/", Some(("edge-1", 443))),
            ("[::1]:9000", Some(("[::1]", 9000))),
            ("[::1]", Some(("[::1]", 8470))),
            ("edge_1", Some(("edge_1", 8470))),
            ("", None),
            (":9000", None),
            ("[]:9000", None),
            ("evil?a=:9000", None),
            ("a b", None),
            ("user@evil:1", None),
            ("user:1@evil:1", None),
            ("evil\"<>/x", None),
        ] {
            let expected = expected.map(|(host, port)| (host, Some(port)));
            assert_eq!(authority(sent, Some(8470)), expected, "{sent}");
        }
        assert_eq!(authority("layers.example", None), Some(("layers.example", None)));
    }
}
