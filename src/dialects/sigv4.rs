//! AWS Signature Version 4, its steps named as the vendor names them (AWS general reference,
//! "Create a signed AWS API request"): in the header `Authorization`, or in a presigned URL.
//!
//! The credential scope names the service. Each service has its own rules for the payload hash and
//! for headers that must be signed. Makes no caller.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::Offset;
use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::auth::{AuthHead, Denied, check_skew};
use super::params::Params;
use super::signing;
use crate::domain::Timestamp;

/// The first word of the credentials.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The end of every credential scope.
const TERMINATION: &str = "aws4_request";

/// Largest difference between the time of signing and now, in either direction.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Longest validity of a presigned URL in seconds: seven days.
const EXPIRES_MAX: i64 = 7 * 24 * 60 * 60;

/// Why a signature is refused before it is verified.
#[derive(Debug)]
pub(super) enum Problem {
    /// As signatures of any scheme.
    Denied(Denied),
    /// The credential is not of the service, for this reason.
    WrongScope(String),
    /// A presigned URL has expired.
    Expired,
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// The signature in a request's head.
#[derive(Debug)]
pub(super) struct Signature {
    /// The access key id.
    pub(super) key_id: String,
    scope: CredentialScope,
    /// The time of signing as in the string to sign.
    pub(super) time: String,
    /// The time of signing.
    pub(super) signed: Timestamp,
    signed_headers: String,
    signature: Vec<u8>,
    /// How long a presigned URL is valid; `None` for a signature in the header.
    lifetime: Option<SignedDuration>,
}

/// `<date>/<region>/<service>/aws4_request`
#[derive(Debug)]
struct CredentialScope(String);

impl CredentialScope {
    /// Splits `<key id>/<scope>`; a key id may contain `/`.
    fn split(credential: &str) -> Option<(&str, &str)> {
        let (at, _) = credential.match_indices('/').rev().nth(3)?;
        Some((&credential[..at], &credential[at + 1..]))
    }

    fn service(scope: &str) -> Option<&str> {
        let mut parts = scope.rsplit('/');
        (parts.next() == Some(TERMINATION)).then(|| parts.next())?
    }
}

/// Returns the service that a request is signed for, by its credential scope.
///
/// The outer `None`: another scheme or none. The inner one: an unreadable scope.
pub(super) fn service_of(headers: &HeaderMap, query: &str) -> Option<Option<String>> {
    let credential = match headers.get(AUTHORIZATION) {
        Some(sent) => {
            let sent = String::from_utf8_lossy(sent.as_bytes()).into_owned();
            let fields = sent.strip_prefix(ALGORITHM)?;
            field(fields, "Credential").map(str::to_owned)
        }
        None if query.contains("X-Amz-Signature=") => {
            Params::parse(query).raw("X-Amz-Credential").map(str::to_owned)
        }
        None => return None,
    };
    let service = |credential: &String| {
        let (_, scope) = CredentialScope::split(credential)?;
        CredentialScope::service(scope).map(str::to_owned)
    };
    Some(credential.as_ref().and_then(service))
}

/// Returns a field of `Credential=…, SignedHeaders=…, Signature=…`.
fn field<'t>(fields: &'t str, name: &str) -> Option<&'t str> {
    let mut fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
    fields.find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl Signature {
    /// Reads the signature of a request to `service`. Refuses a skewed or expired one here, so that
    /// only an accepted request counts as a use of the key.
    pub(super) fn read(request: AuthHead<'_>, service: &str) -> Result<Self, Problem> {
        let signature = Self::parse(request.parts, service)?;
        match signature.lifetime {
            None => check_skew(request, signature.signed, SKEW_MAX)?,
            Some(lifetime) => {
                let (signed, now) = (signature.signed, request.app.clock().now());
                if signed.duration_since(now) > SKEW_MAX {
                    return Err(Denied::Skewed { signed, now }.into());
                }
                if now.duration_since(signed) > lifetime {
                    return Err(Problem::Expired);
                }
            }
        }
        Ok(signature)
    }

    /// Reads the signature without checking its time.
    pub(super) fn parse(head: &Parts, service: &str) -> Result<Self, Problem> {
        if let Some(sent) = signing::header(head, "authorization") {
            return Self::from_header(head, sent, service);
        }
        let query = Params::parse(head.uri.query().unwrap_or_default());
        match query.raw("X-Amz-Signature") {
            Some(_) => Self::from_query(&query, service),
            None => Err(Denied::Missing.into()),
        }
    }

    fn from_header(head: &Parts, sent: &str, service: &str) -> Result<Self, Problem> {
        let fields = sent.strip_prefix(ALGORITHM).filter(|fields| fields.starts_with(' '));
        let fields = fields.ok_or(Denied::Malformed("only AWS4-HMAC-SHA256 is known"))?;
        let required = |name: &str| {
            let missing = Denied::Malformed("it needs Credential, SignedHeaders and Signature");
            field(fields, name).ok_or(missing)
        };
        let time = time_of(head);
        let time = time.ok_or(Denied::Malformed("the header x-amz-date or Date is required"))?;
        let (credential, names) = (required("Credential")?, required("SignedHeaders")?);
        Self::new(credential, time, names, required("Signature")?, None, service)
    }

    fn from_query(query: &Params, service: &str) -> Result<Self, Problem> {
        let required =
            |name: &str| query.raw(name).ok_or(Denied::Malformed("a part of X-Amz- is missing"));
        if required("X-Amz-Algorithm")? != ALGORITHM {
            return Err(Denied::Malformed("only AWS4-HMAC-SHA256 is known").into());
        }
        let seconds = required("X-Amz-Expires")?.parse().ok();
        let seconds = seconds.filter(|seconds| (1..=EXPIRES_MAX).contains(seconds));
        let seconds = seconds.ok_or(Denied::Malformed("X-Amz-Expires must be 1 to 604800"))?;
        Self::new(
            required("X-Amz-Credential")?,
            required("X-Amz-Date")?.to_owned(),
            required("X-Amz-SignedHeaders")?,
            required("X-Amz-Signature")?,
            Some(SignedDuration::from_secs(seconds)),
            service,
        )
    }

    fn new(
        credential: &str,
        time: String,
        signed_headers: &str,
        signature: &str,
        lifetime: Option<SignedDuration>,
        service: &str,
    ) -> Result<Self, Problem> {
        let parts = CredentialScope::split(credential)
            .filter(|(_, scope)| CredentialScope::service(scope) == Some(service));
        let Some((key_id, scope)) = parts else {
            let form = format!("<key id>/<date>/<region>/{service}/{TERMINATION}");
            return Err(Problem::WrongScope(format!("the credential must be {form}")));
        };
        let signed = signing::basic_time(&time)
            .and_then(|signed| Offset::UTC.to_timestamp(signed).ok())
            .ok_or(Denied::Malformed("the time of signing must be like 20260102T030405Z"))?;
        if scope.split('/').next() != time.get(..8) {
            return Err(Denied::Malformed("the credential is of another day than the time").into());
        }
        let names = signing::signed_names(signed_headers);
        if !names.is_some_and(|names| names.contains(&"host")) {
            return Err(Denied::Malformed("the signed headers must be names and have host").into());
        }
        Ok(Self {
            key_id: key_id.to_owned(),
            scope: CredentialScope(scope.to_owned()),
            time,
            signed,
            signed_headers: signed_headers.to_owned(),
            signature: signing::from_hex(signature),
            lifetime,
        })
    }

    /// Whether the signature is in the query of a presigned URL.
    pub(super) fn is_presigned(&self) -> bool {
        self.lifetime.is_some()
    }

    /// Whether the signature covers a header, named in lower case.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|signed| signed == name)
    }

    /// The signature in hexadecimal, which the first chunk's signature covers.
    pub(super) fn seed(&self) -> String {
        hex::encode(&self.signature)
    }

    /// The time of signing and the credential scope: lines two and three of every string to sign.
    pub(super) fn time_and_scope(&self) -> String {
        format!("{}\n{}", self.time, self.scope.0)
    }

    /// Derives the signing key of the day, the region and the service.
    pub(super) fn signing_key(&self, secret: &[u8]) -> [u8; 32] {
        let first = [b"AWS4", secret].concat();
        let mut parts = self.scope.0.split('/').map(str::as_bytes);
        let day = parts.next().unwrap_or_default();
        parts.fold(signing::hmac_sha256(&first, day), |key, part| signing::hmac_sha256(&key, part))
    }

    /// Returns the strings to sign of a request, with its path as sent and as the reference encodes
    /// it: clients differ in the characters that they escape. `path` is the path that the client
    /// signed.
    pub(super) fn strings_to_sign(
        &self,
        head: &Parts,
        path: &str,
        payload_hash: &str,
    ) -> [String; 2] {
        [path.to_owned(), canonical_uri(path)].map(|uri| {
            let request = self.canonical_request(head, &uri, payload_hash);
            let digest = signing::hex_sha256(request.as_bytes());
            format!("{ALGORITHM}\n{}\n{digest}", self.time_and_scope())
        })
    }

    fn canonical_request(&self, head: &Parts, uri: &str, payload_hash: &str) -> String {
        let query = head.uri.query().unwrap_or_default().split('&');
        let query: Vec<&str> = query.filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
        let query = signing::canonical_query(&query.join("&"));
        let lines = signing::header_lines(head, self.signed_headers.split(';'));
        let (method, headers, names) = (&head.method, single_blanks(&lines), &self.signed_headers);
        format!("{method}\n{uri}\n{query}\n{headers}\n{names}\n{payload_hash}")
    }

    /// Tells whether the signing key made the signature of one of the strings.
    pub(super) fn is_made_with(&self, signing_key: &[u8; 32], strings: &[String; 2]) -> bool {
        let is_code =
            |text: &String| signing::is_hmac_sha256(signing_key, text.as_bytes(), &self.signature);
        // Both are compared, so that the time does not reveal which one was signed.
        strings.iter().fold(false, |signed, text| signed | is_code(text))
    }
}

/// Returns the time of signing as in the string to sign. Huawei's object store client sends it only
/// in `Date`, in the form of HTTP.
fn time_of(head: &Parts) -> Option<String> {
    if let Some(time) = signing::header(head, "x-amz-date") {
        return Some(time.to_owned());
    }
    let date = DateTimeParser::new().parse_timestamp(signing::header(head, "date")?).ok()?;
    Some(date.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// Decodes every segment of a path and encodes it by RFC 3986.
pub(super) fn canonical_uri(path: &str) -> String {
    let segment = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        utf8_percent_encode(&decoded, signing::ESCAPED).to_string()
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Collapses blanks, as a signature covers header values.
pub(super) fn single_blanks(lines: &str) -> String {
    let mut text = String::with_capacity(lines.len());
    for letter in lines.chars() {
        if letter != ' ' || !text.ends_with(' ') {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn the_credential_scope_names_the_service() {
        let with = |sent: &str| HeaderMap::from_iter([(AUTHORIZATION, sent.parse().unwrap())]);
        let signed = |scope: &str| {
            with(&format!("{ALGORITHM} Credential=AK/ID/{scope}, SignedHeaders=host, Signature=0"))
        };
        let service = |headers: &HeaderMap, query: &str| service_of(headers, query);
        let lambda = signed("20260102/local/lambda/aws4_request");
        assert_eq!(service(&lambda, ""), Some(Some("lambda".to_owned())));
        assert_eq!(service(&signed("20260102/s3"), ""), Some(None));
        assert_eq!(service(&with("Bearer x"), "X-Amz-Signature=0"), None);
        let none = HeaderMap::new();
        let query = "X-Amz-Credential=AK%2F20260102%2Fr%2Fs3%2Faws4_request&X-Amz-Signature=0";
        assert_eq!(service(&none, query), Some(Some("s3".to_owned())));
        assert_eq!(service(&none, "X-Amz-Signature=0"), Some(None));
        assert_eq!(service(&none, "list-type=2"), None);
    }
    #[test]
    fn a_credential_of_another_service_is_refused_in_the_words_of_the_own_one() {
        for (service, other) in [("s3", "lambda"), ("lambda", "s3")] {
            let sent = format!(
                "{ALGORITHM} Credential=AK/20260102/local/{other}/{TERMINATION}, \
                 SignedHeaders=host, Signature=0"
            );
            let request = Request::builder().header(AUTHORIZATION, sent);
            let request = request.header("x-amz-date", "20260102T000000Z").body(()).unwrap();
            let (head, ()) = request.into_parts();
            let Err(Problem::WrongScope(reason)) = Signature::parse(&head, service) else {
                panic!("{other} is taken for {service}");
            };
            let form = format!("<key id>/<date>/<region>/{service}/aws4_request");
            assert_eq!(reason, format!("the credential must be {form}"));
            assert!(Signature::parse(&head, other).is_ok());
        }
    }
}
