//! Who calls (alibaba.md section 9): the scheme is the first word of `Authorization`, and each is
//! taken in front of every date.
//!
//! The schemes have one file each, which reads the credentials into a [`Claim`], says what must have
//! been signed, a [`Proof`], and decides nothing. The object store's scheme, `oss`, is for its own
//! requests, no other is good for them, and it answers in other words.

mod acs3;
mod fc;
#[cfg(test)]
mod mutations;
mod oss;
mod roa;
#[cfg(test)]
mod samples;
mod sts;

use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimeParser;

use super::errors::ApiError;
use super::wire::objects;
use crate::dialects::signing::{self, Denied};
use crate::dialects::{AuthHead, AuthRequest};
use crate::domain::{Caller, Timestamp};
pub(super) use sts::{Credentials, issue};

/// How far from now a request may have been signed, in either direction: documented for `FC`
/// (section 9.1), and held for all schemes.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Yields the caller whose key signed the request.
pub(super) fn verify(request: AuthRequest<'_>) -> Result<Caller, Box<Response>> {
    if objects::is_stores(request.head.parts.uri.path()) {
        return oss::identify(request).map_err(|refusal| Box::new(refusal.into_response()));
    }
    identify(request).map_err(|refusal| Box::new(refusal.into_response()))
}

/// Refuses what no body could make good.
pub(super) fn check_head(request: AuthHead<'_>) -> Result<(), Box<Response>> {
    if objects::is_stores(request.parts.uri.path()) {
        return oss::check_head(request).map_err(|refusal| Box::new(refusal.into_response()));
    }
    let known = claim(request).and_then(|claim| Ok(signing::check_key(request, claim.key_id)?));
    known.map_err(|refusal| Box::new(refusal.into_response()))
}

fn identify(request: AuthRequest<'_>) -> Result<Caller, ApiError> {
    let claim = claim(request.head)?;
    let body = Body { md5: request.body_md5(), sha256: request.body_sha256() };
    let proof = claim.proof(request.head.parts, &body);
    let check = |secret: &[u8]| claim.is_made_with(secret, &proof);
    Ok(signing::identify(request.head, claim.key_id, check)?)
}

/// Reads a request's credentials, and refuses them when they are of another time: first, so that
/// only who is let in is written down as having used the key.
fn claim(request: AuthHead<'_>) -> Result<Claim<'_>, ApiError> {
    let claim = Claim::read(request.parts)?;
    signing::check_skew(request, claim.signed, SKEW_MAX)?;
    Ok(claim)
}

/// What a request's head says of itself: who signed, in which way, and when.
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

/// What must have been signed.
struct Proof {
    /// The text to sign, in every spelling that clients use; one of them must have been signed.
    texts: Vec<Vec<u8>>,
    /// Compares a signature with the code of a text under a secret.
    is_code: fn(&[u8], &[u8], &[u8]) -> bool,
    /// Whether the body is the one that the headers speak of.
    is_body_whole: bool,
}

impl<'h> Claim<'h> {
    fn read(head: &'h Parts) -> Result<Self, ApiError> {
        let sent = signing::header(head, "authorization").ok_or(Denied::Missing)?;
        let (scheme, credentials) =
            sent.split_once(' ').ok_or(Denied::Malformed("it has no blank"))?;
        match scheme {
            fc::SCHEME => fc::claim(head, credentials),
            acs3::SCHEME => acs3::claim(head, credentials),
            roa::SCHEME => roa::claim(head, credentials),
            _ => {
                let known = "its scheme is none of FC, ACS3-HMAC-SHA256 and acs";
                Err(Denied::Malformed(known).into())
            }
        }
    }

    fn proof(&self, head: &Parts, body: &Body) -> Proof {
        match self.scheme {
            Scheme::Fc => fc::proof(head),
            Scheme::Acs3 { signed_headers } => acs3::proof(head, signed_headers, body),
            Scheme::Roa => roa::proof(head, body),
        }
    }

    fn is_made_with(&self, secret: &[u8], proof: &Proof) -> bool {
        let is_signed = |text: &Vec<u8>| (proof.is_code)(secret, text, &self.signature);
        // All are tried, so that the time does not tell which one was signed.
        let is_signed = proof.texts.iter().fold(false, |signed, text| signed | is_signed(text));
        is_signed && proof.is_body_whole
    }
}

/// The digests of a request's body.
struct Body {
    /// Of the body only where the request has a `Content-MD5`.
    md5: [u8; 16],
    sha256: [u8; 32],
}

/// Reads `<key id>:<signature in base64>`.
fn key_and_signature(credentials: &str) -> Result<(&str, Vec<u8>), Denied> {
    let (key_id, signature) =
        credentials.split_once(':').ok_or(Denied::Malformed("its credentials have no ':'"))?;
    Ok((key_id, signing::from_base64(signature)))
}

/// Reads the time of signing from the header `Date`.
fn date(head: &Parts) -> Result<Timestamp, ApiError> {
    let sent = signing::header(head, "date").ok_or_else(|| ApiError::missing_header("Date"))?;
    DateTimeParser::new()
        .parse_timestamp(sent)
        .map_err(|_| ApiError::invalid("HTTP header Date must be a time as RFC 1123 has it"))
}

/// Tells whether the body is the one that `Content-MD5` speaks of, if the request has one.
fn is_body_whole(head: &Parts, body: &Body) -> bool {
    !head.headers.contains_key("content-md5")
        || is_md5(&signing::covered_header(head, "content-md5"), &body.md5)
}

/// Tells whether a text is a digest as RFC 1864 has it, in hexadecimal, or in the base64 of the
/// hexadecimal; each is what some client of this cloud sends (section 9.1).
fn is_md5(text: &str, md5: &[u8; 16]) -> bool {
    let decoded = signing::from_base64(text);
    let hexadecimal =
        [text.as_bytes(), &decoded].into_iter().filter_map(|text| hex::decode(text).ok());
    decoded == md5 || hexadecimal.into_iter().any(|digest| digest == md5)
}

/// Writes every header whose name starts with `prefix` as a line, sorted by name.
fn lines_of(head: &Parts, prefix: &str) -> String {
    let names = head.headers.keys().map(HeaderName::as_str);
    let mut names: Vec<&str> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable();
    signing::header_lines(head, names)
}
