//! Refusals: `{"code", "message"}`, with a status that depends on the route (openyuanrong.md
//! section 8), and the gateway's `{"error"}` (section 9).

use std::fmt;

use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

use super::routes;
use super::wire::encoding;
use crate::dialects::answer;
use crate::dialects::auth::Denied;
use crate::dialects::call::Call;
use crate::dialects::refusal::{Refusal, Refused, Unserved};
use crate::dialects::wording::{Cause, Excess, Missing, Used, Wording, worded_from_catalog};
use crate::domain::Noun::{
    self, Bucket, Change, CloudId, Code, Function, FunctionVersion, Key, Layer, LayerVersion,
    Multipart, Object, Task, Tenant,
};
use crate::domain::{
    ArchiveProblem, CatalogError, Field, LayerName, Limit, RequestError, RequestLimit,
    VersionNumber,
};

const NO_FUNCTION: u32 = 4115;

/// A refusal. Its status is 500 unless the route changes it.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    body: Body,
    status: StatusCode,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Body {
    /// The form of the service.
    Service { code: u32, message: String },
    /// The form of the gateway; no route changes its status.
    Gateway { error: String },
}

impl ApiError {
    pub(super) fn new(code: u32, message: impl Into<String>) -> Self {
        let body = Body::Service { code, message: message.into() };
        Self { body, status: StatusCode::INTERNAL_SERVER_ERROR }
    }

    fn gateway(status: StatusCode, what: &str, why: impl fmt::Display) -> Self {
        Self { body: Body::Gateway { error: format!("{what}: {why}") }, status }
    }

    /// The client may try again later.
    fn unavailable(why: impl fmt::Display) -> Self {
        Self::gateway(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable", why)
    }

    /// A parameter breaks a rule.
    pub(super) fn invalid(detail: impl fmt::Display) -> Self {
        Self::new(4104, format!("{detail}. check input parameters"))
    }

    /// A URN is of another tenant, or contradicts the query.
    pub(super) fn foreign_urn(urn: &str) -> Self {
        Self::new(121_046, format!("invalid URN: {urn}"))
    }

    /// The version part of a URN breaks the rule for versions.
    pub(super) fn bad_version(version: &str) -> Self {
        Self::new(121_046, format!("invalid version: {version}"))
    }

    /// The name part of a URN breaks the rule for names.
    pub(super) fn bad_name(name: &str) -> Self {
        Self::new(121_058, format!("invalid function name: {name}"))
    }

    /// A function, or the named version of it, does not exist.
    pub(super) fn no_function(name: &str) -> Self {
        Self::new(NO_FUNCTION, format!("function [{name}] is not found. check input parameters"))
    }

    /// A head does not exist, in the words of a publication.
    pub(super) fn no_head() -> Self {
        Self::new(NO_FUNCTION, "failed to get function version")
    }

    /// Something does not exist, in the words of the vendor's store, which some routes pass on.
    pub(super) fn no_key() -> Self {
        Self::new(122_001, "KV not exist in etcd")
    }

    pub(super) fn no_layer_version(layer: &LayerName, number: VersionNumber) -> Self {
        Self::new(4113, format!("this version [{number}] of layer [{layer}] does not exist"))
    }

    pub(super) fn old_revision() -> Self {
        Self::new(4134, "revisionID is not the same")
    }

    pub(super) fn duplicate() -> Self {
        Self::new(4114, "duplicate version number")
    }

    pub(super) fn too_many_versions(existing: u64) -> Self {
        let rule = "the number of existing function versions is greater than the set value";
        Self::new(4110, format!("{rule}: {existing}"))
    }

    pub(super) fn zip_too_large(size: u64, limit: u64) -> Self {
        Self::new(4130, format!("zip file size [{size}] is larger than {limit}"))
    }

    /// Words an error of the catalog; `missing` is the refusal of what does not exist.
    pub(super) fn unless_missing(missing: Self) -> impl FnOnce(CatalogError) -> Self {
        |error| match error {
            CatalogError::NotFound { .. } => missing,
            other => other.into(),
        }
    }

    /// Changes the status for a route that answers a bad request with 400.
    pub(super) fn bad_request(mut self) -> Self {
        if matches!(self.body, Body::Service { .. }) {
            self.status = StatusCode::BAD_REQUEST;
        }
        self
    }

    /// Changes the status for a route that answers a missing function with 404.
    pub(super) fn or_404(mut self) -> Self {
        if matches!(self.body, Body::Service { code: NO_FUNCTION, .. }) {
            self.status = StatusCode::NOT_FOUND;
        }
        self
    }
}

impl Refusal for ApiError {
    fn render(&self, _call: &Call) -> Response {
        encoding::json(self.status, &self.body)
    }
}

impl Wording for ApiError {
    fn missing(what: Noun, Missing { name, of, text }: Missing) -> Self {
        match what {
            Function => Self::no_function(&name),
            FunctionVersion => Self::no_function(&of.unwrap_or(name)),
            Layer | LayerVersion => Self::new(4113, "this layer version does not exist"),
            Code | Key | Tenant | CloudId | Change | Task => Self::no_key(),
            Bucket | Object | Multipart => Self::invalid(text),
        }
    }

    fn exists(what: Noun, text: String) -> Self {
        match what {
            Function => Self::new(4101, "the function name already exists. rename your function"),
            FunctionVersion => Self::duplicate(),
            Layer | LayerVersion | Code | Key | Tenant | CloudId | Bucket | Object | Multipart
            | Change | Task => Self::invalid(text),
        }
    }

    fn in_use(what: Noun, used: Used) -> Self {
        match what {
            LayerVersion => {
                let number = used.name.rsplit(':').next().unwrap_or_default();
                let rule = "has been bound to the function. please unbind it before performing \
                            the operation";
                Self::new(4112, format!("layer version {number} {rule}"))
            }
            FunctionVersion => {
                Self::new(4105, "this version is occupied by an alias. remove the mapping first")
            }
            Layer | Function | Code | Key | Tenant | CloudId | Bucket | Object | Multipart
            | Change | Task => Self::invalid(used.text),
        }
    }

    /// The vendor has one code for every bad parameter, with the parameter's name in the message.
    fn field(field: Field, reason: String) -> Self {
        Self::invalid(format!("{field} {reason}"))
    }

    fn limit(what: Limit, Excess { limit, actual, text }: Excess) -> Self {
        match what {
            Limit::CodeSize => Self::zip_too_large(actual, limit),
            Limit::UnpackedSize => {
                Self::new(4129, format!("zip file unzip size is larger than {limit}"))
            }
            Limit::Entries => {
                Self::new(4127, format!("zip file count [{actual}] is larger than {limit}"))
            }
            Limit::FunctionVersions => Self::too_many_versions(actual),
            Limit::TenantCode | Limit::InboxSize => Self::invalid(text),
        }
    }

    fn request_limit(what: RequestLimit, excess: Excess) -> Self {
        match what {
            RequestLimit::BodySize => Self::invalid(excess.text),
            RequestLimit::Rate => {
                Self::gateway(StatusCode::TOO_MANY_REQUESTS, "Too many requests", excess.text)
            }
            RequestLimit::Requests | RequestLimit::Uploads => Self::unavailable(excess.text),
        }
    }

    fn archive(problem: ArchiveProblem) -> Self {
        let text = problem.to_string();
        match problem {
            ArchiveProblem::Missing => Self::invalid("multipartForm is empty"),
            ArchiveProblem::Incomplete(_) => Self::new(121_016, "failed to write temp file"),
            ArchiveProblem::NotZip(_) | ArchiveProblem::NotBase64 => {
                Self::new(121_029, "zip: not a valid zip file")
            }
            // The vendor's server accepts these: its text, and the reason.
            ArchiveProblem::UnknownMethod { .. }
            | ArchiveProblem::BadEntry { .. }
            | ArchiveProblem::NoEntries => {
                Self::new(121_029, format!("zip: not a valid zip file: {text}"))
            }
            ArchiveProblem::UnsafePath { path, .. }
            | ArchiveProblem::DuplicatePath { path, .. }
            | ArchiveProblem::Encrypted(path) => {
                Self::new(4128, format!("zip file path [{path}] is invalid"))
            }
        }
    }

    fn other(cause: Cause, text: String) -> Self {
        match cause {
            Cause::Encoding => {
                Self::gateway(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", text)
            }
            Cause::Checksum | Cause::Unchanged => Self::invalid(text),
            Cause::Stale => Self::old_revision(),
            Cause::Forbidden => Self::gateway(StatusCode::FORBIDDEN, "Permission denied", text),
            Cause::BucketUnavailable | Cause::Unavailable => Self::unavailable(text),
            Cause::NoSpace => {
                Self::gateway(StatusCode::INSUFFICIENT_STORAGE, "Insufficient storage", text)
            }
            Cause::Internal => Self::new(121_000, "internal system error"),
        }
    }
}

worded_from_catalog!(ApiError);

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let why = match denied {
            Denied::Missing => {
                "no token in X-Auth, in the parameter token or in the cookie iam_token".to_owned()
            }
            Denied::Malformed(reason) => format!("the token is not accepted: {reason}"),
            // One text for all, so that it reveals nothing to a client without a key.
            Denied::UnknownKey(_) | Denied::BadSignature | Denied::Skewed { .. } => {
                "the token is of no tenant with a key here, or its signature is wrong".to_owned()
            }
        };
        Self::gateway(StatusCode::UNAUTHORIZED, "Authentication failed", why)
    }
}

pub(super) fn word(call: &Call, error: RequestError) -> Box<dyn Refusal> {
    Box::new(match error {
        RequestError::Limit { what: RequestLimit::BodySize, limit, actual }
            // Below that path only uploads reach this limit.
            if call.path().starts_with("/function-repository/") =>
        {
            ApiError::zip_too_large(actual, limit)
        }
        other => ApiError::from(other),
    })
}

/// Words that no operation serves a request; a wrong method is an unknown path to the vendor. A
/// path that is served without the slash at its end is redirected.
pub(super) fn unserved(call: &Call, _unserved: Unserved) -> Refused {
    let path = call.path().strip_suffix('/');
    match path.filter(|path| routes::is_served(&call.method, path)) {
        Some(path) => {
            let query = call.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            Moved { location: format!("{path}{query}") }.into()
        }
        None => NoRoute.into(),
    }
}

/// The vendor's redirect to a path without the slash at its end (openyuanrong.md section 8).
struct Moved {
    location: String,
}

impl Refusal for Moved {
    fn render(&self, call: &Call) -> Response {
        let location = [(LOCATION, self.location.clone())];
        if call.method != Method::GET {
            return (StatusCode::TEMPORARY_REDIRECT, location).into_response();
        }
        let shown = encoding::html(&self.location);
        let body = format!("<a href=\"{shown}\">Moved Permanently</a>.\n\n");
        (StatusCode::MOVED_PERMANENTLY, location, Html(body)).into_response()
    }
}

/// The refusal of the vendor's router.
struct NoRoute;

impl Refusal for NoRoute {
    fn render(&self, call: &Call) -> Response {
        // The vendor has one route for a POST to `/layers/{x}/{y}`; an unknown action has no body.
        let rest = call.path().strip_prefix("/function-repository/v1/layers/");
        let is_action = rest.is_some_and(|rest| rest.split('/').count() == 2);
        if call.method == Method::POST && is_action {
            return answer::empty(StatusCode::NOT_FOUND);
        }
        let headers = [(CONTENT_TYPE, "text/plain")];
        (StatusCode::NOT_FOUND, headers, "404 page not found").into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_has_a_form_and_statuses_of_its_own() {
        let limit = |what| RequestError::Limit { what, limit: 1, actual: 2 };
        let full = CatalogError::NoSpace { source: "full".into() };
        let away = CatalogError::Unavailable { what: "the catalog", source: "away".into() };
        let cases: [(RequestError, u16, &str); 5] = [
            (limit(RequestLimit::Requests), 503, r#"{"error":"Service unavailable: "#),
            (limit(RequestLimit::Uploads), 503, r#"{"error":"Service unavailable: "#),
            (away.into(), 503, r#"{"error":"Service unavailable: the catalog "#),
            (full.into(), 507, r#"{"error":"Insufficient storage: no space left"#),
            (limit(RequestLimit::BodySize), 400, r#"{"code":4104,"message":""#),
        ];
        for (error, status, start) in cases {
            // No route changes the status of the gateway's form.
            let refusal = ApiError::from(error).bad_request().or_404();
            let body = serde_json::to_string(&refusal.body).unwrap();
            assert_eq!(refusal.status.as_u16(), status, "{body}");
            assert!(body.starts_with(start), "{body}");
        }
    }
}
