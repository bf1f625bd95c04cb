//! Refusals as RFC 9457 problem documents.

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::dialects::answer::{self, log_internal};
use crate::dialects::signing::Denied;
use crate::dialects::{Call, Refusal};
use crate::domain::{CatalogError, Limit};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A refusal, not yet tied to its request.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: String,
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let detail = error.to_string();
        let (status, code) = match error {
            CatalogError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
            CatalogError::AlreadyExists { .. } => (StatusCode::CONFLICT, "already_exists"),
            CatalogError::InvalidValue { .. } => (StatusCode::BAD_REQUEST, "invalid_value"),
            CatalogError::LimitExceeded { what, .. } => match what {
                Limit::RequestRate => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
                Limit::Requests | Limit::Uploads => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
                Limit::BodySize
                | Limit::CodeSize
                | Limit::UnpackedSize
                | Limit::Entries
                | Limit::FunctionVersions
                | Limit::TenantCode
                | Limit::InboxSize => (StatusCode::PAYLOAD_TOO_LARGE, "limit_exceeded"),
            },
            CatalogError::BadArchive(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad_archive"),
            CatalogError::ChecksumMismatch { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "checksum_mismatch")
            }
            CatalogError::Stale { .. } => (StatusCode::PRECONDITION_FAILED, "stale"),
            CatalogError::Unchanged { .. } => (StatusCode::CONFLICT, "unchanged"),
            CatalogError::InUse { .. } => (StatusCode::CONFLICT, "in_use"),
            CatalogError::BucketUnavailable { .. } => {
                (StatusCode::BAD_GATEWAY, "bucket_unavailable")
            }
            CatalogError::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            CatalogError::Internal { source } => {
                log_internal(source.as_ref());
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        Self { status, code, detail }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let detail = match denied {
            Denied::Missing => {
                "this server asks for a key: send Authorization: Bearer <key id>.<secret>"
                    .to_owned()
            }
            Denied::Malformed(reason) => format!(
                "the Authorization header cannot be read: {reason}; it must be \
                 Bearer <key id>.<secret>"
            ),
            // Which of the two is wrong is nobody's business who has neither.
            Denied::UnknownKey(_) | Denied::BadSignature | Denied::Skewed { .. } => {
                "the key is not known, is disabled, or its secret is wrong".to_owned()
            }
        };
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", detail }
    }
}

/// Stays in the answer's extensions until [`complete`] knows the request.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = answer::empty(self.status);
        response.extensions_mut().insert(self);
        response
    }
}

/// Words what no handler was asked about.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let error = match refusal {
        Refusal::UnknownPath => ApiError {
            status: StatusCode::NOT_FOUND,
            code: "unknown_path",
            detail: "nothing is at this path".to_owned(),
        },
        Refusal::UnknownMethod => ApiError {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: "unknown_method",
            detail: "this path has other methods".to_owned(),
        },
        Refusal::Catalog(error) => error.into(),
    };
    error.into_response()
}

/// Writes the problem document and the request's id.
pub(super) fn complete(call: &Call, mut response: Response) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let problem = Problem {
            r#type: "about:blank",
            title: error.status.canonical_reason().unwrap_or_default(),
            status: error.status.as_u16(),
            detail: &error.detail,
            code: error.code,
            request_id: call.request_id.to_string(),
        };
        response = answer::json(error.status, &problem);
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        if error.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
    }
    answer::insert_id(&mut response, REQUEST_ID, &call.request_id.to_string());
    response
}
