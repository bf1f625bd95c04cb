//! Refusals, each generation in its own envelope (alibaba.md section 8); the object store's are in
//! `store`.

mod store;

use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::wire::{Generation, objects};
use crate::dialects::answer::{self, log_internal};
use crate::dialects::signing::Denied;
use crate::dialects::{Call, Refusal};
use crate::domain::{CatalogError, Limit, Noun};
use crate::ingest::json::JsonError;
pub(super) use store::StoreError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-fc-request-id");

/// A refusal, not yet tied to its request.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// The clients of 2016 read exactly these keys, whatever the documents print.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FirstEnvelope<'a> {
    error_code: &'static str,
    error_message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecondEnvelope<'a> {
    request_id: &'a str,
    code: &'static str,
    message: &'a str,
    error_code: &'static str,
    error_message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ThirdEnvelope<'a> {
    request_id: &'a str,
    code: &'static str,
    message: &'a str,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
    }

    /// A header that the request's signature needs is not there.
    pub(super) fn missing_header(name: &str) -> Self {
        let message = format!("required HTTP header {name} was not specified");
        Self::new(StatusCode::BAD_REQUEST, "MissingRequiredHeader", message)
    }

    fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    fn render(&self, generation: Generation, request_id: &str) -> Response {
        let Self { status, code, message } = self;
        match generation {
            Generation::First => {
                let body = FirstEnvelope { error_code: code, error_message: message };
                answer::json(*status, &body)
            }
            Generation::Second => {
                let (error_code, error_message) = (*code, message.as_str());
                let body = SecondEnvelope { request_id, code, message, error_code, error_message };
                answer::json(*status, &body)
            }
            Generation::Third => {
                answer::json(*status, &ThirdEnvelope { request_id, code, message })
            }
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        match error {
            CatalogError::NotFound { what, name, of } => match (what, of) {
                (Noun::Layer, _) => {
                    Self::not_found("LayerNotFound", format!("layer '{name}' does not exist"))
                }
                (Noun::LayerVersion, Some(layer)) => Self::not_found(
                    "LayerVersionNotFound",
                    format!("layer version '{name}' of layer '{layer}' does not exist"),
                ),
                (Noun::LayerVersion | Noun::Code | Noun::Key | Noun::Tenant | Noun::CloudId, _) => {
                    Self::not_found("LayerVersionNotFound", text)
                }
                // The references name no code of their own (alibaba.md section 8).
                (Noun::Bucket | Noun::Object | Noun::Multipart, _) => Self::invalid(text),
                (Noun::Function, _) => Self::not_found("FunctionNotFound", text),
                (Noun::FunctionVersion, _) => Self::not_found("VersionNotFound", text),
            },
            CatalogError::AlreadyExists { .. } => {
                Self::new(StatusCode::CONFLICT, "FunctionAlreadyExists", text)
            }
            CatalogError::InvalidValue { .. } => Self::invalid(text),
            CatalogError::LimitExceeded { what, limit, .. } => match what {
                Limit::BodySize | Limit::CodeSize => Self::new(
                    StatusCode::BAD_REQUEST,
                    "EntityTooLarge",
                    format!("payload size exceeds maximum allowed size ({limit} bytes)"),
                ),
                Limit::UnpackedSize
                | Limit::Entries
                | Limit::FunctionVersions
                | Limit::TenantCode
                | Limit::InboxSize => Self::invalid(text),
                Limit::RequestRate => {
                    Self::new(StatusCode::TOO_MANY_REQUESTS, "ResourceThrottled", text)
                }
                Limit::Requests | Limit::Uploads => {
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "ResourceThrottled", text)
                }
            },
            CatalogError::BadArchive(_) | CatalogError::ChecksumMismatch { .. } => {
                Self::invalid(format!("code: {text}"))
            }
            CatalogError::Stale { .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "PreconditionFailed",
                "the resource being modified has been changed",
            ),
            CatalogError::Unchanged { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "VersionPublishError", text)
            }
            CatalogError::InUse { .. } => Self::invalid(text),
            CatalogError::BucketUnavailable { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text)
            }
            CatalogError::Forbidden { .. } => {
                Self::new(StatusCode::FORBIDDEN, "AccessDenied", text)
            }
            CatalogError::Internal { source } => {
                log_internal(source.as_ref());
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "InternalServerError",
                    "an internal error has occurred. Please retry.",
                )
            }
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let (code, message) = match denied {
            Denied::Missing => return Self::missing_header("Authorization"),
            Denied::Malformed(reason) => {
                return Self::invalid(format!("the Authorization header cannot be read: {reason}"));
            }
            Denied::UnknownKey(id) => {
                ("InvalidAccessKeyID", format!("invalid access key ID '{id}'"))
            }
            Denied::BadSignature => (
                "SignatureNotMatch",
                "The request signature we calculated does not match the signature you provided. \
                 Check your access key and signing method"
                    .to_owned(),
            ),
            Denied::Skewed { signed, now } => (
                "AccessDenied",
                format!("the request was signed at {signed}, too far from the server's time {now}"),
            ),
        };
        Self::new(StatusCode::FORBIDDEN, code, message)
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed(reason) => {
                Self::invalid(format!("the request body is not valid JSON: {reason}"))
            }
            JsonError::Catalog(error) => error.into(),
        }
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

/// Words what no operation was asked about.
pub(super) fn refuse(call: &Call, refusal: Refusal) -> Response {
    if objects::is_stores(call.path()) {
        return store::refuse(refusal);
    }
    let error = match refusal {
        Refusal::UnknownPath | Refusal::UnknownMethod => ApiError::new(
            StatusCode::BAD_REQUEST,
            "PathNotSupported",
            format!("'{}' against '{}' is not supported", call.method, call.path()),
        ),
        Refusal::Catalog(error) => error.into(),
    };
    error.into_response()
}

/// Writes the error in the shape of the request's generation, and the request's id.
pub(super) fn complete(call: &Call, mut response: Response) -> Response {
    if objects::is_stores(call.path()) {
        return store::complete(call, response);
    }
    let generation = Generation::of(call.path());
    let request_id = request_id(generation, call);
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = error.render(generation, &request_id);
    }
    answer::insert_id(&mut response, REQUEST_ID, &request_id);
    response
}

/// The first generation has UUIDs, the others the time and 24 digits (alibaba.md section 5).
fn request_id(generation: Generation, call: &Call) -> String {
    match generation {
        Generation::First => call.request_id.to_string(),
        Generation::Second | Generation::Third => {
            let hex = call.request_id.simple().to_string();
            format!("1-{:08x}-{}", call.received.as_second(), &hex[8..])
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, Uri};
    use uuid::Uuid;

    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn request_ids_have_the_form_of_their_generation() {
        let call = Call {
            request_id: Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
            received: Timestamp::from_second(0x6955_b900).unwrap(),
            method: Method::GET,
            uri: Uri::from_static("/layers"),
            client_id: None,
        };
        let first = request_id(Generation::First, &call);
        assert_eq!(first, "01234567-89ab-4def-8123-456789abcdef");
        let third = request_id(Generation::Third, &call);
        assert_eq!(third, "1-6955b900-89ab4def8123456789abcdef");
    }
}
