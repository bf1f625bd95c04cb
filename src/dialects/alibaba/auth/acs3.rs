//! `ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…`, the scheme of 2021 and 2023
//! (alibaba.md section 9.2).
//!
//! It covers the method, the path, the query, the body and the headers that the client names. The
//! time of signing must be one of these headers: without it a signature would be valid for ever.
//! Nonces are not stored.

use axum::http::request::Parts;

use super::{Claim, Scheme};
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::auth::Denied;
use crate::dialects::signing;
use crate::domain::Timestamp;

pub(super) const SCHEME: &str = "ACS3-HMAC-SHA256";

/// The header with the SHA-256 of the body.
pub(super) const BODY: &str = "x-acs-content-sha256";

const DATE: &str = "x-acs-date";

pub(super) fn claim<'h>(head: &'h Parts, credentials: &'h str) -> Result<Claim<'h>, ApiError> {
    let [key_id, signed_headers, signature] = parse(credentials)?;
    let sent = signing::header(head, DATE).ok_or_else(|| ApiError::missing_header(DATE))?;
    let signed: Timestamp = sent
        .parse()
        .map_err(|_| ApiError::invalid("HTTP header x-acs-date must be YYYY-MM-DDTHH:MM:SSZ"))?;
    let names = signing::signed_names(signed_headers)
        .ok_or(Denied::Malformed("SignedHeaders must be up to 32 names, none twice"))?;
    if !names.contains(&DATE) {
        return Err(Denied::Malformed("SignedHeaders does not name x-acs-date").into());
    }
    if !head.headers.contains_key(BODY) {
        return Err(ApiError::missing_header(BODY));
    }
    let signature = signing::from_hex(signature);
    Ok(Claim { key_id, signature, signed, scheme: Scheme::Acs3 { signed_headers } })
}

/// Parses the credentials into key id, signed headers and signature; each is required once, in any
/// order.
fn parse(credentials: &str) -> Result<[&str; 3], Denied> {
    let (mut key_id, mut signed_headers, mut signature) = (None, None, None);
    for part in credentials.split(',') {
        let (name, value) = part
            .trim()
            .split_once('=')
            .ok_or(Denied::Malformed("its credentials have a part without '='"))?;
        let place = match name {
            "Credential" => &mut key_id,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(Denied::Malformed("its credentials have a part of no known name")),
        };
        if place.replace(value).is_some() {
            return Err(Denied::Malformed("its credentials have a part twice"));
        }
    }
    Ok([
        key_id.ok_or(Denied::Malformed("it has no Credential"))?,
        signed_headers.ok_or(Denied::Malformed("it has no SignedHeaders"))?,
        signature.ok_or(Denied::Malformed("it has no Signature"))?,
    ])
}

/// Signs the canonical request; `body` is the digest that was measured.
pub(super) fn string_to_sign(head: &Parts, path: &str, signed_headers: &str, body: &str) -> String {
    let method = &head.method;
    let query = signing::canonical_query(head.uri.query().unwrap_or_default());
    let headers = signing::header_lines(head, signed_headers.split(';'));
    let request = format!("{method}\n{path}\n{query}\n{headers}\n{signed_headers}\n{body}");
    format!("{SCHEME}\n{}", signing::hex_sha256(request.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_in_any_order_and_each_once() {
        let parts = parse("Signature=00, SignedHeaders=a;b, Credential=AKID");
        assert_eq!(parts, Ok(["AKID", "a;b", "00"]));
        for wrong in [
            "",
            "Credential=AKID",
            "Credential=AKID,SignedHeaders=a",
            "SignedHeaders=a,Signature=00",
            "Credential=AKID,Signature=00",
            "Credential=AKID,SignedHeaders=a,Signature=00,",
            "Credential=AKID,SignedHeaders=a,Signature=00,Region=x",
            "Credential=AKID,Credential=AKID,SignedHeaders=a,Signature=00",
        ] {
            assert!(matches!(parse(wrong), Err(Denied::Malformed(_))), "{wrong}");
        }
    }
}
