//! Refusals: HTTP 200 with an `Error` inside the `Response` (tencent.md sections 2.1 and 8).

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::dialects::answer;
use crate::dialects::auth::Denied;
use crate::dialects::call::Call;
use crate::dialects::refusal::{Refusal, Unserved};
use crate::dialects::wording::{Cause, Excess, Missing, Used, Wording, worded_from_catalog};
use crate::domain::{ArchiveProblem, Field, Limit, Noun, RequestLimit};
use crate::ingest::json::JsonError;

/// One code and its message.
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

    pub(super) fn wrong_version(version: &str) -> Self {
        let message =
            format!("The specified api version=`{version}` does not exist in service=`scf`.");
        Self::new("NoSuchVersion", message)
    }

    /// Refuses a body that is not a JSON object.
    pub(super) fn not_json() -> Self {
        let message = "The input parameter is not in the standard JSON format.";
        Self::new("InvalidParameterValue.Param", message)
    }

    pub(super) fn multipart() -> Self {
        Self::new("InvalidRequest", "The multipart format of the request body is incorrect.")
    }

    fn too_large(text: &str) -> Self {
        let message = format!("The request size exceeds the upper limit. ({text})");
        Self::new("RequestSizeLimitExceeded", message)
    }

    /// Reports a broken rule that has no code of its own.
    fn plain_rule(parameter: &str, reason: &str) -> Self {
        Self::new("InvalidParameterValue", format!("{parameter} {reason}"))
    }

    /// The vendor's exact text, which its clients match to retry (tencent.md section 8).
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

impl Refusal for ApiError {
    fn render(&self, call: &Call) -> Response {
        let request_id = call.request_id.to_string();
        answer::json(StatusCode::OK, &Envelope { response: Failed { error: self, request_id } })
    }
}

worded_from_catalog!(ApiError);

impl Wording for ApiError {
    fn missing(what: Noun, missing: Missing) -> Self {
        use Noun::{Change, CloudId, Code, Key, Task, Tenant};
        match what {
            Noun::Layer => Self::new("ResourceNotFound.Layer", "The layer does not exist."),
            Noun::LayerVersion => Self::no_version(),
            Noun::Function => {
                Self::new("ResourceNotFound.FunctionName", "The function does not exist.")
            }
            Noun::FunctionVersion => Self::new(
                "ResourceNotFound.FunctionVersion",
                "The function version does not exist.",
            ),
            // tencent.md section 3.1: a bucket that is not configured.
            Noun::Bucket => Self::new("UnsupportedOperation.Cos", missing.text),
            Noun::Object | Noun::Multipart => Self::new("ResourceNotFound.CosObject", missing.text),
            Code | Key | Tenant | CloudId | Change | Task => {
                Self::new("ResourceNotFound", missing.text)
            }
        }
    }

    fn exists(what: Noun, text: String) -> Self {
        use Noun::{
            Bucket, Change, CloudId, Code, Key, Layer, LayerVersion, Multipart, Object, Task,
            Tenant,
        };
        match what {
            Noun::Function => {
                Self::new("ResourceInUse.FunctionName", "The function already exists.")
            }
            Noun::FunctionVersion => Self::new("FailedOperation.PublishVersion", text),
            Layer | LayerVersion | Code | Key | Tenant | CloudId | Bucket | Object | Multipart
            | Change | Task => Self::new("FailedOperation", text),
        }
    }

    fn in_use(what: Noun, used: Used) -> Self {
        use Noun::{
            Bucket, Change, CloudId, Code, Function, FunctionVersion, Key, Layer, Multipart,
            Object, Task, Tenant,
        };
        match what {
            Noun::LayerVersion => Self::new("ResourceInUse.LayerVersion", used.text),
            Layer | Function | FunctionVersion | Code | Key | Tenant | CloudId | Bucket
            | Object | Multipart | Change | Task => Self::new("FailedOperation", used.text),
        }
    }

    /// The documents have no limits and codes for a license or tags.
    fn field(field: Field, reason: String) -> Self {
        use Field::{
            Checksum, Code, ContentEncoding, Description, Environment, FetchSite, Form,
            FunctionName, Group, Handler, Host, KeyId, LayerName, Layers, MediaType, Metadata,
            Multipart, Multiparts, Origin, Part, PartNumber, PartOrder, Parts, Path, Query,
            Runtime, Runtimes, Secret, Settings, Tenant, Version, VersionName,
        };
        match field {
            Field::Bucket => Self::new(
                "InvalidParameterValue.CosBucketName",
                format!("`CosBucketName` {reason}."),
            ),
            Field::ObjectKey => Self::new(
                "InvalidParameterValue.CosObjectName",
                format!("`CosObjectName` {reason}."),
            ),
            Field::License => Self::plain_rule("LicenseInfo", &reason),
            Field::Tags => Self::plain_rule("Tags", &reason),
            LayerName | FunctionName | Group | VersionName | Version | Description | Runtimes
            | Runtime | Handler | Environment | Layers | Settings | Code | Form | MediaType
            | Metadata | Checksum | Multiparts | Multipart | Parts | PartOrder | Part
            | PartNumber | Tenant | KeyId | Secret | Path | Query | ContentEncoding | FetchSite
            | Origin | Host => Self::plain_rule(field.as_str(), &reason),
        }
    }

    fn limit(what: Limit, excess: Excess) -> Self {
        match what {
            Limit::CodeSize => Self::too_large(&excess.text),
            Limit::UnpackedSize | Limit::Entries => {
                Self::new("InvalidParameterValue.ZipFile", excess.text)
            }
            Limit::FunctionVersions => Self::new("LimitExceeded.FunctionVersions", excess.text),
            Limit::TenantCode | Limit::InboxSize => Self::new("LimitExceeded", excess.text),
        }
    }

    fn request_limit(what: RequestLimit, excess: Excess) -> Self {
        match what {
            RequestLimit::BodySize => Self::too_large(&excess.text),
            RequestLimit::Rate => Self::too_fast(excess.limit, excess.actual),
            RequestLimit::Requests | RequestLimit::Uploads => {
                Self::new("RequestLimitExceeded", excess.text)
            }
        }
    }

    fn archive(problem: ArchiveProblem) -> Self {
        let text = problem.to_string();
        match problem {
            ArchiveProblem::NotBase64 => {
                let message = format!("`ZipFile` is not valid: {text}");
                Self::new("InvalidParameterValue.ZipFileBase64BinasciiError", message)
            }
            ArchiveProblem::Missing => Self::new("InvalidParameterValue.Content", text),
            _ => Self::new("InvalidParameterValue.ZipFile", text),
        }
    }

    fn other(cause: Cause, text: String) -> Self {
        match cause {
            Cause::Encoding => Self::new("UnsupportedOperation", text),
            Cause::Checksum => Self::new("InvalidParameterValue.ZipFile", text),
            Cause::Stale | Cause::Unchanged => Self::new("FailedOperation.OperationConflict", text),
            Cause::Forbidden => Self::new(
                "UnauthorizedOperation.CAM",
                format!("CAM authentication failed. ({text})"),
            ),
            Cause::BucketUnavailable => Self::new("InternalError", text),
            Cause::Unavailable => Self::new("ResourceUnavailable", text),
            Cause::NoSpace => Self::new("ResourceInsufficient", text),
            Cause::Internal => Self::new("InternalError", "An internal error has occurred."),
        }
    }
}

impl From<Unserved> for ApiError {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Path => {
                Self::new("InvalidAction", "The request `Action` is invalid or not found.")
            }
            Unserved::Method => Self::new(
                "UnsupportedProtocol",
                "HTTP(S) request protocol error; only GET and POST requests are supported.",
            ),
        }
    }
}

/// Section 8, "Gateway errors". A disabled key is refused as an unknown one.
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

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed(_) => Self::not_json(),
            JsonError::Refused(error) => error.into(),
        }
    }
}
