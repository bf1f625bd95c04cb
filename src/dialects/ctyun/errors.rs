//! Refusals: the service's own under HTTP 200, the gateway's under a real status (ctyun.md
//! section 8).

use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::dialects::answer::{self, log_internal};
use crate::dialects::signing::Denied;
use crate::dialects::{Call, Refusal};
use crate::domain::{ArchiveProblem, CatalogError, Limit, Noun};

/// The Python core copies it into an answer's `traceId`.
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// The gateway's number for an access key that it cannot find out or does not know.
const INVALID_KEY: u16 = 10002;

/// The gateway's number for a signature that is not the request's.
const BAD_SIGNATURE: u16 = 10009;

/// A refusal, not yet tied to its request.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    by: Refuser,
    status: StatusCode,
    /// Told inside the body; the status, where there is no number of the vendor's.
    code: u16,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refuser {
    /// Function compute: the status is only told inside the body.
    Service,
    /// What stands in front of it.
    Gateway,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceRefusal<'a> {
    status_code: u16,
    error: String,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GatewayRefusal<'a> {
    request_id: String,
    error: &'a str,
    code: &'a str,
    message: String,
    eop_err_code: &'a str,
    status_code: String,
    return_obj: Nothing,
}

#[derive(Serialize)]
struct Nothing {}

impl ApiError {
    fn service(status: StatusCode, message: impl Into<String>) -> Self {
        Self { by: Refuser::Service, status, code: status.as_u16(), message: message.into() }
    }

    fn gateway(status: StatusCode, message: impl Into<String>) -> Self {
        Self { by: Refuser::Gateway, status, code: status.as_u16(), message: message.into() }
    }

    fn invalid_key(message: impl Into<String>) -> Self {
        Self { code: INVALID_KEY, ..Self::gateway(StatusCode::UNAUTHORIZED, message) }
    }

    fn bad_signature(message: impl Into<String>) -> Self {
        Self { code: BAD_SIGNATURE, ..Self::gateway(StatusCode::FORBIDDEN, message) }
    }

    /// Says which rule a parameter breaks.
    pub(super) fn invalid(parameter: &str, reason: impl std::fmt::Display) -> Self {
        let message = format!("invalid parameter {parameter}: {reason}");
        Self::service(StatusCode::BAD_REQUEST, message)
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        match error {
            CatalogError::NotFound { what: Noun::LayerVersion, name, of: Some(layer) } => {
                let message = format!("layer '{layer}' version {name} does not exist");
                Self::service(StatusCode::NOT_FOUND, message)
            }
            CatalogError::NotFound { .. } => Self::service(StatusCode::NOT_FOUND, text),
            CatalogError::AlreadyExists { .. }
            | CatalogError::Stale { .. }
            | CatalogError::Unchanged { .. }
            | CatalogError::InUse { .. } => Self::service(StatusCode::CONFLICT, text),
            CatalogError::InvalidValue { field, reason } => {
                let parameter = match field {
                    "bucket" => "code.ossBucketName",
                    "object" => "code.ossObjectName",
                    other => other,
                };
                Self::invalid(parameter, reason)
            }
            CatalogError::LimitExceeded { what, limit, actual } => {
                let large = StatusCode::PAYLOAD_TOO_LARGE;
                match what {
                    Limit::BodySize => Self::gateway(
                        large,
                        format!("request body size {actual} exceeds limit {limit}"),
                    ),
                    Limit::CodeSize => {
                        Self::service(large, format!("code size {actual} exceeds limit {limit}"))
                    }
                    Limit::UnpackedSize => Self::service(
                        large,
                        format!("unpacked code size {actual} exceeds limit {limit}"),
                    ),
                    Limit::Entries => Self::service(
                        large,
                        format!("number of code entries {actual} exceeds limit {limit}"),
                    ),
                    Limit::FunctionVersions => Self::service(
                        StatusCode::CONFLICT,
                        format!("number of function versions {actual} exceeds limit {limit}"),
                    ),
                    Limit::TenantCode | Limit::InboxSize => Self::service(large, text),
                    Limit::RequestRate | Limit::Requests | Limit::Uploads => {
                        Self::gateway(StatusCode::TOO_MANY_REQUESTS, text)
                    }
                }
            }
            CatalogError::BadArchive(ArchiveProblem::Missing) => {
                Self::invalid("code", "one of zipFile and ossObjectName is required")
            }
            CatalogError::BadArchive(problem) => Self::invalid("code.zipFile", problem),
            CatalogError::ChecksumMismatch { .. } => Self::invalid("code", text),
            CatalogError::BucketUnavailable { .. } => {
                Self::service(StatusCode::SERVICE_UNAVAILABLE, text)
            }
            CatalogError::Forbidden { .. } => Self::gateway(StatusCode::FORBIDDEN, text),
            CatalogError::Internal { source } => {
                log_internal(source.as_ref());
                Self::service(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::invalid_key("invalid AK/SK: Eop-Authorization is missing"),
            Denied::Malformed(reason) => Self::invalid_key(format!(
                "invalid AK/SK: Eop-Authorization is not valid: {reason}"
            )),
            Denied::UnknownKey(_) => Self::invalid_key("invalid AK/SK"),
            Denied::BadSignature => Self::bad_signature("signature verification failed"),
            Denied::Skewed { now, .. } => Self::bad_signature(format!(
                "signature verification failed: eop-date is too far from {}",
                now.strftime("%Y%m%dT%H%M%SZ (UTC)")
            )),
        }
    }
}

/// Stays in the answer's extensions until [`complete`] knows the request. Until then it has its
/// real status, so that it is not taken for a page that can be given again.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = answer::empty(self.status);
        response.extensions_mut().insert(self);
        response
    }
}

/// Words what no operation was asked about.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let error = match refusal {
        Refusal::UnknownPath => {
            ApiError::gateway(StatusCode::NOT_FOUND, "no operation has this path")
        }
        Refusal::UnknownMethod => {
            ApiError::gateway(StatusCode::NOT_FOUND, "no operation has this path with this method")
        }
        Refusal::Catalog(error) => error.into(),
    };
    error.into_response()
}

/// Writes a refusal in the shape of who refuses, and the request's id beside every answer.
pub(super) fn complete(call: &Call, mut response: Response) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = match error.by {
            Refuser::Service => by_service(&error),
            Refuser::Gateway => by_gateway(call, &error),
        };
    }
    answer::insert_id(&mut response, TRACE_ID, &call.request_id.to_string());
    response
}

fn by_service(error: &ApiError) -> Response {
    let status_code = error.code;
    let refusal =
        ServiceRefusal { status_code, error: format!("CF_{status_code}"), message: &error.message };
    answer::json(StatusCode::OK, &refusal)
}

fn by_gateway(call: &Call, error: &ApiError) -> Response {
    let sent = call.client_id.as_ref().and_then(|id| id.to_str().ok());
    let sent = sent.filter(|id| !id.is_empty()).map(str::to_owned);
    let code = error.code.to_string();
    let refusal = GatewayRefusal {
        request_id: sent.unwrap_or_else(|| call.request_id.to_string()),
        error: &code,
        code: &code,
        message: format!("ctyun-EOP: {}", error.message),
        eop_err_code: &code,
        status_code: format!("CTAPI_{code}"),
        return_obj: Nothing {},
    };
    answer::json(error.status, &refusal)
}
