//! TC3-HMAC-SHA256: the credentials in `Authorization`, the text to sign and its key (tencent.md
//! section 9.1).

use std::borrow::Cow;

use axum::http::Method;
use axum::http::request::Parts;
use jiff::tz::TimeZone;

use super::{Claim, hosts, read_time};
use crate::dialects::auth::Denied;
use crate::dialects::signing::{
    covered_header, from_hex, header, hex_sha256, hmac_sha256, is_hmac_sha256, signed_names,
};
use crate::dialects::tencent::errors::ApiError;
use crate::domain::Timestamp;

/// The start of `Authorization`.
pub(super) const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// The end of every scope.
const SCOPE_END: &str = "tc3_request";

/// The value of `X-TC-Content-SHA256` that is signed in place of the body.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Headers that every signature covers.
const ALWAYS_SIGNED: [&str; 2] = ["content-type", "host"];

/// The signature, and the values that it covers.
pub(super) struct Proof<'r> {
    credentials: Credentials<'r>,
    /// As it was sent.
    timestamp: &'r str,
    head: &'r Parts,
}

/// The parts of `Authorization`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credentials<'r> {
    pub(super) key_id: &'r str,
    pub(super) date: &'r str,
    /// `scf`, or a part of the client's endpoint; any is accepted (tencent.md section 0).
    pub(super) service: &'r str,
    pub(super) signed_headers: &'r str,
    pub(super) signature: &'r str,
}

/// Reads the text after the algorithm in `Authorization`.
pub(super) fn read<'r>(head: &'r Parts, credentials: &'r str) -> Result<Claim<'r>, ApiError> {
    let credentials = Credentials::parse(credentials).map_err(Denied::Malformed)?;
    let timestamp = header(head, "x-tc-timestamp");
    let signed = read_time(timestamp)?;
    let key_id = credentials.key_id.to_owned();
    let proof = Proof { credentials, timestamp: timestamp.unwrap_or_default(), head };
    Ok(Claim { key_id, signed, proof: super::Proof::V3(proof) })
}

impl<'r> Credentials<'r> {
    /// Parses `Credential=…, SignedHeaders=…, Signature=…` in any order, blanks around each; the
    /// error names the part that is wrong.
    pub(super) fn parse(text: &'r str) -> Result<Self, &'static str> {
        let text = text.strip_prefix([' ', '\t']).ok_or("no blank follows the algorithm")?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in text.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or("a part has no `=`")?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err("a part has another name"),
            };
            if slot.replace(value).is_some() {
                return Err("a part is there twice");
            }
        }
        let credential = credential.ok_or("`Credential` is missing")?;
        let (key_id, scope) = credential.split_once('/').ok_or("`Credential` not valid")?;
        let (date, scope) = scope.split_once('/').ok_or("`Date` in Credential not valid")?;
        let (service, end) = scope.rsplit_once('/').ok_or("`Service` in Credential not valid")?;
        if end != SCOPE_END {
            return Err("the Credential does not end with `tc3_request`");
        }
        let signed_headers = signed_headers.ok_or("`SignedHeaders` is missing")?;
        check_names(signed_headers)?;
        let signature = signature.ok_or("`Signature` is missing")?;
        Ok(Self { key_id, date, service, signed_headers, signature })
    }
}

fn check_names(signed_headers: &str) -> Result<(), &'static str> {
    let names = signed_names(signed_headers).unwrap_or_default();
    let is_signed = |wanted: &&str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    if ALWAYS_SIGNED.iter().all(is_signed) { Ok(()) } else { Err("`SignedHeaders` not valid") }
}

impl Proof<'_> {
    /// Tells whether the scope's date is the UTC date of the request's time.
    pub(super) fn is_of_day(&self, signed: Timestamp) -> bool {
        signed.to_zoned(TimeZone::UTC).date().to_string() == self.credentials.date
    }

    pub(super) fn is_made_with(&self, secret: &[u8], body_sha256: [u8; 32]) -> bool {
        let Credentials { date, service, .. } = self.credentials;
        let key = signing_key(secret, date, service);
        let given = from_hex(self.credentials.signature);
        let fits = |text: &String| is_hmac_sha256(&key, text.as_bytes(), &given);
        self.texts(body_sha256).iter().any(fits)
    }

    /// Returns the texts to sign that are accepted.
    pub(super) fn texts(&self, body_sha256: [u8; 32]) -> Vec<String> {
        let Credentials { date, service, .. } = self.credentials;
        let text = |request: String| {
            let digest = hex_sha256(request.as_bytes());
            format!("{ALGORITHM}\n{}\n{date}/{service}/{SCOPE_END}\n{digest}", self.timestamp)
        };
        self.canonical_requests(body_sha256).into_iter().map(text).collect()
    }

    /// The URI is `/` for every client, and the query is as sent.
    pub(super) fn canonical_requests(&self, body_sha256: [u8; 32]) -> Vec<String> {
        let (head, names) = (self.head, self.credentials.signed_headers);
        let (method, is_get) = (&head.method, head.method == Method::GET);
        let query = head.uri.query().filter(|_| is_get).unwrap_or_default();
        let payload = match header(head, "x-tc-content-sha256") {
            Some(UNSIGNED) => hex_sha256(UNSIGNED.as_bytes()),
            _ if is_get => hex_sha256(b""),
            _ => hex::encode(body_sha256),
        };
        let request = |block| format!("{method}\n/\n{query}\n{block}\n{names}\n{payload}");
        header_blocks(head, names).into_iter().map(request).collect()
    }
}

/// Derives the key that signs the requests of one day for one service.
pub(super) fn signing_key(secret: &[u8], date: &str, service: &str) -> [u8; 32] {
    let first = [b"TC3", secret].concat();
    let dated = hmac_sha256(&first, date.as_bytes());
    hmac_sha256(&hmac_sha256(&dated, service.as_bytes()), SCOPE_END.as_bytes())
}

/// Writes the signed headers for each form of the host, with values as sent, then in lower case:
/// the documents demand lower case, but the SDKs sign the values that they send.
fn header_blocks(head: &Parts, signed_headers: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    for is_lowered in [false, true] {
        for host in hosts(head) {
            let mut block = String::new();
            for name in signed_headers.split(';') {
                let name = name.to_ascii_lowercase();
                let sent = match &*name {
                    "host" => Cow::Borrowed(host),
                    other => covered_header(head, other),
                };
                block.push_str(&name);
                block.push(':');
                let value = if is_lowered { sent.to_lowercase().into() } else { sent };
                block.push_str(&value);
                block.push('\n');
            }
            if !blocks.contains(&block) {
                blocks.push(block);
            }
        }
    }
    blocks
}
