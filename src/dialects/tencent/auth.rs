//! Authenticates by TC3-HMAC-SHA256 in the header `Authorization` (v3), else by HmacSHA1 or
//! HmacSHA256 among the parameters (v1); tencent.md section 9.

mod v1;
mod v3;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use jiff::SignedDuration;

use super::errors::ApiError;
use crate::dialects::auth::{self, AuthHead, AuthRequest, Denied};
use crate::dialects::refusal::Refused;
use crate::dialects::signing;
use crate::domain::{Caller, Key, RequestError, Timestamp};
use crate::ingest::Spool;

/// How far a request's time may be from the server's (tencent.md section 9.1).
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(300);

/// The header of a client that is configured not to sign (tencent.md section 9.1).
const SKIP: &[u8] = b"SKIP";

/// Returns the key that a head claims; `None` for a form, which names its key itself.
pub(super) fn claimed_key(request: AuthHead<'_>) -> Result<Option<&Key>, Refused> {
    let Some(claim) = claim(request, None)? else { return Ok(None) };
    Ok(Some(auth::claimed_key(request, &claim.key_id).map_err(ApiError::from)?))
}

/// Returns the caller whose key signed the request.
pub(super) fn authenticate(request: AuthRequest<'_>) -> Result<Caller, Refused> {
    // A long form is read from its file twice.
    let caller = match request.body.bytes() {
        Some(_) => identify(request),
        None => request.head.app.in_place(|| identify(request)),
    };
    Ok(caller?)
}

fn identify(request: AuthRequest<'_>) -> Result<Caller, ApiError> {
    let claim = claim(request.head, Some(request.body))?.ok_or(Denied::Missing)?;
    let (body, mut fault) = (request.body_sha256(), None);
    let caller = auth::identify(request.head, &claim.key_id, |secret| {
        claim.is_made_with(secret, body).unwrap_or_else(|failure| {
            fault = Some(failure);
            false
        })
    });
    match fault {
        Some(failure) => Err(failure.into()),
        None => Ok(caller?),
    }
}

/// Reads the claim of a request and refuses a skewed time; `None` when only the body has the claim.
/// The order of the checks is the last line of tencent.md section 8.
fn claim<'r>(
    request: AuthHead<'r>,
    body: Option<&'r Spool>,
) -> Result<Option<Claim<'r>>, ApiError> {
    let Some(claim) = Claim::read(request.parts, body)? else { return Ok(None) };
    auth::check_skew(request, claim.signed, SKEW_MAX)?;
    claim.check_date()?;
    Ok(Some(claim))
}

/// Whether a request has a v3 signature, valid or not.
pub(super) fn is_v3(head: &Parts) -> bool {
    v3_credentials(head).is_some()
}

fn v3_credentials(head: &Parts) -> Option<&str> {
    signing::header(head, AUTHORIZATION.as_str())?.strip_prefix(v3::ALGORITHM)
}

/// The key that a request names, and the signature that must prove it.
struct Claim<'r> {
    key_id: String,
    signed: Timestamp,
    proof: Proof<'r>,
}

enum Proof<'r> {
    V3(v3::Proof<'r>),
    V1(v1::Proof<'r>),
}

impl<'r> Claim<'r> {
    /// Reads a claim. The header alone selects the signature's version, not the media type
    /// (tencent.md sections 0 and 9.3). `None` for a form that has not arrived.
    fn read(head: &'r Parts, body: Option<&'r Spool>) -> Result<Option<Self>, ApiError> {
        if let Some(parts) = v3_credentials(head) {
            return v3::read(head, parts).map(Some);
        }
        // The body of a POST that names its action in a header is JSON, not a form.
        let is_json = head.method != Method::GET && head.headers.contains_key("x-tc-action");
        let claim = match v1::Source::of(head, body) {
            _ if is_json => None,
            Some(source) => v1::read(head, source),
            None => return Ok(None),
        };
        let sent = head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        match claim {
            Some(claim) => claim.map(Some),
            None if sent.is_none_or(|sent| sent.trim_ascii() == SKIP) => {
                Err(Denied::Missing.into())
            }
            None => Err(Denied::Malformed("the algorithm is not TC3-HMAC-SHA256").into()),
        }
    }

    /// Refuses a v3 scope of another day than the request's time.
    fn check_date(&self) -> Result<(), Denied> {
        match &self.proof {
            Proof::V3(proof) if !proof.is_of_day(self.signed) => {
                Err(Denied::Malformed("`Date` in Credential not valid"))
            }
            Proof::V3(_) | Proof::V1(_) => Ok(()),
        }
    }

    /// Tells whether the secret made the signature; fails when the body's file cannot be read.
    fn is_made_with(&self, secret: &[u8], body_sha256: [u8; 32]) -> Result<bool, RequestError> {
        match &self.proof {
            Proof::V3(proof) => Ok(proof.is_made_with(secret, body_sha256)),
            Proof::V1(proof) => proof.is_made_with(secret),
        }
    }
}

/// Reads the stated time of signing, in whole seconds.
fn read_time(text: Option<&str>) -> Result<Timestamp, ApiError> {
    let text = text.ok_or_else(|| ApiError::missing("Timestamp"))?;
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = digits.and_then(|digits| digits.parse().ok());
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.ok_or_else(|| ApiError::wrong_type("Timestamp"))
}

/// Returns the forms of the host that clients sign: as sent, without the scheme that `tccli` adds,
/// and without the port that the Node.js SDK omits (tencent.md section 9.3).
fn hosts(head: &Parts) -> Vec<&str> {
    let sent = signing::header(head, "host").unwrap_or_default();
    let bare = ["http://", "https://"].iter().find_map(|scheme| sent.strip_prefix(scheme));
    let bare = bare.unwrap_or(sent);
    let without_port = bare.rsplit_once(':').filter(|(_, port)| is_port(port));
    let mut hosts = vec![sent, bare, without_port.map_or(bare, |(name, _)| name)];
    hosts.dedup();
    hosts
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
