//! Refusals: HTTP 200 with an `Error` inside the `Response` (tencent.md sections 2.1 and 8).

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::dialects::answer::{self, log_internal};
use crate::dialects::signing::Denied;
use crate::dialects::{Call, Refusal};
use crate::domain::{ArchiveProblem, CatalogError, Limit, Noun};

/// A refusal, not yet tied to its request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ApiError {
    #[serde(rename = "Code")]
    code: &'static str,
    #[serde(rename = "Message")]
    message: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "Response")]
    response: Failed<'a>,
}

#[derive(Serialize)]
struct Failed<'a> {
    #[serde(rename = "Error")]
    error: &'a ApiError,
    #[serde(rename = "RequestId")]
    request_id: String,
}

impl ApiError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn missing(parameter: &str) -> Self {
        let message = format!("The request is missing a required parameter `{parameter}`.");
        Self::new("MissingParameter", message)
    }

    pub(super) fn wrong_type(parameter: &str) -> Self {
        let message = format!("The value type of parameter `{parameter}` is not valid.");
        Self::new("InvalidParameter", message)
    }

    pub(super) fn bad_value(code: &'static str, parameter: &str, value: &str) -> Self {
        let message =
            format!("The value `{value}` specified in the parameter `{parameter}` is not valid.");
        Self::new(code, message)
    }

    pub(super) fn unknown_action() -> Self {
        Self::new("InvalidAction", "The request `Action` is invalid or not found.")
    }

    pub(super) fn wrong_version(version: &str) -> Self {
        let message =
            format!("The specified api version=`{version}` does not exist in service=`scf`.");
        Self::new("NoSuchVersion", message)
    }

    pub(super) fn not_json() -> Self {
        let message = "The input parameter is not in the standard JSON format.";
        Self::new("InvalidParameterValue.Param", message)
    }

    pub(super) fn multipart() -> Self {
        Self::new("InvalidRequest", "The multipart format of the request body is incorrect.")
    }

    /// In the vendor's own words, which its clients' retries look for (tencent.md section 8).
    fn too_fast(limit: u64, actual: u64) -> Self {
        let message = format!(
            "Your current request times equals to `{actual}` in a second, which exceeds the \
             frequency limit `{limit}` for a second. Please reduce the frequency of calls."
        );
        Self::new("RequestLimitExceeded", message)
    }

    pub(super) fn no_version() -> Self {
        Self::new("ResourceNotFound.LayerVersion", "The layer version does not exist.")
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        match error {
            CatalogError::NotFound { what, .. } => match what {
                Noun::Layer => Self::new("ResourceNotFound.Layer", "The layer does not exist."),
                Noun::LayerVersion | Noun::Code | Noun::Key | Noun::Tenant | Noun::CloudId => {
                    Self::no_version()
                }
                // tencent.md section 3.1: a bucket that is not configured.
                Noun::Bucket => Self::new("UnsupportedOperation.Cos", text),
                Noun::Object | Noun::Multipart => Self::new("ResourceNotFound.CosObject", text),
                Noun::Function => {
                    Self::new("ResourceNotFound.FunctionName", "The function does not exist.")
                }
                Noun::FunctionVersion => Self::new(
                    "ResourceNotFound.FunctionVersion",
                    "The function version does not exist.",
                ),
            },
            CatalogError::AlreadyExists { .. } => {
                Self::new("ResourceInUse.FunctionName", "The function already exists.")
            }
            CatalogError::InvalidValue { field: "bucket", reason } => Self::new(
                "InvalidParameterValue.CosBucketName",
                format!("`CosBucketName` {reason}."),
            ),
            CatalogError::InvalidValue { field: "object", reason } => Self::new(
                "InvalidParameterValue.CosObjectName",
                format!("`CosObjectName` {reason}."),
            ),
            CatalogError::InvalidValue { .. } => Self::new("InvalidParameterValue", text),
            CatalogError::LimitExceeded { what, limit, actual } => match what {
                Limit::BodySize | Limit::CodeSize => Self::new(
                    "RequestSizeLimitExceeded",
                    format!("The request size exceeds the upper limit. ({text})"),
                ),
                Limit::UnpackedSize | Limit::Entries => {
                    Self::new("InvalidParameterValue.ZipFile", text)
                }
                Limit::FunctionVersions => Self::new("LimitExceeded.FunctionVersions", text),
                Limit::TenantCode | Limit::InboxSize => Self::new("LimitExceeded", text),
                Limit::RequestRate => Self::too_fast(limit, actual),
                Limit::Requests | Limit::Uploads => Self::new("RequestLimitExceeded", text),
            },
            CatalogError::BadArchive(ArchiveProblem::NotBase64) => {
                let message = format!("`ZipFile` is not valid: {text}");
                Self::new("InvalidParameterValue.ZipFileBase64BinasciiError", message)
            }
            CatalogError::BadArchive(ArchiveProblem::Missing) => {
                Self::new("InvalidParameterValue.Content", text)
            }
            CatalogError::BadArchive(_) | CatalogError::ChecksumMismatch { .. } => {
                Self::new("InvalidParameterValue.ZipFile", text)
            }
            CatalogError::Stale { .. } | CatalogError::Unchanged { .. } => {
                Self::new("FailedOperation.OperationConflict", text)
            }
            CatalogError::InUse { .. } => Self::new("ResourceInUse.LayerVersion", text),
            CatalogError::BucketUnavailable { .. } => Self::new("InternalError", text),
            CatalogError::Forbidden { .. } => Self::new(
                "UnauthorizedOperation.CAM",
                format!("CAM authentication failed. ({text})"),
            ),
            CatalogError::Internal { source } => {
                log_internal(source.as_ref());
                Self::new("InternalError", "An internal error has occurred.")
            }
        }
    }
}

/// Section 8, "Gateway errors". A disabled key is told as one that is not there.
impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::missing("Authorization"),
            Denied::Malformed(reason) => Self::new(
                "AuthFailure.InvalidAuthorization",
                format!(
                    "The request `Authorization` header does not conform to tencentcloud \
                     standards: {reason}."
                ),
            ),
            Denied::UnknownKey(_) => Self::new(
                "AuthFailure.SecretIdNotFound",
                "The SecretId is not found, please ensure that your SecretId is correct.",
            ),
            Denied::BadSignature => Self::new(
                "AuthFailure.SignatureFailure",
                "The provided credentials could not be validated. Please check your signature \
                 is correct.",
            ),
            Denied::Skewed { now, .. } => Self::new(
                "AuthFailure.SignatureExpire",
                format!(
                    "Signature expired. Please use local time and enable NTP service for time \
                     synchronization to avoid a deviation between `Timestamp` and the server \
                     time {}.",
                    now.as_second()
                ),
            ),
        }
    }
}

/// Stays in the answer's extensions until [`complete`] knows the request.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// Words what no operation was asked about.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let error = match refusal {
        Refusal::UnknownPath => ApiError::unknown_action(),
        Refusal::UnknownMethod => ApiError::new(
            "UnsupportedProtocol",
            "HTTP(S) request protocol error; only GET and POST requests are supported.",
        ),
        Refusal::Catalog(error) => error.into(),
    };
    error.into_response()
}

/// Writes the error with the request's id; a success carries its id already.
pub(super) fn complete(call: &Call, mut response: Response) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let request_id = call.request_id.to_string();
        let body = Envelope { response: Failed { error: &error, request_id } };
        response = answer::json(StatusCode::OK, &body);
    }
    response
}
