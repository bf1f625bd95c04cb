//! Who calls: AWS Signature Version 4, in the header or in the query of a presigned address (Amazon
//! S3 API reference, "Authenticating Requests").
//!
//! It covers the whole path, `/s3` included, so that it is checked here and not by the crate that
//! knows the rest of the protocol.

#[cfg(test)]
mod tests;

use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::Offset;
use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::errors::ApiError;
use super::wire::{self, chunked::Chain};
use crate::dialects::signing::{self, Denied};
use crate::dialects::{AuthHead, AuthRequest};
use crate::domain::{Caller, Timestamp};

/// The first word of the credentials.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How far from now a request may have been signed, in either direction.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Seconds that a presigned address may be good for: seven days.
const EXPIRES_MAX: i64 = 7 * 24 * 60 * 60;

/// The header that says what the body's digest is, or that it is not signed as a whole.
const CONTENT: &str = "x-amz-content-sha256";

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Bodies in chunks, each of which is signed.
const SIGNED_CHUNKS: [&str; 2] =
    ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"];

/// A body in chunks that are not signed.
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// Yields the caller whose key signed the request.
pub(super) fn verify(request: AuthRequest<'_>) -> Result<Caller, Box<Response>> {
    identify(request).map_err(|refusal| Box::new(refusal.into_response()))
}

/// Refuses what no body could make good.
pub(super) fn check_head(request: AuthHead<'_>) -> Result<(), Box<Response>> {
    let known = claim(request).and_then(|claim| Ok(signing::check_key(request, &claim.key_id)?));
    known.map_err(|refusal| Box::new(refusal.into_response()))
}

fn identify(request: AuthRequest<'_>) -> Result<Caller, ApiError> {
    let AuthRequest { head, body } = request;
    let claim = claim(head)?;
    let payload = Payload::of(head.parts, &claim);
    let sha256 = hex::encode(request.body_sha256());
    let texts = claim.texts(head.parts, &payload, &sha256);
    // What the disk says no to is told apart from what is not signed.
    let mut failure = None;
    let caller = signing::identify(head, &claim.key_id, |secret| {
        let key = claim.signing_key(secret);
        let is_signed = claim.is_made_with(&key, &texts);
        if !is_signed || !matches!(payload, Payload::SignedChunks(_)) {
            return is_signed;
        }
        let seed = hex::encode(&claim.signature);
        let chain = Chain { key: &key, place: &claim.place(), seed };
        head.app.in_place(|| chain.verify(body)).unwrap_or_else(|error| {
            failure = Some(error);
            false
        })
    });
    match failure {
        Some(failure) => Err(failure.into()),
        None if caller.is_ok() && !payload.is_body(&sha256) => Err(ApiError::other_body()),
        None => Ok(caller?),
    }
}

/// Reads a request's credentials, and refuses them when they are of another time: first, so that
/// only who is let in is written down as having used the key.
fn claim(request: AuthHead<'_>) -> Result<Claim, ApiError> {
    let claim = Claim::read(request.parts)?;
    match claim.lifetime {
        None => signing::check_skew(request, claim.signed, SKEW_MAX)?,
        Some(lifetime) => {
            let now = request.app.clock().now();
            if claim.signed.duration_since(now) > SKEW_MAX {
                return Err(Denied::Skewed { signed: claim.signed, now }.into());
            }
            if now.duration_since(claim.signed) > lifetime {
                return Err(ApiError::expired());
            }
        }
    }
    Ok(claim)
}

/// What a request's head says of itself.
struct Claim {
    key_id: String,
    /// `<date>/<region>/<service>/aws4_request`
    scope: String,
    /// The time of signing as it was sent.
    time: String,
    signed: Timestamp,
    signed_headers: String,
    signature: Vec<u8>,
    /// How long a presigned address is good for; `None` for a signature in the header.
    lifetime: Option<SignedDuration>,
}

impl Claim {
    fn read(head: &Parts) -> Result<Self, ApiError> {
        let query = head.uri.query().unwrap_or_default();
        let from_query = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let claim = match signing::header(head, "authorization") {
            Some(sent) => Self::from_header(head, sent),
            None if from_query("X-Amz-Signature").is_some() => Self::from_query(from_query),
            None => Err(Denied::Missing.into()),
        }?;
        // Otherwise somebody on the way could add some, which change what is done.
        let covers = |name: &str| claim.signed_headers.split(';').any(|signed| signed == name);
        let mut names = head.headers.keys().map(HeaderName::as_str);
        match names.find(|name| name.starts_with("x-amz-") && !covers(name)) {
            Some(name) => Err(ApiError::not_signed(name)),
            None => Ok(claim),
        }
    }

    fn from_header(head: &Parts, sent: &str) -> Result<Self, ApiError> {
        let rest = sent.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' '));
        let rest = rest.ok_or(Denied::Malformed("only AWS4-HMAC-SHA256 is known"))?;
        let part = |name: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            let found = parts.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
            found.ok_or(Denied::Malformed("it needs Credential, SignedHeaders and Signature"))
        };
        let time = time_of(head);
        let time = time.ok_or(Denied::Malformed("the header x-amz-date or Date is required"))?;
        Self::new(&part("Credential")?, time, part("SignedHeaders")?, &part("Signature")?, None)
    }

    fn from_query(value: impl Fn(&str) -> Option<String>) -> Result<Self, ApiError> {
        let required = |name| value(name).ok_or(Denied::Malformed("a part of X-Amz- is missing"));
        if required("X-Amz-Algorithm")? != ALGORITHM {
            return Err(Denied::Malformed("only AWS4-HMAC-SHA256 is known").into());
        }
        let seconds = required("X-Amz-Expires")?.parse().ok();
        let seconds = seconds.filter(|seconds| (1..=EXPIRES_MAX).contains(seconds));
        let seconds = seconds.ok_or(Denied::Malformed("X-Amz-Expires must be 1 to 604800"))?;
        Self::new(
            &required("X-Amz-Credential")?,
            required("X-Amz-Date")?,
            required("X-Amz-SignedHeaders")?,
            &required("X-Amz-Signature")?,
            Some(SignedDuration::from_secs(seconds)),
        )
    }

    fn new(
        credential: &str,
        time: String,
        signed_headers: String,
        signature: &str,
        lifetime: Option<SignedDuration>,
    ) -> Result<Self, ApiError> {
        let scope = "the credential must be <key id>/<date>/<region>/s3/aws4_request";
        let (key_id, scope) = credential
            .match_indices('/')
            .rev()
            .nth(3)
            .map(|(at, _)| (&credential[..at], &credential[at + 1..]))
            .filter(|(_, scope)| scope.ends_with("/s3/aws4_request"))
            .ok_or(Denied::Malformed(scope))?;
        let signed = signing::basic_time(&time)
            .and_then(|signed| Offset::UTC.to_timestamp(signed).ok())
            .ok_or(Denied::Malformed("the time of signing must be like 20260102T030405Z"))?;
        if scope.split('/').next() != time.get(..8) {
            return Err(Denied::Malformed("the credential is of another day than the time").into());
        }
        let names = signing::signed_names(&signed_headers);
        if !names.is_some_and(|names| names.contains(&"host")) {
            return Err(Denied::Malformed("the signed headers must be names and have host").into());
        }
        let (key_id, scope) = (key_id.to_owned(), scope.to_owned());
        let signature = signing::from_hex(signature);
        Ok(Self { key_id, scope, time, signed, signed_headers, signature, lifetime })
    }

    /// The lines between the algorithm and the digests of all texts to sign.
    fn place(&self) -> String {
        format!("{}\n{}", self.time, self.scope)
    }

    /// The texts to sign, over the path as it was sent and as it is spelled by the book: clients do
    /// not agree on which letters of a path are escaped.
    fn texts(&self, head: &Parts, payload: &Payload<'_>, sha256: &str) -> [String; 2] {
        let payload = payload.text(sha256);
        let query = head.uri.query().unwrap_or_default();
        let query: Vec<&str> =
            query.split('&').filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
        let query = signing::canonical_query(&query.join("&"));
        let lines = signing::header_lines(head, self.signed_headers.split(';'));
        let (method, lines, names) = (&head.method, one_blank(&lines), &self.signed_headers);
        let sent = wire::signed_path(head);
        [sent.to_owned(), spelled(sent)].map(|path| {
            let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
            let digest = signing::hex_sha256(request.as_bytes());
            format!("{ALGORITHM}\n{}\n{digest}", self.place())
        })
    }

    fn is_made_with(&self, key: &[u8; 32], texts: &[String; 2]) -> bool {
        let is_code =
            |text: &String| signing::is_hmac_sha256(key, text.as_bytes(), &self.signature);
        // Both are tried, so that the time does not tell which one was signed.
        texts.iter().fold(false, |signed, text| signed | is_code(text))
    }

    fn signing_key(&self, secret: &[u8]) -> [u8; 32] {
        let first = [b"AWS4", secret].concat();
        let mut parts = self.scope.split('/').map(str::as_bytes);
        let day = parts.next().unwrap_or_default();
        parts.fold(signing::hmac_sha256(&first, day), |key, part| signing::hmac_sha256(&key, part))
    }
}

/// Reads the time of signing as the text to sign has it. Huawei's client of its object store has it
/// in `Date` alone, in the form that HTTP has for it.
fn time_of(head: &Parts) -> Option<String> {
    if let Some(time) = signing::header(head, "x-amz-date") {
        return Some(time.to_owned());
    }
    let date = DateTimeParser::new().parse_timestamp(signing::header(head, "date")?).ok()?;
    Some(date.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// What is signed of the body.
enum Payload<'h> {
    /// All of it, though no header says so.
    Whole,
    /// What has this digest.
    Stated(&'h str),
    /// Its chunks, one by one; as the header says it.
    SignedChunks(&'h str),
    /// Nothing; as the header says it.
    Open(&'h str),
}

impl<'h> Payload<'h> {
    fn of(head: &'h Parts, claim: &Claim) -> Self {
        match signing::header(head, CONTENT) {
            Some(stated) if SIGNED_CHUNKS.contains(&stated) => Self::SignedChunks(stated),
            Some(stated @ (UNSIGNED | UNSIGNED_CHUNKS)) => Self::Open(stated),
            Some(stated) => Self::Stated(stated),
            // Whoever signs an address does not know the body.
            None if claim.lifetime.is_some() => Self::Open(UNSIGNED),
            None => Self::Whole,
        }
    }

    /// What the text to sign has in the body's place.
    fn text<'t>(&self, sha256: &'t str) -> &'t str
    where
        'h: 't,
    {
        match self {
            Self::Whole => sha256,
            Self::Stated(sent) | Self::SignedChunks(sent) | Self::Open(sent) => sent,
        }
    }

    /// Whether the body, which has this digest, is the one that is spoken of.
    fn is_body(&self, sha256: &str) -> bool {
        match self {
            Self::Stated(stated) => *stated == sha256,
            Self::Whole | Self::SignedChunks(_) | Self::Open(_) => true,
        }
    }
}

/// Spells a path anew: every segment decoded and encoded by RFC 3986.
fn spelled(path: &str) -> String {
    let segment = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        utf8_percent_encode(&decoded, signing::ESCAPED).to_string()
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Makes one blank of several, as a signature covers header values.
fn one_blank(lines: &str) -> String {
    let mut text = String::with_capacity(lines.len());
    for letter in lines.chars() {
        if letter != ' ' || !text.ends_with(' ') {
            text.push(letter);
        }
    }
    text
}
