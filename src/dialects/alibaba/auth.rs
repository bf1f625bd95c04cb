//! Verifies signatures (alibaba.md section 9). The scheme is the first word of `Authorization`, and
//! every scheme is accepted under every date.
//!
//! Each scheme has one file, which builds the text to sign.

mod acs3;
mod fc;
mod roa;
#[cfg(test)]
mod tests;

use axum::http::HeaderName;
use axum::http::request::Parts;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimeParser;
use percent_encoding::{percent_decode_str, percent_encode};

use super::errors::ApiError;
use super::errors::generation::PREFIXES;
use crate::dialects::auth::{self, AuthHead, AuthRequest, Denied};
use crate::dialects::refusal::Refused;
use crate::dialects::signing;
use crate::domain::{Caller, Key, Timestamp};

/// Largest difference between the time of signing and now, in either direction: documented for `FC`
/// (section 9.1), and applied to all schemes.
pub(super) const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// The path before an ARN, after the date.
const ARN: &str = "/layerarn/";

/// Returns the enabled key that a head claims to be signed with.
pub(super) fn claimed_key(request: AuthHead<'_>) -> Result<Option<&Key>, Refused> {
    let claim = claim(request)?;
    Ok(Some(auth::claimed_key(request, claim.key_id).map_err(ApiError::from)?))
}

/// Returns the caller whose key signed a request.
pub(super) fn authenticate(request: AuthRequest<'_>) -> Result<Caller, Refused> {
    let head = request.head;
    let claim = claim(head)?;
    let body = Body { md5: request.body_md5(), sha256: request.body_sha256() };
    let check = |secret: &[u8]| claim.is_made_with(secret, head.parts, &body);
    Ok(auth::identify(head, claim.key_id, check).map_err(ApiError::from)?)
}

/// Reads a request's credentials. Refuses a skewed time here, so that only an accepted request
/// counts as a use of the key.
fn claim(request: AuthHead<'_>) -> Result<Claim<'_>, ApiError> {
    let claim = Claim::read(request.parts)?;
    auth::check_skew(request, claim.signed, SKEW_MAX)?;
    Ok(claim)
}

/// What a request's head states of its signature.
struct Claim<'h> {
    key_id: &'h str,
    signature: Vec<u8>,
    signed: Timestamp,
    scheme: Scheme<'h>,
}

enum Scheme<'h> {
    Fc,
    Acs3 { signed_headers: &'h str },
    Roa,
}

/// The digests of a request's body.
struct Body {
    /// Of the body only where the request has a `Content-MD5`.
    md5: [u8; 16],
    sha256: [u8; 32],
}

impl<'h> Claim<'h> {
    fn read(head: &'h Parts) -> Result<Self, ApiError> {
        let sent = signing::header(head, "authorization").ok_or(Denied::Missing)?;
        let (scheme, credentials) =
            sent.split_once(' ').ok_or(Denied::Malformed("it has no blank"))?;
        let scheme = match scheme {
            acs3::SCHEME => return acs3::claim(head, credentials),
            "FC" => Scheme::Fc,
            "acs" => Scheme::Roa,
            _ => {
                let known = "its scheme is none of FC, ACS3-HMAC-SHA256 and acs";
                return Err(Denied::Malformed(known).into());
            }
        };
        let (key_id, signature) = key_and_signature(credentials)?;
        let date = signing::header(head, "date").ok_or_else(|| ApiError::missing_header("Date"))?;
        let signed = DateTimeParser::new()
            .parse_timestamp(date)
            .map_err(|_| ApiError::invalid("HTTP header Date must be a time as RFC 1123 has it"))?;
        Ok(Self { key_id, signature, signed, scheme })
    }

    /// Tells whether a secret made the signature, and whether the body has the digest that the
    /// scheme's headers state.
    fn is_made_with(&self, secret: &[u8], head: &Parts, body: &Body) -> bool {
        let path = head.uri.path();
        let is_signed = |path: &str| self.covers(path, secret, head, body);
        // All are compared, so that the time does not reveal which one was signed.
        is_signed(path) | escaped_arn(path).is_some_and(|path| is_signed(&path))
    }

    /// Tells the same for one spelling of the path.
    fn covers(&self, path: &str, secret: &[u8], head: &Parts, body: &Body) -> bool {
        let signature = &self.signature;
        match self.scheme {
            // Both texts are compared, for the same reason.
            Scheme::Fc => fc::strings_to_sign(head, path).iter().fold(false, |is_signed, text| {
                is_signed | signing::is_hmac_sha256(secret, text, signature)
            }),
            Scheme::Acs3 { signed_headers } => {
                let digest = hex::encode(body.sha256);
                let text = acs3::string_to_sign(head, path, signed_headers, &digest);
                signing::is_hmac_sha256(secret, text.as_bytes(), signature)
                    && signing::covered_header(head, acs3::BODY) == digest
            }
            Scheme::Roa => {
                let text = roa::string_to_sign(head, path);
                signing::is_hmac_sha1(secret, text.as_bytes(), signature)
                    && roa::is_body_whole(head, &body.md5)
            }
        }
    }
}

/// Reads `<key id>:<signature in base64>`.
pub(super) fn key_and_signature(credentials: &str) -> Result<(&str, Vec<u8>), Denied> {
    let (key_id, signature) =
        credentials.split_once(':').ok_or(Denied::Malformed("its credentials have no ':'"))?;
    Ok((key_id, signing::from_base64(signature)))
}

/// Returns a path with its ARN as clients send and sign it, escaped to one segment; `None` for
/// other paths. A slash in the ARN shows that a proxy decoded it.
fn escaped_arn(path: &str) -> Option<String> {
    let (start, arn) = PREFIXES.iter().find_map(|prefix| {
        let (start, arn) = path.split_at_checked(prefix.len() + ARN.len())?;
        (start.strip_prefix(prefix) == Some(ARN)).then_some((start, arn))
    })?;
    let is_decoded = arn.strip_suffix('/').unwrap_or(arn).contains('/');
    let arn: Vec<u8> = percent_decode_str(arn).collect();
    is_decoded.then(|| format!("{start}{}", percent_encode(&arn, signing::ESCAPED)))
}

/// Begins a text to sign: the method, the value of each of the headers `values`, and a line
/// `name:value` for each header whose name starts with `prefix`, sorted by name.
pub(super) fn begin_text(head: &Parts, values: &[&str], prefix: &str) -> String {
    let mut text = format!("{}\n", head.method);
    for name in values {
        text.push_str(&signing::covered_header(head, name));
        text.push('\n');
    }
    let names = head.headers.keys().map(HeaderName::as_str);
    let mut names: Vec<&str> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable();
    text + &signing::header_lines(head, names)
}
