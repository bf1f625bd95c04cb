//! Refusals; each generation has its own envelope (alibaba.md section 8).

pub(super) mod generation;

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
use Noun::{
    Bucket, Change, CloudId, Code, Function, FunctionVersion, Key, Layer, LayerVersion, Multipart,
    Object, Task, Tenant,
};
use generation::Generation;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-fc-request-id");

/// A refusal in the cloud's words.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    fn too_large(limit: u64) -> Self {
        let message = format!("payload size exceeds maximum allowed size ({limit} bytes)");
        Self::bad("EntityTooLarge", message)
    }

    /// States what is wrong with a request.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::bad("InvalidArgument", message)
    }

    /// States that a header is absent which the signature needs.
    pub(super) fn missing_header(name: &str) -> Self {
        let message = format!("required HTTP header {name} was not specified");
        Self::bad("MissingRequiredHeader", message)
    }

    /// States that no operation has this method and path.
    pub(super) fn unserved(call: &Call) -> Self {
        let message = format!("'{}' against '{}' is not supported", call.method, call.path());
        Self::bad("PathNotSupported", message)
    }
}

/// `InvalidArgument` where the vendor has no code (section 8).
impl Wording for ApiError {
    fn missing(what: Noun, Missing { name, of, text }: Missing) -> Self {
        let text = match (what, of) {
            (Layer, _) => format!("layer '{name}' does not exist"),
            (LayerVersion, Some(layer)) => {
                format!("layer version '{name}' of layer '{layer}' does not exist")
            }
            _ => text,
        };
        match what {
            Layer => Self::not_found("LayerNotFound", text),
            LayerVersion => Self::not_found("LayerVersionNotFound", text),
            Function => Self::not_found("FunctionNotFound", text),
            FunctionVersion => Self::not_found("VersionNotFound", text),
            Code | Key | Tenant | CloudId | Bucket | Object | Multipart | Change | Task => {
                Self::invalid(text)
            }
        }
    }

    fn exists(what: Noun, text: String) -> Self {
        match what {
            Function => Self::new(StatusCode::CONFLICT, "FunctionAlreadyExists", text),
            Layer | LayerVersion | FunctionVersion | Code | Key | Tenant | CloudId | Bucket
            | Object | Multipart | Change | Task => Self::invalid(text),
        }
    }

    fn in_use(what: Noun, Used { text, .. }: Used) -> Self {
        match what {
            Function => Self::new(StatusCode::CONFLICT, "FunctionNotEmpty", text),
            Layer | LayerVersion | FunctionVersion | Code | Key | Tenant | CloudId | Bucket
            | Object | Multipart | Change | Task => Self::invalid(text),
        }
    }

    /// The code is the same for every field.
    fn field(field: Field, reason: String) -> Self {
        use Field::{
            Checksum, Code, ContentEncoding, Description, Environment, FetchSite, Form,
            FunctionName, Group, Handler, Host, KeyId, Layers, License, MediaType, Metadata,
            Multipart, Multiparts, Origin, Part, PartNumber, PartOrder, Parts, Path, Query,
            Runtime, Runtimes, Secret, Settings, Tags, Tenant, Version, VersionName,
        };
        let name = match field {
            Field::LayerName => "layerName",
            Field::Bucket => "code.ossBucketName",
            Field::ObjectKey => "code.ossObjectName",
            Checksum | Code | Description | Environment | ContentEncoding | FetchSite | Origin
            | Host | Form | FunctionName | Group | Handler | KeyId | Layers | License
            | MediaType | Metadata | Multipart | Multiparts | Part | PartNumber | PartOrder
            | Parts | Path | Query | Runtime | Runtimes | Secret | Settings | Tags | Tenant
            | Version | VersionName => field.as_str(),
        };
        Self::invalid(format!("{name} {reason}"))
    }

    fn limit(what: Limit, Excess { limit, text, .. }: Excess) -> Self {
        match what {
            Limit::CodeSize => Self::too_large(limit),
            Limit::UnpackedSize
            | Limit::Entries
            | Limit::FunctionVersions
            | Limit::TenantCode
            | Limit::InboxSize => Self::invalid(text),
        }
    }

    fn request_limit(what: RequestLimit, Excess { limit, text, .. }: Excess) -> Self {
        let status = match what {
            RequestLimit::BodySize => return Self::too_large(limit),
            RequestLimit::Rate => StatusCode::TOO_MANY_REQUESTS,
            RequestLimit::Requests | RequestLimit::Uploads => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, "ResourceThrottled", text)
    }

    fn archive(problem: ArchiveProblem) -> Self {
        Self::invalid(format!("code: {problem}"))
    }

    fn other(cause: Cause, text: String) -> Self {
        match cause {
            Cause::Encoding => {
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text)
            }
            Cause::Checksum => Self::invalid(format!("code: {text}")),
            Cause::Stale => {
                let message = "the resource being modified has been changed";
                Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
            }
            Cause::Unchanged => Self::bad("VersionPublishError", text),
            Cause::Forbidden => Self::new(StatusCode::FORBIDDEN, "AccessDenied", text),
            // Terraform and Serverless Devs repeat a request after every status from 500 on
            // (section 2.2).
            Cause::BucketUnavailable | Cause::Unavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text)
            }
            Cause::NoSpace => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "ResourceExhausted", text)
            }
            Cause::Internal => {
                let message = "an internal error has occurred. Please retry.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
            }
        }
    }
}

worded_from_catalog!(ApiError);

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
            JsonError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<WrongType> for ApiError {
    fn from(wrong: WrongType) -> Self {
        Self::invalid(format!("{} must be {}", wrong.field, wrong.wanted.article()))
    }
}

/// The first generation's clients read exactly `ErrorCode` and `ErrorMessage`, whatever the
/// documents print.
impl Refusal for ApiError {
    fn render(&self, call: &Call) -> Response {
        let generation = Generation::of(call.path());
        let mut text = Vec::new();
        let mut body = JsonObject::begin(&mut text);
        if generation != Generation::First {
            body.text("RequestId", &request_id(generation, call));
            body.text("Code", self.code);
            body.text("Message", &self.message);
        }
        if generation != Generation::Third {
            body.text("ErrorCode", self.code);
            body.text("ErrorMessage", &self.message);
        }
        body.end();
        answer::written(self.status, text)
    }
}

/// Adds the request's id to every answer.
pub(super) fn finish(call: &Call, mut response: Response) -> Response {
    let request_id = request_id(Generation::of(call.path()), call);
    answer::insert_id(&mut response, REQUEST_ID, &request_id);
    response
}

/// The first generation has UUIDs; the others have the time and 24 digits (alibaba.md section 5).
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
