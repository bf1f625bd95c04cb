//! `ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…`, the scheme of 2021 and 2023
//! (alibaba.md section 9.2).
//!
//! It covers the whole request, of the headers those that the client names. One must be named: the
//! time of signing, without which a signature would be good for ever. Nonces are not remembered.

use axum::http::request::Parts;

use super::{Body, Claim, Proof, Scheme};
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::signing::{self, Denied};
use crate::domain::Timestamp;

pub(super) const SCHEME: &str = "ACS3-HMAC-SHA256";

const DATE: &str = "x-acs-date";
const BODY: &str = "x-acs-content-sha256";

pub(super) fn claim<'h>(head: &'h Parts, credentials: &'h str) -> Result<Claim<'h>, ApiError> {
    let Credentials { key_id, signed_headers, signature } = Credentials::parse(credentials)?;
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

pub(super) fn proof(head: &Parts, signed_headers: &str, body: &Body) -> Proof {
    let body = hex::encode(body.sha256);
    Proof {
        texts: vec![string_to_sign(&canonical_request(head, signed_headers, &body)).into_bytes()],
        is_code: signing::is_hmac_sha256,
        is_body_whole: signing::covered_header(head, BODY) == body,
    }
}

/// What follows the scheme, each part once and in any order.
struct Credentials<'h> {
    key_id: &'h str,
    signed_headers: &'h str,
    signature: &'h str,
}

impl<'h> Credentials<'h> {
    fn parse(text: &'h str) -> Result<Self, Denied> {
        let (mut key_id, mut signed_headers, mut signature) = (None, None, None);
        for part in text.split(',') {
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
        Ok(Self {
            key_id: key_id.ok_or(Denied::Malformed("it has no Credential"))?,
            signed_headers: signed_headers.ok_or(Denied::Malformed("it has no SignedHeaders"))?,
            signature: signature.ok_or(Denied::Malformed("it has no Signature"))?,
        })
    }
}

/// The request's parts in the scheme's spelling; the body's digest is the one that was measured.
fn canonical_request(head: &Parts, signed_headers: &str, body: &str) -> String {
    let (method, path) = (&head.method, head.uri.path());
    let query = signing::canonical_query(head.uri.query().unwrap_or_default());
    let headers = signing::header_lines(head, signed_headers.split(';'));
    format!("{method}\n{path}\n{query}\n{headers}\n{signed_headers}\n{body}")
}

fn string_to_sign(canonical_request: &str) -> String {
    format!("{SCHEME}\n{}", signing::hex_sha256(canonical_request.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::alibaba::auth::samples::{self, decide, digests};
    use crate::dialects::signing::mutations::Sample;

    const LIST: &str = "GET
/2023-03-30/layers
limit=2&official=false&prefix=lay&public=false
accept:application/json
host:127.0.0.1:43051
user-agent:AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2
x-acs-action:ListLayers
x-acs-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-acs-credentials-provider:static_ak
x-acs-date:2026-11-21T16:39:47Z
x-acs-signature-nonce:406aa5bcbb1f15190885f0fa5e4ebff8
x-acs-version:2023-03-30

accept;host;user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;\
x-acs-signature-nonce;x-acs-version
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The vectors of section 9.2.
    #[test]
    fn texts_and_signatures_are_those_of_the_client() {
        let (list, publish) = (samples::acs3_list(), samples::acs3_publish());
        let text = canonical(&list);
        assert_eq!(text, LIST);
        let hash = "ba4b40dcab5227879e03b49e85f55248a51d65120f6f50e3c7c1b95bbd116925";
        assert_eq!(string_to_sign(&text), format!("ACS3-HMAC-SHA256\n{hash}"));
        let hash = "709bde2ff041480f389d24575e7a60e2ad43bbb354af9c27292b73dcb39138d8";
        assert_eq!(signing::hex_sha256(canonical(&publish).as_bytes()), hash);
        assert!(decide(&list).is_ok() && decide(&publish).is_ok());
    }

    fn canonical(sample: &Sample) -> String {
        let head = sample.head().unwrap();
        let sent = signing::header(&head, "authorization").unwrap();
        let (_, credentials) = sent.split_once(' ').unwrap();
        let names = Credentials::parse(credentials).unwrap().signed_headers;
        canonical_request(&head, names, &hex::encode(digests(sample).sha256))
    }

    #[test]
    fn credentials_are_read_in_any_order_and_each_once() {
        let parse = |text| Credentials::parse(text).map(|read| read.key_id);
        assert_eq!(parse("Signature=00, SignedHeaders=a;b, Credential=AKID"), Ok("AKID"));
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
