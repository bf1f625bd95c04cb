//! Authentication: the signature of the vendor's gateway, `Eop-Authorization` (ctyun.md section 9).

#[cfg(test)]
mod tests;

use axum::http::request::Parts;
use jiff::SignedDuration;
use jiff::tz::Offset;

use super::errors::ApiError;
use crate::dialects::auth::{self, AuthHead, AuthRequest, Denied};
use crate::dialects::refusal::Refused;
use crate::dialects::signing;
use crate::domain::{Caller, Key, Timestamp};

const REQUEST_ID: &str = "ctyun-eop-request-id";
const DATE: &str = "eop-date";

/// Returns the caller whose key signed the request.
pub(super) fn authenticate(request: AuthRequest<'_>) -> Result<Caller, Refused> {
    Ok(identify(request).map_err(ApiError::from)?)
}

/// Returns the key that the head claims to be signed with.
pub(super) fn claimed_key(request: AuthHead<'_>) -> Result<Option<&Key>, Refused> {
    let key = claim(request).and_then(|claim| auth::claimed_key(request, claim.key_id));
    Ok(Some(key.map_err(ApiError::from)?))
}

fn identify(request: AuthRequest<'_>) -> Result<Caller, Denied> {
    let (claim, head, sha256) = (claim(request.head)?, request.head.parts, request.body_sha256());
    auth::identify(request.head, claim.key_id, |secret| {
        claim.is_made_with(secret, head, sha256, request.body.is_empty())
    })
}

/// Reads what a request states of its signature. Refuses a signature of another time where the
/// settings limit `Eop-date`; by default they do not.
fn claim(request: AuthHead<'_>) -> Result<Claim<'_>, Denied> {
    let claim = Claim::read(request.parts)?;
    if let Some(max) = request.app.config().ctyun_skew {
        let max = SignedDuration::try_from(max).unwrap_or(SignedDuration::MAX);
        check_date(claim.date, |signed| auth::check_skew(request, signed, max))?;
    }
    Ok(claim)
}

/// Accepts a date that `check` accepts as Beijing time, of the documents, or as UTC, of the `Z`.
///
/// Clients write Beijing time, their machine's or UTC, all with a `Z`.
fn check_date(date: &str, check: impl Fn(Timestamp) -> Result<(), Denied>) -> Result<(), Denied> {
    const MALFORMED: Denied = Denied::Malformed("eop-date is not a time such as 20251122T003957Z");
    let time = signing::basic_time(date).ok_or(MALFORMED)?;
    let read = |hours| Offset::constant(hours).to_timestamp(time).map_err(|_| MALFORMED);
    let (beijing, utc) = (read(8)?, read(0)?);
    check(beijing).or_else(|_| check(utc))
}

/// What a request states of its signature.
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
        // The list itself is not signed: a name with a colon could stand for another header's line.
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

    /// Whether the signature is this request's under this secret, for one of the spellings of its
    /// query. Two clients sign `{}` for a body that is empty.
    fn is_made_with(&self, secret: &[u8], head: &Parts, body: [u8; 32], is_empty: bool) -> bool {
        let [_, _, key] = derived_keys(secret, self.date, self.key_id, self.day);
        let headers = signing::header_lines(head, self.signed_headers.iter().copied());
        let mut hashes = vec![hex::encode(body)];
        if is_empty {
            hashes.push(signing::hex_sha256(b"{}"));
        }
        queries(head.uri.query().unwrap_or_default()).iter().any(|query| {
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

/// Returns the spellings of a query that clients sign: as sent, canonical, and canonical with `+`
/// for a blank.
fn queries(query: &str) -> [String; 3] {
    let canonical = signing::canonical_query(query);
    [query.to_owned(), canonical.clone(), canonical.replace("%20", "+")]
}

/// Writes the text to sign, without method, path and host. `headers` ends with a line's end.
fn string_to_sign(headers: &str, query: &str, body_hash: &str) -> String {
    format!("{headers}\n{query}\n{body_hash}")
}
