//! Who calls: TC3-HMAC-SHA256 in the header `Authorization` (v3), else HmacSHA1 or HmacSHA256 among
//! the parameters (v1); tencent.md section 9.
//!
//! A [`Claim`] is what a request says of itself. Whether it is true is asked of a secret.

mod v1;
mod v3;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;

use super::errors::ApiError;
use crate::dialects::signing::{self, Denied};
use crate::dialects::{AuthHead, AuthRequest};
use crate::domain::{Caller, CatalogError, Timestamp};
use crate::ingest::Spool;

/// How far a request's time may be from the server's (tencent.md section 9.1).
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(300);

/// What a client sends that was told not to sign (tencent.md section 9.1).
const SKIP: &[u8] = b"SKIP";

/// Yields the caller whose key signed the request.
pub(super) fn verify(request: AuthRequest<'_>) -> Result<Caller, Box<Response>> {
    let work = || identify(request).map_err(|refusal| Box::new(refusal.into_response()));
    // A long form is read from its file, twice.
    match request.body.bytes() {
        Some(_) => work(),
        None => request.head.app.in_place(work),
    }
}

/// Refuses what no body could make good; who signed a form is not known before it has come.
pub(super) fn check_head(request: AuthHead<'_>) -> Result<(), Box<Response>> {
    let known = claim(request, None).and_then(|claim| match claim {
        Some(claim) => Ok(signing::check_key(request, &claim.key_id)?),
        None => Ok(()),
    });
    known.map_err(|refusal| Box::new(refusal.into_response()))
}

fn identify(request: AuthRequest<'_>) -> Result<Caller, ApiError> {
    let claim = claim(request.head, Some(request.body))?.ok_or(Denied::Missing)?;
    let (body, mut fault) = (request.body_sha256(), None);
    let caller = signing::identify(request.head, &claim.key_id, |secret| {
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

/// Reads who a request says that it is from, and refuses it when it is of another time; `None` when
/// only the body can say. The order of the checks is the last line of tencent.md section 8.
fn claim<'r>(
    request: AuthHead<'r>,
    body: Option<&'r Spool>,
) -> Result<Option<Claim<'r>>, ApiError> {
    let Some(claim) = Claim::read(request.parts, body)? else { return Ok(None) };
    signing::check_skew(request, claim.signed, SKEW_MAX)?;
    claim.check_date()?;
    Ok(Some(claim))
}

/// Whether a request is signed by v3, well or badly.
pub(super) fn is_v3(head: &Parts) -> bool {
    v3_credentials(head).is_some()
}

fn v3_credentials(head: &Parts) -> Option<&str> {
    signing::header(head, AUTHORIZATION.as_str())?.strip_prefix(v3::ALGORITHM)
}

/// Who a request says that it is from.
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
    /// Chooses the signature's version by the header alone; a body's label says nothing
    /// (tencent.md sections 0 and 9.3). `None` for a form that has not come.
    fn read(head: &'r Parts, body: Option<&'r Spool>) -> Result<Option<Self>, ApiError> {
        if let Some(parts) = v3_credentials(head) {
            return v3::read(head, parts).map(Some);
        }
        // The body of a POST that names its action in a header is JSON, and no form to look into.
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

    /// Refuses a v3 scope that is of another day than the request's time.
    fn check_date(&self) -> Result<(), Denied> {
        match &self.proof {
            Proof::V3(proof) if !proof.is_of_day(self.signed) => {
                Err(Denied::Malformed("`Date` in Credential not valid"))
            }
            Proof::V3(_) | Proof::V1(_) => Ok(()),
        }
    }

    /// Tells whether the secret made the signature; fails when the body's file cannot be read.
    fn is_made_with(&self, secret: &[u8], body_sha256: [u8; 32]) -> Result<bool, CatalogError> {
        match &self.proof {
            Proof::V3(proof) => Ok(proof.is_made_with(secret, body_sha256)),
            Proof::V1(proof) => proof.is_made_with(secret),
        }
    }
}

/// Reads the time at which a request says that it was signed, in whole seconds.
fn read_time(text: Option<&str>) -> Result<Timestamp, ApiError> {
    let text = text.ok_or_else(|| ApiError::missing("Timestamp"))?;
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = digits.and_then(|digits| digits.parse().ok());
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.ok_or_else(|| ApiError::wrong_type("Timestamp"))
}

/// The cloud_ids of the request's host that clients sign: as it was sent, without the scheme that
/// `tccli` puts into it, and without the port that the Node.js SDK leaves out (tencent.md
/// section 9.3).
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
