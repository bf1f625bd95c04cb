//! Refusals: `{"code", "message"}`, with a status that depends on the route (openyuanrong.md
//! section 8), and the gateway's `{"error"}` of who is not let in (section 9).

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::wire::encoding;
use crate::dialects::answer::{self, log_internal};
use crate::dialects::signing::Denied;
use crate::dialects::{Call, Refusal};
use crate::domain::{ArchiveProblem, CatalogError, Limit, Noun};

/// Bad parameter; its texts end with the same sentence.
const INVALID: u32 = 4104;
const NO_FUNCTION: u32 = 4115;
/// Our own faults; the vendor gives them whatever his parts say.
const INTERNAL: u32 = 121_000;

/// A refusal. Its status is 500 unless the route says otherwise.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    body: Body,
    status: StatusCode,
}

/// The two forms of a refusal.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Body {
    /// The service's.
    Service { code: u32, message: String },
    /// The gateway's, whose status no route changes.
    Gateway { error: String },
}

impl ApiError {
    pub(super) fn new(code: u32, message: impl Into<String>) -> Self {
        let body = Body::Service { code, message: message.into() };
        Self { body, status: StatusCode::INTERNAL_SERVER_ERROR }
    }

    /// What the gateway turns away.
    fn gateway(status: StatusCode, what: &str, why: impl std::fmt::Display) -> Self {
        Self { body: Body::Gateway { error: format!("{what}: {why}") }, status }
    }

    /// A parameter that breaks a rule.
    pub(super) fn invalid(detail: impl std::fmt::Display) -> Self {
        Self::new(INVALID, format!("{detail}. check input parameters"))
    }

    pub(super) fn bad_name() -> Self {
        Self::invalid(
            "format is 0@{serviceName}@{funcName} or 0-{serviceName}-{funcName}; serviceName can \
             only contains letters、digits and cannot exceed 16 characters; funcName can only \
             contains lowercase letters、digits、- and cannot exceed 127 characters or end with -",
        )
    }

    pub(super) fn bad_version_number() -> Self {
        Self::invalid(
            "versionNumber can only contain digits, letters, dots(.), hyphens(-), and \
             underscores(_), and must start and end with a digit or letter, with less than 42 \
             characters",
        )
    }

    /// A URN that is of another tenant, or contradicts the query.
    pub(super) fn foreign_urn(urn: &str) -> Self {
        Self::new(121_046, format!("invalid URN: {urn}"))
    }

    pub(super) fn no_function(name: &str) -> Self {
        Self::new(NO_FUNCTION, format!("function [{name}] is not found. check input parameters"))
    }

    /// The publication's own words for a missing head.
    pub(super) fn no_head() -> Self {
        Self::new(NO_FUNCTION, "failed to get function version")
    }

    /// The store's words, which the vendor lets through in some places.
    pub(super) fn no_key() -> Self {
        Self::new(122_001, "KV not exist in etcd")
    }

    pub(super) fn no_layer_version(layer: &str, number: u64) -> Self {
        Self::new(4113, format!("this version [{number}] of layer [{layer}] does not exist"))
    }

    pub(super) fn stale() -> Self {
        Self::new(4134, "revisionID is not the same")
    }

    pub(super) fn duplicate() -> Self {
        Self::new(4114, "duplicate version number")
    }

    pub(super) fn too_many_versions(existing: u64) -> Self {
        let message = format!(
            "the number of existing function versions is greater than the set value: {existing}"
        );
        Self::new(4110, message)
    }

    pub(super) fn zip_too_large(size: u64, limit: u64) -> Self {
        Self::new(4130, format!("zip file size [{size}] is larger than {limit}"))
    }

    /// Takes a refusal of the catalog, with other words for something that is not there.
    pub(super) fn unless_missing(missing: Self) -> impl FnOnce(CatalogError) -> Self {
        |error| match error {
            CatalogError::NotFound { .. } => missing,
            other => other.into(),
        }
    }

    /// Where the route answers a bad request with 400.
    pub(super) fn bad_request(mut self) -> Self {
        if matches!(self.body, Body::Service { .. }) {
            self.status = StatusCode::BAD_REQUEST;
        }
        self
    }

    /// Where the route answers a missing function with 404.
    pub(super) fn or_404(mut self) -> Self {
        if matches!(self.body, Body::Service { code: NO_FUNCTION, .. }) {
            self.status = StatusCode::NOT_FOUND;
        }
        self
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        match error {
            CatalogError::NotFound { what, name, of } => match what {
                Noun::Function => Self::no_function(&name),
                Noun::FunctionVersion => Self::no_function(&of.unwrap_or(name)),
                Noun::Layer | Noun::LayerVersion => {
                    Self::new(4113, "this layer version does not exist")
                }
                Noun::Code | Noun::Key | Noun::Tenant | Noun::CloudId => Self::no_key(),
                Noun::Bucket | Noun::Object | Noun::Multipart => Self::invalid(text),
            },
            CatalogError::AlreadyExists { what, .. } => match what {
                Noun::FunctionVersion => Self::duplicate(),
                Noun::Function
                | Noun::Layer
                | Noun::LayerVersion
                | Noun::Code
                | Noun::Key
                | Noun::Tenant
                | Noun::CloudId
                | Noun::Bucket
                | Noun::Object
                | Noun::Multipart => {
                    Self::new(4101, "the function name already exists. rename your function")
                }
            },
            CatalogError::InvalidValue { .. } => Self::invalid(text),
            CatalogError::LimitExceeded { what, limit, actual } => match what {
                Limit::BodySize => Self::invalid(text),
                Limit::CodeSize => Self::zip_too_large(actual, limit),
                Limit::UnpackedSize => {
                    Self::new(4129, format!("zip file unzip size is larger than {limit}"))
                }
                Limit::Entries => {
                    Self::new(4127, format!("zip file count [{actual}] is larger than {limit}"))
                }
                Limit::FunctionVersions => Self::too_many_versions(actual),
                Limit::TenantCode | Limit::InboxSize => Self::invalid(text),
                Limit::RequestRate => {
                    Self::gateway(StatusCode::TOO_MANY_REQUESTS, "Too many requests", text)
                }
                Limit::Requests | Limit::Uploads => {
                    Self::gateway(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable", text)
                }
            },
            CatalogError::BadArchive(problem) => problem.into(),
            CatalogError::ChecksumMismatch { .. } | CatalogError::Unchanged { .. } => {
                Self::invalid(text)
            }
            CatalogError::Stale { .. } => Self::stale(),
            CatalogError::InUse { name, .. } => {
                let number = name.rsplit(':').next().unwrap_or_default();
                let message = format!(
                    "layer version {number} has been bound to the function. please unbind it \
                     before performing the operation"
                );
                Self::new(4112, message)
            }
            CatalogError::BucketUnavailable { .. } => {
                Self::gateway(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable", text)
            }
            CatalogError::Forbidden { .. } => {
                Self::gateway(StatusCode::FORBIDDEN, "Permission denied", text)
            }
            CatalogError::Internal { source } => {
                log_internal(source.as_ref());
                Self::new(INTERNAL, "internal system error")
            }
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let why = match denied {
            Denied::Missing => {
                "no token in X-Auth, in the parameter token or in the cookie iam_token".to_owned()
            }
            Denied::Malformed(reason) => format!("the token is not accepted: {reason}"),
            // Which of them it is is nobody's business who has no key.
            Denied::UnknownKey(_) | Denied::BadSignature | Denied::Skewed { .. } => {
                "the token is of no tenant with a key here, or its signature is wrong".to_owned()
            }
        };
        Self::gateway(StatusCode::UNAUTHORIZED, "Authentication failed", why)
    }
}

impl From<ArchiveProblem> for ApiError {
    fn from(problem: ArchiveProblem) -> Self {
        match problem {
            ArchiveProblem::Missing => Self::invalid("multipartForm is empty"),
            ArchiveProblem::Incomplete(_) => Self::new(121_016, "failed to write temp file"),
            ArchiveProblem::NotZip(_) | ArchiveProblem::NotBase64 => {
                Self::new(121_029, "zip: not a valid zip file")
            }
            ArchiveProblem::UnsafePath { path, .. }
            | ArchiveProblem::DuplicatePath(path)
            | ArchiveProblem::Encrypted(path) => {
                Self::new(4128, format!("zip file path [{path}] is invalid"))
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        encoding::json(self.status, &self.body)
    }
}

/// Words what no handler was asked about.
pub(super) fn refuse(call: &Call, refusal: Refusal) -> Response {
    match refusal {
        Refusal::UnknownPath | Refusal::UnknownMethod if is_layer_action(call) => {
            answer::empty(StatusCode::NOT_FOUND)
        }
        Refusal::UnknownPath | Refusal::UnknownMethod => not_found(),
        // Only uploads come near this limit below that path.
        Refusal::Catalog(CatalogError::LimitExceeded { what: Limit::BodySize, limit, actual })
            if call.path().starts_with("/function-repository/") =>
        {
            ApiError::zip_too_large(actual, limit).into_response()
        }
        Refusal::Catalog(error) => ApiError::from(error).into_response(),
    }
}

/// Whether this is a POST to `/layers/{x}/{y}`, one route of the vendor's that says nothing when it
/// knows no such action.
fn is_layer_action(call: &Call) -> bool {
    let rest = call.path().strip_prefix("/function-repository/v1/layers/");
    call.method == Method::POST && rest.is_some_and(|rest| rest.split('/').count() == 2)
}

/// The answer of the vendor's router, also to a wrong method.
fn not_found() -> Response {
    let mut response = "404 page not found".into_response();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;

    fn shape(error: CatalogError) -> (u16, String) {
        // No route makes another status of what the gateway says.
        let error = ApiError::from(error).bad_request().or_404();
        (error.status.as_u16(), serde_json::to_string(&error.body).unwrap_or_default())
    }

    #[test]
    fn the_gateway_has_a_form_and_statuses_of_its_own() {
        let limit = |what| CatalogError::LimitExceeded { what, limit: 1, actual: 2 };
        for (error, status, start) in [
            (limit(Limit::RequestRate), 429, r#"{"error":"Too many requests: "#),
            (limit(Limit::Requests), 503, r#"{"error":"Service unavailable: "#),
            (limit(Limit::Uploads), 503, r#"{"error":"Service unavailable: "#),
            (
                CatalogError::Forbidden { role: Role::Read, needed: Role::Write },
                403,
                r#"{"error":"Permission denied: "#,
            ),
            (limit(Limit::BodySize), 400, r#"{"code":4104,"message":""#),
        ] {
            let (found, body) = shape(error);
            assert_eq!(found, status, "{body}");
            assert!(body.starts_with(start), "{body}");
        }
    }
}
