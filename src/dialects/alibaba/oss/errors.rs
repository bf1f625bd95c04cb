//! Refusals of the object store, in XML and in the store's words (alibaba.md section 3.3).

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::dialects::answer;
use crate::dialects::auth::Denied;
use crate::dialects::call::Call;
use crate::dialects::refusal::Refusal;
use crate::dialects::wording::{Cause, Excess, Missing, Used, Wording, worded_from_catalog};
use crate::domain::{ArchiveProblem, Field, Limit, Noun, RequestLimit};
use Noun::{
    Bucket, Change, CloudId, Code, Function, FunctionVersion, Key, Layer, LayerVersion, Multipart,
    Object, Task, Tenant,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-oss-request-id");

/// The machine that answered; here there is one.
const HOST_ID: &str = "layerbase";

/// A refusal in the store's words.
#[derive(Debug)]
pub(super) struct StoreError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl StoreError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn denied(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::bad("InvalidArgument", message)
    }

    fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    fn too_large(limit: u64) -> Self {
        let message = format!("an object has at most {limit} bytes, and this one is larger");
        Self::bad("EntityTooLarge", message)
    }

    fn unavailable(message: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// States that `Content-MD5` is not the body's.
    pub(super) fn bad_digest() -> Self {
        Self::bad("InvalidDigest", "The Content-MD5 you specified is invalid.")
    }

    /// States that this server lacks an operation.
    pub(super) fn not_implemented() -> Self {
        let message = "this server puts, gets and deletes single objects, without parameters and \
                       without copying, callbacks or conditions on overwriting";
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }
}

/// `InvalidArgument` where the vendor's store has no code.
impl Wording for StoreError {
    fn missing(what: Noun, Missing { text, .. }: Missing) -> Self {
        match what {
            Bucket => Self::not_found("NoSuchBucket", "The specified bucket does not exist."),
            Object => Self::not_found("NoSuchKey", "The specified key does not exist."),
            Multipart => Self::not_found("NoSuchUpload", text),
            Layer | LayerVersion | Function | FunctionVersion | Code | Key | Tenant | CloudId
            | Change | Task => Self::invalid(text),
        }
    }

    fn exists(what: Noun, text: String) -> Self {
        match what {
            Bucket => Self::new(StatusCode::CONFLICT, "BucketAlreadyExists", text),
            Object => Self::new(StatusCode::CONFLICT, "FileAlreadyExists", text),
            Layer | LayerVersion | Function | FunctionVersion | Code | Key | Tenant | CloudId
            | Multipart | Change | Task => Self::invalid(text),
        }
    }

    fn in_use(_what: Noun, Used { text, .. }: Used) -> Self {
        Self::invalid(text)
    }

    fn field(field: Field, reason: String) -> Self {
        Self::invalid(format!("{field} {reason}"))
    }

    fn limit(what: Limit, Excess { limit, text, .. }: Excess) -> Self {
        match what {
            Limit::CodeSize => Self::too_large(limit),
            Limit::UnpackedSize
            | Limit::Entries
            | Limit::FunctionVersions
            | Limit::TenantCode
            | Limit::InboxSize => Self::invalid(text),
        }
    }

    fn request_limit(what: RequestLimit, Excess { limit, text, .. }: Excess) -> Self {
        match what {
            RequestLimit::BodySize => Self::too_large(limit),
            RequestLimit::Rate | RequestLimit::Requests | RequestLimit::Uploads => {
                Self::unavailable(text)
            }
        }
    }

    fn archive(problem: ArchiveProblem) -> Self {
        let text = problem.to_string();
        match problem {
            ArchiveProblem::Incomplete(_) => Self::bad("IncompleteBody", text),
            ArchiveProblem::Missing
            | ArchiveProblem::NotBase64
            | ArchiveProblem::NotZip(_)
            | ArchiveProblem::UnsafePath { .. }
            | ArchiveProblem::DuplicatePath { .. }
            | ArchiveProblem::Encrypted(_)
            | ArchiveProblem::UnknownMethod { .. }
            | ArchiveProblem::BadEntry { .. }
            | ArchiveProblem::NoEntries => Self::invalid(text),
        }
    }

    fn other(cause: Cause, text: String) -> Self {
        match cause {
            Cause::Encoding | Cause::Unchanged => Self::invalid(text),
            Cause::Checksum => Self::bad_digest(),
            Cause::Stale => Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text),
            Cause::Forbidden => Self::denied("AccessDenied", text),
            Cause::BucketUnavailable | Cause::Unavailable => Self::unavailable(text),
            Cause::NoSpace => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage", text)
            }
            Cause::Internal => {
                let message = "We encountered an internal error. Please try again.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
            }
        }
    }
}

worded_from_catalog!(StoreError);

impl From<Denied> for StoreError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => {
                Self::denied("AccessDenied", "the request has no credentials of the object store")
            }
            Denied::Malformed(reason) => {
                Self::invalid(format!("the Authorization header cannot be read: {reason}"))
            }
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

impl Refusal for StoreError {
    fn render(&self, call: &Call) -> Response {
        let (code, message, request_id) = (self.code, escaped(&self.message), request_id(call));
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

/// Adds the request's id to every answer.
pub(super) fn finish(call: &Call, mut response: Response) -> Response {
    answer::insert_id(&mut response, REQUEST_ID, &request_id(call));
    response
}

/// Returns 24 digits, as the store has them.
fn request_id(call: &Call) -> String {
    call.request_id.simple().to_string().split_off(8).to_uppercase()
}

/// Writes a text as XML holds it; characters that XML cannot hold become U+FFFD.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_escaped() {
        assert_eq!(
            escaped("a<b> & 'c'\n\u{1}\u{ffff}层"),
            "a&lt;b&gt; &amp; 'c'\u{fffd}\u{fffd}\u{fffd}层"
        );
    }
}
