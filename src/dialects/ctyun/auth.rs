//! Who calls: the signature of the vendor's gateway, `Eop-Authorization` (ctyun.md section 9).

#[cfg(test)]
mod tests;

use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use jiff::tz::Offset;

use super::errors::ApiError;
use crate::app::App;
use crate::dialects::signing::{self, Denied};
use crate::dialects::{AuthHead, AuthRequest};
use crate::domain::{Caller, Timestamp};

const REQUEST_ID: &str = "ctyun-eop-request-id";
const DATE: &str = "eop-date";

/// What two clients sign for a request that has no body.
const EMPTY_OBJECT: &[u8] = b"{}";

/// Yields the caller whose key signed the request.
pub(super) fn verify(request: AuthRequest<'_>) -> Result<Caller, Box<Response>> {
    identify(request).map_err(refused)
}

/// Refuses what no body could make good.
pub(super) fn check_head(request: AuthHead<'_>) -> Result<(), Box<Response>> {
    let known = claim(request).and_then(|claim| signing::check_key(request, claim.key_id));
    known.map_err(refused)
}

fn refused(denied: Denied) -> Box<Response> {
    Box::new(ApiError::from(denied).into_response())
}

fn identify(request: AuthRequest<'_>) -> Result<Caller, Denied> {
    let (claim, head, body) = (claim(request.head)?, request.head.parts, request.body_sha256());
    let query = head.uri.query().unwrap_or_default();
    let check = |secret: &[u8]| {
        let hashes = body_hashes(body, request.body.is_empty());
        claim.is_made_with(secret, head, query, &hashes)
    };
    signing::identify(request.head, claim.key_id, check)
}

/// Reads what a request says of its signature, and refuses it when it is of another time.
fn claim(request: AuthHead<'_>) -> Result<Claim<'_>, Denied> {
    let claim = Claim::read(request.parts)?;
    if let Some(max) = skew_max(request.app) {
        check_date(claim.date, |signed| signing::check_skew(request, signed, max))?;
    }
    Ok(claim)
}

/// How far `Eop-date` may be from now; `None`: it is not looked at. The default, because clients
/// write Beijing time, their machine's or UTC, all with a `Z`.
fn skew_max(app: &App) -> Option<SignedDuration> {
    let max = app.config().ctyun_skew?;
    Some(SignedDuration::try_from(max).unwrap_or(SignedDuration::MAX))
}

/// Lets in what `check` lets in under one of the two readings of a date: Beijing time as the
/// documents have it, or UTC as the `Z` says.
fn check_date(date: &str, check: impl Fn(Timestamp) -> Result<(), Denied>) -> Result<(), Denied> {
    const MALFORMED: Denied = Denied::Malformed("eop-date is not a time such as 20251122T003957Z");
    let time = signing::basic_time(date).ok_or(MALFORMED)?;
    let read = |hours| Offset::constant(hours).to_timestamp(time).map_err(|_| MALFORMED);
    let (beijing, utc) = (read(8)?, read(0)?);
    check(beijing).or_else(|_| check(utc))
}

/// What a request says of its signature.
#[derive(Debug)]
struct Claim<'h> {
    key_id: &'h str,
    /// The signed headers as listed; each is a header's name.
    signed_headers: Vec<&'h str>,
    signature: Vec<u8>,
    /// `Eop-date` as it was sent.
    date: &'h str,
    /// Its first eight characters.
    day: &'h str,
}

impl<'h> Claim<'h> {
    /// Reads `<AK> Headers=<h1;h2;…> Signature=<base64>` and the two headers that must be signed.
    ///
    /// `Header=` is the older documents' spelling.
    fn read(head: &'h Parts) -> Result<Self, Denied> {
        let sent = signing::header(head, "eop-authorization").ok_or(Denied::Missing)?;
        let mut parts = sent.splitn(3, ' ');
        let key_id = parts.next().unwrap_or_default();
        let listed = parts.next().and_then(|part| {
            part.strip_prefix("Headers=").or_else(|| part.strip_prefix("Header="))
        });
        let signature = parts.next().and_then(|part| part.strip_prefix("Signature="));
        let (Some(listed), Some(signature)) = (listed, signature) else {
            return Err(Denied::Malformed("it must be '<AK> Headers=<names> Signature=<base64>'"));
        };
        // The list itself is not signed: a name with a colon would be another header's line.
        let signed_headers = signing::signed_names(listed)
            .ok_or(Denied::Malformed("Headers must be up to 32 names parted by ';', none twice"))?;
        let lists =
            |wanted: &str| signed_headers.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        if !lists(REQUEST_ID) || !lists(DATE) {
            let rule = "ctyun-eop-request-id and eop-date must be among the signed headers";
            return Err(Denied::Malformed(rule));
        }
        if signing::header(head, REQUEST_ID).is_none_or(str::is_empty) {
            return Err(Denied::Malformed("ctyun-eop-request-id is missing"));
        }
        let date = signing::header(head, DATE).unwrap_or_default();
        let day = date.get(..8).ok_or(Denied::Malformed("eop-date has no eight characters"))?;
        let signature = signing::from_base64(signature);
        Ok(Self { key_id, signed_headers, signature, date, day })
    }

    /// Whether the signature is this request's under this secret, for one of the cloud_ids of its
    /// query and one of the hashes of its body.
    fn is_made_with(&self, secret: &[u8], head: &Parts, query: &str, hashes: &[String]) -> bool {
        let [_, _, key] = derived_keys(secret, self.date, self.key_id, self.day);
        let headers = signing::header_lines(head, self.signed_headers.iter().copied());
        queries(query).iter().any(|query| {
            hashes.iter().any(|hash| {
                let text = string_to_sign(&headers, query, hash);
                signing::is_hmac_sha256(&key, text.as_bytes(), &self.signature)
            })
        })
    }
}

/// Derives kTime, kAk and kDate, each from the one before it.
fn derived_keys(secret: &[u8], date: &str, key_id: &str, day: &str) -> [[u8; 32]; 3] {
    let time = signing::hmac_sha256(secret, date.as_bytes());
    let key = signing::hmac_sha256(&time, key_id.as_bytes());
    [time, key, signing::hmac_sha256(&key, day.as_bytes())]
}

/// Spells a query in the ways that clients sign it: as it was sent, canonical, and canonical in a
/// form's spelling.
fn queries(query: &str) -> [String; 3] {
    let canonical = signing::canonical_query(query);
    let form = canonical.replace("%20", "+");
    [query.to_owned(), canonical, form]
}

/// Returns what may stand for the body: its hash, and without a body also that of `{}`.
fn body_hashes(sha256: [u8; 32], is_empty: bool) -> Vec<String> {
    let mut hashes = vec![hex::encode(sha256)];
    if is_empty {
        hashes.push(signing::hex_sha256(EMPTY_OBJECT));
    }
    hashes
}

/// Method, path and host are not signed; the headers end with a line's end of their own.
fn string_to_sign(headers: &str, query: &str, body_hash: &str) -> String {
    format!("{headers}\n{query}\n{body_hash}")
}
