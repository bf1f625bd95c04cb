//! Refusals of the object store, in XML and in its own words (alibaba.md section 3.3).

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::dialects::answer::{self, log_internal};
use crate::dialects::signing::Denied;
use crate::dialects::{Call, Refusal};
use crate::domain::{ArchiveProblem, CatalogError, Limit, Noun};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-oss-request-id");

/// Which machine answered; here there is one.
const HOST_ID: &str = "layerbase";

/// A refusal, not yet tied to its request.
#[derive(Clone, Debug)]
pub(in crate::dialects::alibaba) struct StoreError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl StoreError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn denied(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A request that did not come with the store's credentials.
    pub(in crate::dialects::alibaba) fn no_credentials() -> Self {
        Self::denied("AccessDenied", "the request has no credentials of the object store")
    }

    /// Neither `x-oss-date` nor `Date` is a time.
    pub(in crate::dialects::alibaba) fn no_date() -> Self {
        Self::denied("AccessDenied", "OSS authentication requires a valid Date.")
    }

    /// Temporary credentials without their token.
    pub(in crate::dialects::alibaba) fn bad_token() -> Self {
        Self::denied("InvalidSecurityToken", "The security token you provided is invalid.")
    }

    /// Temporary credentials whose time is over.
    pub(in crate::dialects::alibaba) fn expired_token() -> Self {
        Self::denied("SecurityTokenExpired", "The security token you provided has expired.")
    }

    /// Temporary credentials on a bucket that they are not for.
    pub(in crate::dialects::alibaba) fn other_bucket() -> Self {
        Self::denied("AccessDenied", "the security token is for the temporary bucket alone")
    }

    /// A `Content-MD5` that is not the body's.
    pub(in crate::dialects::alibaba) fn bad_digest() -> Self {
        Self::invalid("InvalidDigest", "The Content-MD5 you specified is invalid.")
    }

    /// A host that begins with no bucket's name.
    pub(in crate::dialects::alibaba) fn bad_bucket(name: &str) -> Self {
        Self::invalid("InvalidBucketName", format!("the host names no bucket, but '{name}'"))
    }

    /// A key that no object can have.
    pub(in crate::dialects::alibaba) fn bad_key() -> Self {
        let rule = "the object name must be 1 to 1024 bytes of UTF-8 without control characters";
        Self::invalid("InvalidObjectName", rule)
    }

    /// Any operation that this server has not.
    pub(in crate::dialects::alibaba) fn not_implemented() -> Self {
        let message = "this server puts, gets and deletes single objects, without parameters and \
                       without copying, callbacks or conditions on overwriting";
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    fn render(&self, request_id: &str) -> Response {
        let (code, message) = (self.code, escaped(&self.message));
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>{code}</Code>\n  \
             <Message>{message}</Message>\n  <RequestId>{request_id}</RequestId>\n  \
             <HostId>{HOST_ID}</HostId>\n</Error>\n"
        );
        let mut response = answer::written(self.status, body.into_bytes());
        let xml = HeaderValue::from_static("application/xml");
        response.headers_mut().insert(CONTENT_TYPE, xml);
        response
    }
}

/// Writes a text as XML holds it; what XML cannot hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

impl From<CatalogError> for StoreError {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        let not_found = |code, text: &str| Self::new(StatusCode::NOT_FOUND, code, text);
        let unavailable =
            |text| Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text);
        match error {
            CatalogError::NotFound { what, .. } => match what {
                Noun::Bucket => not_found("NoSuchBucket", "The specified bucket does not exist."),
                Noun::Object => not_found("NoSuchKey", "The specified key does not exist."),
                Noun::Multipart => not_found("NoSuchUpload", &text),
                Noun::Layer
                | Noun::LayerVersion
                | Noun::Function
                | Noun::FunctionVersion
                | Noun::Code
                | Noun::Key
                | Noun::Tenant
                | Noun::CloudId => not_found("NoSuchKey", &text),
            },
            CatalogError::AlreadyExists { .. } => {
                Self::new(StatusCode::CONFLICT, "FileAlreadyExists", text)
            }
            CatalogError::LimitExceeded { what, limit, .. } => match what {
                Limit::BodySize | Limit::CodeSize => Self::invalid(
                    "EntityTooLarge",
                    format!("an object has at most {limit} bytes, and this one is larger"),
                ),
                Limit::UnpackedSize
                | Limit::Entries
                | Limit::FunctionVersions
                | Limit::TenantCode
                | Limit::InboxSize => Self::invalid("InvalidArgument", text),
                Limit::RequestRate | Limit::Requests | Limit::Uploads => unavailable(text),
            },
            CatalogError::BadArchive(ArchiveProblem::Incomplete(_)) => {
                Self::invalid("IncompleteBody", text)
            }
            CatalogError::InvalidValue { .. }
            | CatalogError::BadArchive(_)
            | CatalogError::Unchanged { .. }
            | CatalogError::InUse { .. } => Self::invalid("InvalidArgument", text),
            CatalogError::ChecksumMismatch { .. } => Self::bad_digest(),
            CatalogError::Stale { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text)
            }
            CatalogError::BucketUnavailable { .. } => unavailable(text),
            CatalogError::Forbidden { .. } => Self::denied("AccessDenied", text),
            CatalogError::Internal { source } => {
                log_internal(source.as_ref());
                let message = "We encountered an internal error. Please try again.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
            }
        }
    }
}

impl From<Denied> for StoreError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::no_credentials(),
            Denied::Malformed(reason) => Self::invalid(
                "InvalidArgument",
                format!("the Authorization header cannot be read: {reason}"),
            ),
            Denied::UnknownKey(id) => Self::denied(
                "InvalidAccessKeyId",
                format!("The OSS Access Key Id you provided does not exist: '{id}'"),
            ),
            Denied::BadSignature => Self::denied(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. \
                 Check your key and signing method.",
            ),
            Denied::Skewed { signed, now } => Self::denied(
                "RequestTimeTooSkewed",
                format!("the request was signed at {signed}, too far from the server's time {now}"),
            ),
        }
    }
}

/// Stays in the answer's extensions until [`complete`] knows the request.
impl IntoResponse for StoreError {
    fn into_response(self) -> Response {
        let mut response = answer::empty(self.status);
        response.extensions_mut().insert(self);
        response
    }
}

/// Words what no operation was asked about.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let error = match refusal {
        Refusal::UnknownPath | Refusal::UnknownMethod => StoreError::not_implemented(),
        Refusal::Catalog(error) => error.into(),
    };
    error.into_response()
}

/// Writes the error, and the request's id, 24 digits as the store has them.
pub(super) fn complete(call: &Call, mut response: Response) -> Response {
    let id = call.request_id.simple().to_string().split_off(8).to_uppercase();
    if let Some(error) = response.extensions_mut().remove::<StoreError>() {
        response = error.render(&id);
    }
    answer::insert_id(&mut response, REQUEST_ID, &id);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_fit_for_xml() {
        assert_eq!(
            escaped("a<b> & 'c'\n\u{1}\u{ffff}层"),
            "a&lt;b&gt; &amp; 'c'\u{fffd}\u{fffd}\u{fffd}层"
        );
    }
}
