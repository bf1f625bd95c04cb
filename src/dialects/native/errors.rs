//! Refusals as RFC 9457 problem documents.

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use crate::dialects::answer;
use crate::dialects::auth::Denied;
use crate::dialects::call::Call;
use crate::dialects::refusal::{Refusal, Unserved};
use crate::dialects::wording::{Cause, Excess, Missing, Used, Wording, worded_from_catalog};
use crate::domain::{ArchiveProblem, Field, Limit, Noun, RequestLimit};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A refusal of this API.
#[derive(Debug)]
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

impl ApiError {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into() }
    }

    /// Reports the rule that a parameter breaks.
    pub(super) fn invalid(parameter: &str, reason: impl std::fmt::Display) -> Self {
        let detail = format!("{parameter} {reason}");
        Self::new(StatusCode::BAD_REQUEST, "invalid_value", detail)
    }
}

/// The code is the kind of error; the detail is the catalog's own sentence with the noun, field or
/// limit.
impl Wording for ApiError {
    fn missing(_what: Noun, missing: Missing) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", missing.text)
    }

    fn exists(_what: Noun, text: String) -> Self {
        Self::new(StatusCode::CONFLICT, "already_exists", text)
    }

    fn in_use(_what: Noun, used: Used) -> Self {
        Self::new(StatusCode::CONFLICT, "in_use", used.text)
    }

    fn field(field: Field, reason: String) -> Self {
        Self::invalid(field.as_str(), reason)
    }

    fn limit(_what: Limit, excess: Excess) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "limit_exceeded", excess.text)
    }

    fn request_limit(what: RequestLimit, excess: Excess) -> Self {
        let (status, code) = match what {
            RequestLimit::BodySize => (StatusCode::PAYLOAD_TOO_LARGE, "limit_exceeded"),
            RequestLimit::Rate => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            RequestLimit::Requests | RequestLimit::Uploads => {
                (StatusCode::SERVICE_UNAVAILABLE, "busy")
            }
        };
        Self::new(status, code, excess.text)
    }

    fn archive(problem: ArchiveProblem) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_archive", problem.to_string())
    }

    fn other(cause: Cause, text: String) -> Self {
        match cause {
            Cause::Encoding => {
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", text)
            }
            Cause::Checksum => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "checksum_mismatch", text)
            }
            Cause::Stale => Self::new(StatusCode::PRECONDITION_FAILED, "stale", text),
            Cause::Unchanged => Self::new(StatusCode::CONFLICT, "unchanged", text),
            Cause::Forbidden => Self::new(StatusCode::FORBIDDEN, "forbidden", text),
            Cause::BucketUnavailable => {
                Self::new(StatusCode::BAD_GATEWAY, "bucket_unavailable", text)
            }
            Cause::Unavailable => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text),
            Cause::NoSpace => Self::new(StatusCode::INSUFFICIENT_STORAGE, "no_space", text),
            Cause::Internal => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text),
        }
    }
}

worded_from_catalog!(ApiError);

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
            // A client without a key must not learn which of these it is.
            Denied::UnknownKey(_) | Denied::BadSignature | Denied::Skewed { .. } => {
                "the key is not known, is disabled, or its secret is wrong".to_owned()
            }
        };
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }
}

impl From<Unserved> for ApiError {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Path => {
                Self::new(StatusCode::NOT_FOUND, "unknown_path", "nothing is at this path")
            }
            Unserved::Method => {
                let detail = "this path has other methods";
                Self::new(StatusCode::METHOD_NOT_ALLOWED, "unknown_method", detail)
            }
        }
    }
}

impl Refusal for ApiError {
    fn render(&self, call: &Call) -> Response {
        let problem = Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id: call.request_id.to_string(),
        };
        let mut response = answer::json(self.status, &problem);
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Adds the request's id to every answer.
pub(super) fn finish(call: &Call, mut response: Response) -> Response {
    answer::insert_id(&mut response, REQUEST_ID, &call.request_id.to_string());
    response
}
