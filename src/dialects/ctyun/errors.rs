//! Refusals: the service's own under HTTP 200, the gateway's under a real status (ctyun.md
//! section 8).

use axum::http::{HeaderName, StatusCode};
use axum::response::Response;

use crate::dialects::answer;
use crate::dialects::auth::Denied;
use crate::dialects::call::Call;
use crate::dialects::json_fields::WrongType;
use crate::dialects::json_writer::JsonObject;
use crate::dialects::refusal::Refusal;
use crate::dialects::wording::{Cause, Excess, Missing, Used, Wording, worded_from_catalog};
use crate::domain::{ArchiveProblem, Field, Limit, Noun, RequestLimit};
use crate::ingest::json::JsonError;

/// The Python core copies it into an answer's `traceId`.
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// A refusal in the cloud's words.
#[derive(Debug)]
pub(super) struct ApiError {
    /// The HTTP status: 200 when function compute refuses, a real one when the gateway in front of
    /// it does.
    status: StatusCode,
    /// The number inside the body: the status of the refusal, where the vendor has no number.
    code: u16,
    message: String,
}

impl ApiError {
    fn service(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, code: status.as_u16(), message: message.into() }
    }

    pub(super) fn gateway(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: status.as_u16(), message: message.into() }
    }

    /// A parameter breaks a rule.
    pub(super) fn invalid(parameter: &str, reason: impl std::fmt::Display) -> Self {
        let message = format!("invalid parameter {parameter}: {reason}");
        Self::service(StatusCode::BAD_REQUEST, message)
    }
}

/// Refusals by function compute (ctyun.md section 8 (a)), and those that only the gateway makes.
impl Wording for ApiError {
    fn missing(what: Noun, Missing { name, of, text }: Missing) -> Self {
        use Noun::{
            Bucket, Change, CloudId, Code, Function, FunctionVersion, Key, Layer, LayerVersion,
            Multipart, Object, Task, Tenant,
        };
        let message = match (what, of) {
            (Noun::LayerVersion, Some(layer)) => {
                format!("layer '{layer}' version {name} does not exist")
            }
            (
                Layer | LayerVersion | Function | FunctionVersion | Code | Key | Tenant | CloudId
                | Bucket | Object | Multipart | Change | Task,
                _,
            ) => text,
        };
        Self::service(StatusCode::NOT_FOUND, message)
    }

    fn exists(_what: Noun, text: String) -> Self {
        Self::service(StatusCode::CONFLICT, text)
    }

    fn in_use(_what: Noun, used: Used) -> Self {
        Self::service(StatusCode::CONFLICT, used.text)
    }

    fn field(field: Field, reason: String) -> Self {
        use Field::{
            Checksum, Code, ContentEncoding, Description, FetchSite, Form, Group, Host, KeyId,
            Layers, License, MediaType, Metadata, Multipart, Multiparts, Origin, Part, PartNumber,
            PartOrder, Parts, Path, Query, Secret, Settings, Tags, Tenant,
        };
        let parameter = match field {
            Field::LayerName => "layerName",
            Field::FunctionName => "functionName",
            Field::Version => "qualifier",
            Field::VersionName => "versionId",
            Field::Runtimes => "compatibleRuntime",
            Field::Runtime => "runtime.runtime",
            Field::Handler => "runtime.handler",
            Field::Environment => "container.environmentVariables",
            Field::Bucket => "code.ossBucketName",
            Field::ObjectKey => "code.ossObjectName",
            Group | Description | License | Tags | Layers | Settings | Code | Form | MediaType
            | Metadata | Checksum | Multiparts | Multipart | Parts | PartOrder | Part
            | PartNumber | Tenant | KeyId | Secret | Path | Query | ContentEncoding | FetchSite
            | Origin | Host => field.as_str(),
        };
        Self::invalid(parameter, reason)
    }

    fn limit(what: Limit, Excess { limit, actual, text }: Excess) -> Self {
        let (status, measured) = match what {
            Limit::CodeSize => (StatusCode::PAYLOAD_TOO_LARGE, "code size"),
            Limit::UnpackedSize => (StatusCode::PAYLOAD_TOO_LARGE, "unpacked code size"),
            Limit::Entries => (StatusCode::PAYLOAD_TOO_LARGE, "number of code entries"),
            Limit::FunctionVersions => (StatusCode::CONFLICT, "number of function versions"),
            Limit::TenantCode | Limit::InboxSize => {
                return Self::service(StatusCode::PAYLOAD_TOO_LARGE, text);
            }
        };
        Self::service(status, format!("{measured} {actual} exceeds limit {limit}"))
    }

    fn request_limit(what: RequestLimit, Excess { limit, actual, text }: Excess) -> Self {
        match what {
            RequestLimit::BodySize => Self::gateway(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("request body size {actual} exceeds limit {limit}"),
            ),
            RequestLimit::Rate | RequestLimit::Requests | RequestLimit::Uploads => {
                Self::gateway(StatusCode::TOO_MANY_REQUESTS, text)
            }
        }
    }

    fn archive(problem: ArchiveProblem) -> Self {
        if problem == ArchiveProblem::Missing {
            return Self::invalid("code", "one of zipFile and ossObjectName is required");
        }
        Self::invalid("code.zipFile", problem)
    }

    fn other(cause: Cause, text: String) -> Self {
        match cause {
            Cause::Encoding => Self::service(StatusCode::UNSUPPORTED_MEDIA_TYPE, text),
            Cause::Checksum => Self::invalid("code", text),
            Cause::Stale | Cause::Unchanged => Self::service(StatusCode::CONFLICT, text),
            Cause::Forbidden => Self::gateway(StatusCode::FORBIDDEN, text),
            Cause::BucketUnavailable => Self::service(StatusCode::SERVICE_UNAVAILABLE, text),
            Cause::Unavailable => Self::gateway(StatusCode::SERVICE_UNAVAILABLE, text),
            Cause::NoSpace => Self::service(StatusCode::INSUFFICIENT_STORAGE, text),
            Cause::Internal => Self::service(StatusCode::INTERNAL_SERVER_ERROR, text),
        }
    }
}

worded_from_catalog!(ApiError);

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed(reason) => Self::invalid("body", format!("not JSON: {reason}")),
            JsonError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<WrongType> for ApiError {
    fn from(wrong: WrongType) -> Self {
        Self::invalid(&wrong.field, format!("must be {}", wrong.wanted.article()))
    }
}

/// The gateway's numbers: 10002 for an access key that it cannot read or does not know, 10009 for a
/// signature that is not the request's.
impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let invalid_key = |reason: &str| {
            let message = format!("invalid AK/SK{reason}");
            Self { code: 10002, ..Self::gateway(StatusCode::UNAUTHORIZED, message) }
        };
        let bad_signature = |reason: &str| {
            let message = format!("signature verification failed{reason}");
            Self { code: 10009, ..Self::gateway(StatusCode::FORBIDDEN, message) }
        };
        match denied {
            Denied::Missing => invalid_key(": Eop-Authorization is missing"),
            Denied::Malformed(reason) => {
                invalid_key(&format!(": Eop-Authorization is not valid: {reason}"))
            }
            Denied::UnknownKey(_) => invalid_key(""),
            Denied::BadSignature => bad_signature(""),
            Denied::Skewed { now, .. } => {
                let now = now.strftime("%Y%m%dT%H%M%SZ (UTC)");
                bad_signature(&format!(": eop-date is too far from {now}"))
            }
        }
    }
}

impl Refusal for ApiError {
    fn render(&self, call: &Call) -> Response {
        let (code, message) = (u64::from(self.code), &*self.message);
        let mut text = Vec::new();
        let mut body = JsonObject::begin(&mut text);
        if self.status == StatusCode::OK {
            body.number("statusCode", code);
            body.text("error", &format!("CF_{code}"));
            body.text("message", message);
        } else {
            let sent = call.client_id.as_ref().and_then(|id| id.to_str().ok());
            let sent = sent.filter(|id| !id.is_empty()).map(str::to_owned);
            body.text("requestId", &sent.unwrap_or_else(|| call.request_id.to_string()));
            body.digits("error", code);
            body.digits("code", code);
            body.joined("message", &["ctyun-EOP: ", message]);
            body.digits("eopErrCode", code);
            body.text("statusCode", &format!("CTAPI_{code}"));
            body.object("returnObj").end();
        }
        body.end();
        answer::written(self.status, text)
    }
}

/// Adds the request's id to every answer.
pub(super) fn finish(call: &Call, mut response: Response) -> Response {
    answer::insert_id(&mut response, TRACE_ID, &call.request_id.to_string());
    response
}
