//! Who calls: `SDK-HMAC-SHA256`, or a key's token in `X-Auth-Token` (huawei.md section 9).

#[cfg(test)]
mod tests;

use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use jiff::tz::Offset;
use percent_encoding::{percent_decode_str, percent_encode, utf8_percent_encode};

use super::errors::ApiError;
use crate::dialects::signing::{self, Denied, ESCAPED};
use crate::dialects::{AuthHead, AuthRequest};
use crate::domain::{Caller, Key, Timestamp};

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// Stands where the body's digest would be when the client did not sign its body.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How far `X-Sdk-Date` may be from now.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Yields the caller whose key signed the request, or whose token it carries.
pub(super) fn verify(request: AuthRequest<'_>) -> Result<Caller, Box<Response>> {
    identify(request).map_err(|refusal| Box::new(refusal.into_response()))
}

/// Refuses a bad token, and a signature that no body could make good.
pub(super) fn check_head(request: AuthHead<'_>) -> Result<(), Box<Response>> {
    let known = Credentials::read(request).and_then(|credentials| match credentials {
        Credentials::Token(_) => Ok(()),
        Credentials::Signature(claim) => Ok(signing::check_key(request, claim.key_id)?),
    });
    known.map_err(|refusal| Box::new(refusal.into_response()))
}

fn identify(request: AuthRequest<'_>) -> Result<Caller, ApiError> {
    match Credentials::read(request.head)? {
        Credentials::Token(key) => Ok(signing::admit(request.head, key)),
        Credentials::Signature(claim) => {
            let (head, body) = (request.head.parts, request.body_sha256());
            let check = |secret: &[u8]| claim.is_made_with(secret, head, body);
            Ok(signing::identify(request.head, claim.key_id, check)?)
        }
    }
}

/// What the head has to say who sent it.
enum Credentials<'r> {
    /// A token, and this is its key.
    Token(&'r Key),
    /// A signature of this time, which is still to be proved.
    Signature(Claim<'r>),
}

impl<'r> Credentials<'r> {
    fn read(request: AuthHead<'r>) -> Result<Self, ApiError> {
        let Some(sent) = signing::header(request.parts, "authorization") else {
            let token = signing::header(request.parts, "x-auth-token").ok_or(Denied::Missing)?;
            // The gateway's word for every bad token is the same.
            let key = signing::prove_by_token(request, token).map_err(|_| ApiError::bad_token())?;
            return Ok(Self::Token(key));
        };
        let claim = Claim::read(sent, request.parts)?;
        signing::check_skew(request, claim.signed, SKEW_MAX)?;
        Ok(Self::Signature(claim))
    }
}

/// What a signed request says of its signature.
#[derive(Debug)]
struct Claim<'h> {
    key_id: &'h str,
    /// The list of signed headers as it was sent: clients sign different ones.
    signed_headers: &'h str,
    signature: Vec<u8>,
    /// `X-Sdk-Date` as it was sent.
    date: &'h str,
    signed: Timestamp,
}

impl<'h> Claim<'h> {
    /// Reads `SDK-HMAC-SHA256 Access=…, SignedHeaders=…, Signature=…` and the date that belongs to
    /// it, which must be signed.
    fn read(authorization: &'h str, head: &'h Parts) -> Result<Self, Denied> {
        let (algorithm, fields) =
            authorization.split_once(' ').ok_or(Denied::Malformed("it has no blank"))?;
        if algorithm != ALGORITHM {
            return Err(Denied::Malformed("its algorithm is not SDK-HMAC-SHA256"));
        }
        let mut fields = fields.split(',').map(str::trim);
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let (key_id, signed_headers, signature) =
            match (field("Access"), field("SignedHeaders"), field("Signature")) {
                (Some(key_id), Some(names), Some(signature)) => (key_id, names, signature),
                _ => {
                    let rule = "it must have Access, SignedHeaders and Signature, in this order";
                    return Err(Denied::Malformed(rule));
                }
            };
        if fields.next().is_some() {
            return Err(Denied::Malformed("it has more than three fields"));
        }
        let names = signing::signed_names(signed_headers)
            .ok_or(Denied::Malformed("SignedHeaders must be up to 32 names, none twice"))?;
        if !names.iter().any(|name| name.eq_ignore_ascii_case("x-sdk-date")) {
            return Err(Denied::Malformed("x-sdk-date is not among the signed headers"));
        }
        let no_date = Denied::Malformed("X-Sdk-Date is not a time such as 20250102T030405Z");
        let date = signing::header(head, "x-sdk-date").ok_or(no_date.clone())?;
        let signed = signing::basic_time(date)
            .and_then(|time| Offset::UTC.to_timestamp(time).ok())
            .ok_or(no_date)?;
        let signature = signing::from_hex(signature);
        Ok(Self { key_id, signed_headers, signature, date, signed })
    }

    /// Whether the signature is this request's under this secret, in one of the path's cloud_ids.
    fn is_made_with(&self, secret: &[u8], head: &Parts, body_sha256: [u8; 32]) -> bool {
        let Some(body) = body_hash(head, body_sha256) else { return false };
        canonical_uris(head.uri.path()).iter().any(|uri| {
            let canonical = canonical_request(head, uri, self.signed_headers, &body);
            let text = string_to_sign(self.date, &canonical);
            signing::is_hmac_sha256(secret, text.as_bytes(), &self.signature)
        })
    }
}

/// Returns what stands for the body in the canonical request. `X-Sdk-Content-Sha256` comes first;
/// `None` when it holds a digest, and not the body's.
fn body_hash(head: &Parts, body_sha256: [u8; 32]) -> Option<String> {
    let actual = hex::encode(body_sha256);
    match signing::header(head, "x-sdk-content-sha256") {
        None => Some(actual),
        Some(said) if said == UNSIGNED || said.eq_ignore_ascii_case(&actual) => {
            Some(said.to_owned())
        }
        Some(_) => None,
    }
}

/// Spells a path in the two ways that clients sign it: its segments decoded once and encoded anew,
/// and encoded as they were sent, for a caller that had encoded a URN itself.
fn canonical_uris(path: &str) -> [String; 2] {
    let decoded = |segment: &str| {
        let bytes: Vec<u8> = percent_decode_str(segment).collect();
        percent_encode(&bytes, ESCAPED).to_string()
    };
    let raw = |segment: &str| utf8_percent_encode(segment, ESCAPED).to_string();
    [join(path.split('/').map(decoded)), join(path.split('/').map(raw))]
}

/// Joins segments, with a slash at the end whether or not the path had one.
fn join(segments: impl Iterator<Item = String>) -> String {
    let mut uri = segments.collect::<Vec<_>>().join("/");
    if !uri.ends_with('/') {
        uri.push('/');
    }
    uri
}

fn canonical_request(head: &Parts, uri: &str, signed_headers: &str, body: &str) -> String {
    let method = head.method.as_str();
    let query = signing::canonical_query(head.uri.query().unwrap_or_default());
    let headers = signing::header_lines(head, signed_headers.split(';'));
    format!("{method}\n{uri}\n{query}\n{headers}\n{signed_headers}\n{body}")
}

fn string_to_sign(date: &str, canonical: &str) -> String {
    let hash = signing::hex_sha256(canonical.as_bytes());
    format!("{ALGORITHM}\n{date}\n{hash}")
}
