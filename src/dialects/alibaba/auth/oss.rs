//! `OSS <key id>:<signature>`, the scheme of the object store's clients (alibaba.md section 9.4),
//! with a key or with temporary credentials.
//!
//! It covers bucket and key as they are meant, not as they are escaped. There are no parameters to
//! cover, and the body is covered by `Content-MD5` alone, which is compared when it is put.

use axum::http::request::Parts;
use jiff::fmt::rfc2822::DateTimeParser;

use super::sts::Temporary;
use super::{SKEW_MAX, key_and_signature, lines_of};
use crate::dialects::alibaba::errors::StoreError;
use crate::dialects::alibaba::wire::objects::{Address, INBOX};
use crate::dialects::signing::{self, Denied, covered_header};
use crate::dialects::{AuthHead, AuthRequest};
use crate::domain::Caller;

const SCHEME: &str = "OSS";

/// Goes before `Date`, which browsers do not let a client set.
const DATE: &str = "x-oss-date";

const TOKEN: &str = "x-oss-security-token";

/// What a request's head says of who signed it.
struct Claim<'h> {
    /// The key that signed, or that temporary credentials stand for.
    key_id: &'h str,
    temporary: Option<Temporary<'h>>,
    signature: Vec<u8>,
}

/// Yields the caller whose key, or whose temporary credentials, signed the request.
pub(super) fn identify(request: AuthRequest<'_>) -> Result<Caller, StoreError> {
    let head = request.head;
    let claim = claim(head)?;
    let text = string_to_sign(head.parts);
    let check = |key_secret: &[u8]| {
        let of_its_own = claim.temporary.map(|it| it.secret(head.access, key_secret));
        let secret = of_its_own.as_ref().map_or(key_secret, String::as_bytes);
        signing::is_hmac_sha1(secret, &text, &claim.signature)
    };
    Ok(signing::identify(head, claim.key_id, check)?)
}

/// Refuses what no body could make good.
pub(super) fn check_head(request: AuthHead<'_>) -> Result<(), StoreError> {
    Ok(signing::check_key(request, claim(request)?.key_id)?)
}

/// Reads a request's credentials, and refuses those of another time, and temporary ones whose time
/// is over, that come without their token, or that are for another bucket.
fn claim(request: AuthHead<'_>) -> Result<Claim<'_>, StoreError> {
    let head = request.parts;
    let address = Address::of(head).ok_or(Denied::Missing)?;
    let sent = signing::header(head, "authorization").ok_or(Denied::Missing)?;
    let credentials = match sent.split_once(' ') {
        Some((SCHEME, credentials)) => credentials,
        _ => return Err(Denied::Malformed("its scheme is not OSS, the store's version 1").into()),
    };
    let (id, signature) = key_and_signature(credentials)?;
    let signed = signing::header(head, date_header(head))
        .and_then(|text| DateTimeParser::new().parse_timestamp(text).ok());
    signing::check_skew(request, signed.ok_or_else(StoreError::no_date)?, SKEW_MAX)?;
    let temporary = Temporary::read(id);
    if let Some(temporary) = temporary {
        let token = covered_header(head, TOKEN);
        if !signing::is_same(temporary.token(request.access).as_bytes(), token.as_bytes()) {
            return Err(StoreError::bad_token());
        }
        if request.app.clock().now() >= temporary.expires {
            return Err(StoreError::expired_token());
        }
        if address.bucket != INBOX {
            return Err(StoreError::other_bucket());
        }
    }
    Ok(Claim { key_id: temporary.map_or(id, |temporary| temporary.key_id), temporary, signature })
}

fn date_header(head: &Parts) -> &'static str {
    if head.headers.contains_key(DATE) { DATE } else { "date" }
}

fn string_to_sign(head: &Parts) -> Vec<u8> {
    let mut text = format!("{}\n", head.method);
    for name in ["content-md5", "content-type", date_header(head)] {
        text.push_str(&covered_header(head, name));
        text.push('\n');
    }
    text.push_str(&lines_of(head, "x-oss-"));
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
    use crate::dialects::alibaba::wire::objects::reroute;
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
