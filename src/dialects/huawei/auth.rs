//! The caller of a request, by `SDK-HMAC-SHA256` or by a key's token in `X-Auth-Token` (huawei.md
//! section 9).

#[cfg(test)]
mod tests;

use axum::http::request::Parts;
use jiff::SignedDuration;
use jiff::tz::Offset;
use percent_encoding::{percent_decode_str, percent_encode, utf8_percent_encode};

use super::errors::ApiError;
use crate::dialects::auth::{self, AuthHead, AuthRequest, Denied};
use crate::dialects::refusal::Refused;
use crate::dialects::signing::{self, ESCAPED};
use crate::domain::{Caller, Key, Timestamp};

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// Replaces the body's digest when the client did not sign its body.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How far `X-Sdk-Date` may be from now.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Returns the key of a token, or the one that a head claims to be signed with.
pub(super) fn claimed_key(request: AuthHead<'_>) -> Result<Option<&Key>, Refused> {
    let key = match Credentials::read(request)? {
        Credentials::Token(key) => key,
        Credentials::Signature(claim) => {
            auth::claimed_key(request, claim.key_id).map_err(ApiError::from)?
        }
    };
    Ok(Some(key))
}

/// Returns the caller whose key signed the request, or whose token it carries.
pub(super) fn authenticate(request: AuthRequest<'_>) -> Result<Caller, Refused> {
    match Credentials::read(request.head)? {
        Credentials::Token(key) => Ok(auth::caller(request.head, key)),
        Credentials::Signature(claim) => {
            let (head, body) = (request.head.parts, request.body_sha256());
            let check = |secret: &[u8]| claim.is_made_with(secret, head, body);
            Ok(auth::identify(request.head, claim.key_id, check).map_err(ApiError::from)?)
        }
    }
}

/// The credentials in a head.
enum Credentials<'r> {
    /// The key of a token.
    Token(&'r Key),
    /// A signature of a time near now, which is not proved yet.
    Signature(Claim<'r>),
}

impl<'r> Credentials<'r> {
    fn read(request: AuthHead<'r>) -> Result<Self, ApiError> {
        let Some(sent) = signing::header(request.parts, "authorization") else {
            let token = signing::header(request.parts, "x-auth-token").ok_or(Denied::Missing)?;
            // The gateway has one text for every bad token.
            let refuse = |_| ApiError::unauthenticated("decrypt token fail");
            return Ok(Self::Token(auth::prove_by_token(request, token).map_err(refuse)?));
        };
        let claim = Claim::read(sent, request.parts)?;
        auth::check_skew(request, claim.signed, SKEW_MAX)?;
        Ok(Self::Signature(claim))
    }
}

/// What a signed request states of its signature.
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
        let (Some(key_id), Some(signed_headers), Some(signature)) =
            (field("Access"), field("SignedHeaders"), field("Signature"))
        else {
            let rule = "it must have Access, SignedHeaders and Signature, in this order";
            return Err(Denied::Malformed(rule));
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

    /// Whether the signature is this request's under this secret, in one of the path's spellings.
    fn is_made_with(&self, secret: &[u8], head: &Parts, body_sha256: [u8; 32]) -> bool {
        let Some(body) = body_hash(head, body_sha256) else { return false };
        canonical_uris(head.uri.path()).iter().any(|uri| {
            let canonical = canonical_request(head, uri, self.signed_headers, &body);
            let text = string_to_sign(self.date, &canonical);
            signing::is_hmac_sha256(secret, text.as_bytes(), &self.signature)
        })
    }
}

/// Returns the digest in the canonical request: the value of `X-Sdk-Content-Sha256` where it is
/// sent, else the body's digest. `None` when the header has another digest.
fn body_hash(head: &Parts, body_sha256: [u8; 32]) -> Option<String> {
    let actual = hex::encode(body_sha256);
    let Some(stated) = signing::header(head, "x-sdk-content-sha256") else { return Some(actual) };
    let is_good = stated == UNSIGNED || stated.eq_ignore_ascii_case(&actual);
    is_good.then(|| stated.to_owned())
}

/// Spells a path in the two ways in which clients sign it: its segments decoded once and encoded
/// anew, and encoded as they were sent. The second is of clients whose user had encoded a URN.
fn canonical_uris(path: &str) -> [String; 2] {
    // With a slash at the end, whether or not the path had one.
    let join = |encode: fn(&str) -> String| {
        let mut uri = path.split('/').map(encode).collect::<Vec<_>>().join("/");
        if !uri.ends_with('/') {
            uri.push('/');
        }
        uri
    };
    let anew = |segment: &str| {
        let bytes: Vec<u8> = percent_decode_str(segment).collect();
        percent_encode(&bytes, ESCAPED).to_string()
    };
    [join(anew), join(|segment| utf8_percent_encode(segment, ESCAPED).to_string())]
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
