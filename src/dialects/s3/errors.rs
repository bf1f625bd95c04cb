//! Refusals, as XML with the codes of S3 (Amazon S3 API reference, "Error responses").

use axum::body::Body;
use axum::http::header::ETAG;
use axum::http::{HeaderName, StatusCode};
use axum::response::Response;
use s3s::{S3Error, S3ErrorCode};

use crate::dialects::answer;
use crate::dialects::auth::Denied;
use crate::dialects::call::Call;
use crate::dialects::refusal::{Refusal, Unserved};
use crate::dialects::sigv4::Problem;
use crate::dialects::wording::{Cause, Excess, Missing, Used, Wording, worded_from_catalog};
use crate::domain::{ArchiveProblem, Field, Limit, Noun, RequestLimit};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// A refusal in the words of S3.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    code: S3ErrorCode,
    message: String,
    /// The status of a code that `s3s` does not know.
    status: Option<StatusCode>,
    /// The entity tag of the object that has not changed.
    etag: Option<String>,
}

impl ApiError {
    pub(super) fn new(code: S3ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: None, etag: None }
    }

    /// An error with a code that `s3s` does not know.
    pub(super) fn with_status(code: &str, status: StatusCode, message: impl Into<String>) -> Self {
        Self { status: Some(status), ..Self::new(S3ErrorCode::Custom(code.into()), message) }
    }

    /// The signature or its credential cannot be read.
    fn unreadable(reason: &str) -> Self {
        let message = format!("the signature cannot be read: {reason}");
        Self::new(S3ErrorCode::AuthorizationHeaderMalformed, message)
    }

    /// A parameter breaks a rule.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(S3ErrorCode::InvalidArgument, message)
    }

    /// The client asks for something that S3 has and this server does not.
    pub(super) fn not_implemented(message: &str) -> Self {
        Self::new(S3ErrorCode::NotImplemented, message)
    }

    /// A change on a condition: the condition would not be checked.
    pub(super) fn conditional() -> Self {
        Self::not_implemented(
            "changes on a condition or of a part of an object are not implemented",
        )
    }

    /// The object is the one that the client has.
    pub(super) fn not_modified(etag: &str) -> Self {
        let error = Self::new(S3ErrorCode::NotModified, "the object has not changed");
        Self { etag: Some(etag.to_owned()), ..error }
    }

    /// Converts the error to that of `s3s`, with the request's id.
    pub(super) fn for_request(self, request_id: &str) -> S3Error {
        let mut error = S3Error::with_message(self.code, self.message);
        error.set_request_id(request_id);
        if let Some(status) = self.status {
            error.set_status_code(status);
        }
        // Entity tags are hexadecimal digits.
        if let Some(Ok(etag)) = self.etag.map(|etag| format!("\"{etag}\"").parse()) {
            error.set_headers([(ETAG, etag)].into_iter().collect());
        }
        error
    }
}

impl Refusal for ApiError {
    fn render(&self, call: &Call) -> Response {
        // A code and a text can always be written.
        let written = self.clone().for_request(&request_id(call)).to_http_response();
        written.map(|written| written.map(Body::new)).unwrap_or_default()
    }
}

/// Returns a request's id as answers carry it.
pub(super) fn request_id(call: &Call) -> String {
    call.request_id.simple().to_string()
}

/// Adds the request's id to an answer.
pub(super) fn finish(call: &Call, mut response: Response) -> Response {
    answer::insert_id(&mut response, REQUEST_ID, &request_id(call));
    response
}

worded_from_catalog!(ApiError);

impl Wording for ApiError {
    fn missing(what: Noun, Missing { text, .. }: Missing) -> Self {
        use Noun::{
            Change, CloudId, Code, Function, FunctionVersion, Key, Layer, LayerVersion, Task,
            Tenant,
        };
        let code = match what {
            Noun::Bucket => S3ErrorCode::NoSuchBucket,
            Noun::Object => S3ErrorCode::NoSuchKey,
            Noun::Multipart => S3ErrorCode::NoSuchUpload,
            Layer | LayerVersion | Function | FunctionVersion | Code | Key | Tenant | CloudId
            | Change | Task => S3ErrorCode::NoSuchResource,
        };
        Self::new(code, text)
    }

    fn exists(_what: Noun, text: String) -> Self {
        Self::new(S3ErrorCode::OperationAborted, text)
    }

    fn in_use(_what: Noun, Used { text, .. }: Used) -> Self {
        Self::new(S3ErrorCode::OperationAborted, text)
    }

    fn field(field: Field, reason: String) -> Self {
        use Field::{
            Checksum, Code, ContentEncoding, Description, Environment, FetchSite, Form,
            FunctionName, Group, Handler, Host, KeyId, LayerName, Layers, License, MediaType,
            Metadata, Multipart, Multiparts, ObjectKey, Origin, PartNumber, Parts, Path, Query,
            Runtime, Runtimes, Secret, Settings, Tags, Tenant, Version, VersionName,
        };
        let code = match field {
            Field::Bucket => S3ErrorCode::InvalidBucketName,
            Field::Part => S3ErrorCode::InvalidPart,
            Field::PartOrder => S3ErrorCode::InvalidPartOrder,
            ObjectKey | MediaType | Metadata | Checksum | Multiparts | Multipart | Parts
            | PartNumber | LayerName | FunctionName | Group | VersionName | Version
            | Description | License | Runtimes | Tags | Runtime | Handler | Environment
            | Layers | Settings | Code | Form | Tenant | KeyId | Secret | Path | Query
            | ContentEncoding | FetchSite | Origin | Host => S3ErrorCode::InvalidArgument,
        };
        Self::new(code, format!("{field} {reason}"))
    }

    fn limit(what: Limit, Excess { text, .. }: Excess) -> Self {
        match what {
            Limit::CodeSize => Self::new(S3ErrorCode::EntityTooLarge, text),
            Limit::UnpackedSize | Limit::Entries | Limit::FunctionVersions => Self::invalid(text),
            // The code is ours: S3 is never full. The status stops clients from trying again.
            Limit::TenantCode | Limit::InboxSize => {
                Self::with_status("QuotaExceeded", StatusCode::FORBIDDEN, text)
            }
        }
    }

    fn request_limit(what: RequestLimit, Excess { text, .. }: Excess) -> Self {
        let code = match what {
            RequestLimit::BodySize => S3ErrorCode::EntityTooLarge,
            RequestLimit::Rate | RequestLimit::Requests | RequestLimit::Uploads => {
                S3ErrorCode::SlowDown
            }
        };
        Self::new(code, text)
    }

    fn archive(problem: ArchiveProblem) -> Self {
        let code = match problem {
            ArchiveProblem::Incomplete(_) => S3ErrorCode::IncompleteBody,
            _ => S3ErrorCode::InvalidRequest,
        };
        Self::new(code, problem.to_string())
    }

    fn other(cause: Cause, text: String) -> Self {
        let code = match cause {
            Cause::Encoding => S3ErrorCode::InvalidArgument,
            Cause::Checksum => S3ErrorCode::BadDigest,
            Cause::Stale | Cause::Unchanged => S3ErrorCode::OperationAborted,
            Cause::Forbidden => S3ErrorCode::AccessDenied,
            Cause::BucketUnavailable | Cause::Unavailable => S3ErrorCode::ServiceUnavailable,
            Cause::NoSpace => {
                let status = StatusCode::INSUFFICIENT_STORAGE;
                return Self::with_status("InsufficientStorage", status, text);
            }
            Cause::Internal => {
                return Self::new(S3ErrorCode::InternalError, "an internal error has occurred");
            }
        };
        Self::new(code, text)
    }
}

impl From<Unserved> for ApiError {
    fn from(unserved: Unserved) -> Self {
        let (code, message) = match unserved {
            Unserved::Path => (
                S3ErrorCode::InvalidURI,
                "there is no such address: S3 is below /s3, and elsewhere only for AWS4-HMAC-SHA256",
            ),
            Unserved::Method => (S3ErrorCode::MethodNotAllowed, "this method means nothing here"),
        };
        Self::new(code, message)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Denied(denied) => denied.into(),
            Problem::WrongScope(reason) => Self::unreadable(&reason),
            Problem::Expired => Self::new(S3ErrorCode::AccessDenied, "Request has expired"),
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::new(
                S3ErrorCode::AccessDenied,
                "this server asks for a signature: AWS Signature Version 4 with a key of its own",
            ),
            Denied::Malformed(reason) => Self::unreadable(reason),
            Denied::UnknownKey(id) => {
                Self::new(S3ErrorCode::InvalidAccessKeyId, format!("there is no access key '{id}'"))
            }
            Denied::BadSignature => Self::new(
                S3ErrorCode::SignatureDoesNotMatch,
                "the signature is not this request's under this key: check the secret",
            ),
            Denied::Skewed { signed, now } => Self::new(
                S3ErrorCode::RequestTimeTooSkewed,
                format!("the request was signed at {signed}, too far from the server's time {now}"),
            ),
        }
    }
}
