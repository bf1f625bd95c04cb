//! Refusals, as XML with the codes of S3 (Amazon S3 API reference, "Error responses").

use axum::body::Body;
use axum::http::header::ETAG;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use s3s::{S3Error, S3ErrorCode};

use crate::dialects::answer::{self, log_internal};
use crate::dialects::signing::Denied;
use crate::dialects::{Call, Refusal};
use crate::domain::{ArchiveProblem, BucketName, CatalogError, Limit, Noun};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// A refusal, not yet tied to its request.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    code: S3ErrorCode,
    message: String,
    /// Where the code does not say it.
    status: Option<StatusCode>,
    /// The tag of the object that has not changed.
    etag: Option<String>,
}

impl ApiError {
    fn new(code: S3ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: None, etag: None }
    }

    /// A parameter breaks a rule.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(S3ErrorCode::InvalidArgument, message)
    }

    /// The body is not the one whose digest was signed.
    pub(super) fn other_body() -> Self {
        let message = "the body's SHA-256 is not the one in x-amz-content-sha256";
        Self::new(S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()), message)
            .with_status(StatusCode::BAD_REQUEST)
    }

    /// A header that must be signed is not.
    pub(super) fn not_signed(name: &str) -> Self {
        let message = format!("the header {name} was sent and is not among the signed headers");
        Self::new(S3ErrorCode::AccessDenied, message)
    }

    /// A presigned address is no longer good.
    pub(super) fn expired() -> Self {
        Self::new(S3ErrorCode::AccessDenied, "Request has expired")
    }

    /// The part of a file that is asked for is not in it.
    pub(super) fn out_of_range() -> Self {
        Self::new(S3ErrorCode::InvalidRange, "the requested range is not satisfiable")
    }

    /// Who deletes a bucket that is in use has made a mistake.
    pub(super) fn not_empty(bucket: &BucketName) -> Self {
        let message = format!("the bucket {bucket} has objects");
        Self::new(S3ErrorCode::BucketNotEmpty, message)
    }

    /// A change on a condition, which would be made whether or not the condition holds.
    pub(super) fn conditional() -> Self {
        let message = "changes on a condition or of a part of an object are not implemented";
        Self::new(S3ErrorCode::NotImplemented, message)
    }

    /// A version of an object, where there is only the one.
    pub(super) fn no_versions() -> Self {
        let message = "objects have no versions here: leave versionId out";
        Self::new(S3ErrorCode::NotImplemented, message)
    }

    /// A part of an object that is kept as one.
    pub(super) fn no_parts() -> Self {
        let message = "parts of an object cannot be asked for: use Range";
        Self::new(S3ErrorCode::NotImplemented, message)
    }

    /// A listing of uploads that is to take some together.
    pub(super) fn no_delimiter() -> Self {
        let message = "a delimiter is not implemented for unfinished uploads";
        Self::new(S3ErrorCode::NotImplemented, message)
    }

    /// The object is not the one that is wanted.
    pub(super) fn precondition_failed() -> Self {
        let message = "the object does not fit If-Match or If-Unmodified-Since";
        Self::new(S3ErrorCode::PreconditionFailed, message)
    }

    /// The object is the one that the client has.
    pub(super) fn not_modified(etag: &str) -> Self {
        let error =
            Self::new(S3ErrorCode::Custom("NotModified".into()), "the object has not changed")
                .with_status(StatusCode::NOT_MODIFIED);
        Self { etag: Some(etag.to_owned()), ..error }
    }

    fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// The same in the terms of the crate that writes it down.
    pub(super) fn for_request(self, request_id: &str) -> S3Error {
        let mut error = S3Error::with_message(self.code, self.message);
        error.set_request_id(request_id);
        if let Some(status) = self.status {
            error.set_status_code(status);
        }
        // Tags are hexadecimal digits.
        if let Some(Ok(etag)) = self.etag.map(|etag| format!("\"{etag}\"").parse()) {
            error.set_headers([(ETAG, etag)].into_iter().collect());
        }
        error
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        use S3ErrorCode as Code;
        let text = error.to_string();
        match error {
            CatalogError::NotFound { what, .. } => match what {
                Noun::Bucket => Self::new(Code::NoSuchBucket, text),
                Noun::Multipart => Self::new(Code::NoSuchUpload, text),
                Noun::Object
                | Noun::Layer
                | Noun::LayerVersion
                | Noun::Function
                | Noun::FunctionVersion
                | Noun::Code
                | Noun::Key
                | Noun::Tenant
                | Noun::CloudId => Self::new(Code::NoSuchKey, text),
            },
            CatalogError::InvalidValue { field: "bucket", .. } => {
                Self::new(Code::InvalidBucketName, text)
            }
            CatalogError::InvalidValue { field: "part", .. } => Self::new(Code::InvalidPart, text),
            CatalogError::InvalidValue { field: "part order", .. } => {
                Self::new(Code::InvalidPartOrder, text)
            }
            CatalogError::InvalidValue { .. } => Self::invalid(text),
            CatalogError::LimitExceeded { what, .. } => match what {
                Limit::BodySize | Limit::CodeSize => Self::new(Code::EntityTooLarge, text),
                Limit::UnpackedSize | Limit::Entries | Limit::FunctionVersions => {
                    Self::invalid(text)
                }
                // S3 has no end; nobody is to try again before something is deleted.
                Limit::TenantCode | Limit::InboxSize => {
                    Self::new(Code::Custom("QuotaExceeded".into()), text)
                        .with_status(StatusCode::FORBIDDEN)
                }
                Limit::RequestRate | Limit::Requests | Limit::Uploads => {
                    Self::new(Code::SlowDown, text)
                }
            },
            CatalogError::BadArchive(ArchiveProblem::Incomplete(_)) => {
                Self::new(Code::IncompleteBody, text)
            }
            CatalogError::BadArchive(_) => Self::new(Code::InvalidRequest, text),
            CatalogError::ChecksumMismatch { .. } => Self::new(Code::BadDigest, text),
            CatalogError::AlreadyExists { .. }
            | CatalogError::Stale { .. }
            | CatalogError::Unchanged { .. }
            | CatalogError::InUse { .. } => Self::new(Code::OperationAborted, text),
            CatalogError::BucketUnavailable { .. } => Self::new(Code::ServiceUnavailable, text),
            CatalogError::Forbidden { .. } => Self::new(Code::AccessDenied, text),
            CatalogError::Internal { source } => {
                log_internal(source.as_ref());
                Self::new(Code::InternalError, "an internal error has occurred")
            }
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        use S3ErrorCode as Code;
        match denied {
            Denied::Missing => Self::new(
                Code::AccessDenied,
                "this server asks for a signature: AWS Signature Version 4 with a key of its own",
            ),
            Denied::Malformed(reason) => Self::new(
                Code::AuthorizationHeaderMalformed,
                format!("the signature cannot be read: {reason}"),
            ),
            Denied::UnknownKey(id) => {
                Self::new(Code::InvalidAccessKeyId, format!("there is no access key '{id}'"))
            }
            Denied::BadSignature => Self::new(
                Code::SignatureDoesNotMatch,
                "the signature is not this request's under this key: check the secret",
            ),
            Denied::Skewed { signed, now } => Self::new(
                Code::RequestTimeTooSkewed,
                format!("the request was signed at {signed}, too far from the server's time {now}"),
            ),
        }
    }
}

/// Stays in the answer's extensions until [`complete`] knows the request.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = answer::empty(StatusCode::BAD_REQUEST);
        response.extensions_mut().insert(self);
        response
    }
}

/// Words what no operation was asked about.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let error = match refusal {
        Refusal::UnknownPath => ApiError::new(S3ErrorCode::InvalidURI, "there is no such address"),
        Refusal::UnknownMethod => {
            ApiError::new(S3ErrorCode::MethodNotAllowed, "this method means nothing here")
        }
        Refusal::Catalog(error) => error.into(),
    };
    error.into_response()
}

/// Writes the error down, and the request's id.
pub(super) fn complete(call: &Call, mut response: Response) -> Response {
    let id = call.request_id.simple().to_string();
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        // A code and a text can always be written.
        let written = error.for_request(&id).to_http_response();
        response = written.map(|written| written.map(Body::new)).unwrap_or_default();
    }
    answer::insert_id(&mut response, REQUEST_ID, &id);
    response
}
