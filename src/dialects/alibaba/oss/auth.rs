//! `OSS <key id>:<signature>`, the scheme of the object store's clients (alibaba.md section 9.4),
//! with a key or with temporary credentials.
//!
//! It covers bucket and key decoded, not as they are escaped. It covers the body only through
//! `Content-MD5`, which is compared when the object is put.

mod sts;

use axum::http::Method;
use axum::http::request::Parts;
use jiff::fmt::rfc2822::DateTimeParser;

use super::errors::StoreError;
use super::wire::{Address, INBOX};
use crate::dialects::alibaba::auth::{SKEW_MAX, begin_text, key_and_signature};
use crate::dialects::auth::{self, AuthHead, AuthRequest, Denied};
use crate::dialects::refusal::Refused;
use crate::dialects::signing::{self, covered_header};
use crate::domain::{Caller, Key};
use sts::Temporary;
pub(in crate::dialects::alibaba) use sts::{TemporaryCredentials, issue};

/// Takes precedence over `Date`, which a client in a browser cannot set.
const DATE: &str = "x-oss-date";

/// What a request's head states of its signature.
struct Claim<'h> {
    /// The key that signed, or the key of its temporary credentials.
    key_id: &'h str,
    temporary: Option<Temporary<'h>>,
    signature: Vec<u8>,
}

/// Returns the enabled key that a head claims to be signed with, or the key of its temporary
/// credentials.
pub(super) fn claimed_key(request: AuthHead<'_>) -> Result<Option<&Key>, Refused> {
    let claim = claim(request)?;
    Ok(Some(auth::claimed_key(request, claim.key_id).map_err(StoreError::from)?))
}

/// Returns the caller whose key, or whose temporary credentials, signed a request.
///
/// Temporary credentials upload and do nothing else: clients hand them on to send code.
pub(super) fn authenticate(request: AuthRequest<'_>) -> Result<Caller, Refused> {
    let head = request.head;
    let claim = claim(head)?;
    let text = string_to_sign(head.parts);
    let check = |key_secret: &[u8]| {
        let temporary = claim.temporary.map(|it| it.secret(head.access, key_secret));
        let secret = temporary.as_ref().map_or(key_secret, String::as_bytes);
        signing::is_hmac_sha1(secret, &text, &claim.signature)
    };
    let caller = auth::identify(head, claim.key_id, check).map_err(StoreError::from)?;
    if claim.temporary.is_some() && head.parts.method != Method::PUT {
        let rule = "the security token uploads objects: it does not read or delete them";
        return Err(StoreError::denied("AccessDenied", rule).into());
    }
    Ok(caller)
}

/// Reads a request's credentials. Refuses a skewed time, and temporary credentials that have
/// expired, lack their token or are for another bucket.
fn claim(request: AuthHead<'_>) -> Result<Claim<'_>, StoreError> {
    let head = request.parts;
    let address = Address::of(head).ok_or(Denied::Missing)?;
    let sent = signing::header(head, "authorization").ok_or(Denied::Missing)?;
    let credentials = match sent.split_once(' ') {
        Some(("OSS", credentials)) => credentials,
        _ => return Err(Denied::Malformed("its scheme is not OSS, the store's version 1").into()),
    };
    let (id, signature) = key_and_signature(credentials)?;
    let signed = signing::header(head, date_header(head))
        .and_then(|text| DateTimeParser::new().parse_timestamp(text).ok());
    let no_date =
        || StoreError::denied("AccessDenied", "OSS authentication requires a valid Date.");
    auth::check_skew(request, signed.ok_or_else(no_date)?, SKEW_MAX)?;
    let Some(temporary) = Temporary::read(id) else {
        return Ok(Claim { key_id: id, temporary: None, signature });
    };
    let token = covered_header(head, "x-oss-security-token");
    let refusal = if !signing::is_same(temporary.token(request.access).as_bytes(), token.as_bytes())
    {
        ("InvalidSecurityToken", "The security token you provided is invalid.")
    } else if request.app.clock().now() >= temporary.expires {
        ("SecurityTokenExpired", "The security token you provided has expired.")
    } else if address.bucket != INBOX {
        ("AccessDenied", "the security token is for the temporary bucket alone")
    } else {
        return Ok(Claim { key_id: temporary.key_id, temporary: Some(temporary), signature });
    };
    Err(StoreError::denied(refusal.0, refusal.1))
}

fn date_header(head: &Parts) -> &'static str {
    if head.headers.contains_key(DATE) { DATE } else { "date" }
}

fn string_to_sign(head: &Parts) -> Vec<u8> {
    let text = begin_text(head, &["content-md5", "content-type", date_header(head)], "x-oss-");
    let (bucket, key) = match Address::of(head) {
        Some(address) => (&*address.bucket, &*address.key),
        None => ("", &[][..]),
    };
    [text.as_bytes(), b"/", bucket.as_bytes(), b"/", key].concat()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::dialects::alibaba::oss::wire::reroute;
    use crate::dialects::signing::mutations::Sample;

    /// The vector of section 9.4.
    #[test]
    fn text_and_signature_are_those_of_the_client() {
        let sample = Sample::new(
            "PUT",
            "/1234567890123456/abc123",
            &[
                ("host", "local-temp.oss-cn-hangzhou.aliyuncs.com"),
                ("content-type", "application/zip"),
                ("x-oss-date", "Sat, 21 Nov 2026 16:41:22 GMT"),
                ("x-oss-security-token", "tok"),
                ("authorization", "OSS STS.ossTmp:dOopnT23JUW4e8RAN2bLZO3FvQs="),
            ],
            "",
        );
        let mut request = Request::from_parts(sample.head().unwrap(), ());
        reroute(&mut request);
        let signed = string_to_sign(&request.into_parts().0);
        let text = "PUT\n\napplication/zip\nSat, 21 Nov 2026 16:41:22 GMT\n\
                    x-oss-date:Sat, 21 Nov 2026 16:41:22 GMT\nx-oss-security-token:tok\n\
                    /local-temp/1234567890123456/abc123";
        assert_eq!(String::from_utf8_lossy(&signed), text);
        let signature = signing::from_base64("dOopnT23JUW4e8RAN2bLZO3FvQs=");
        assert!(signing::is_hmac_sha1(b"ossTmpSecret", &signed, &signature));
    }
}
