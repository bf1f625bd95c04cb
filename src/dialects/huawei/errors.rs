//! Refusals: `error_code` and `error_msg` (huawei.md section 8).

use std::fmt;

use axum::http::{HeaderName, StatusCode};
use axum::response::Response;

use super::{CODE_MAX, OBJECT_MAX, wire};
use crate::dialects::answer;
use crate::dialects::auth::Denied;
use crate::dialects::call::Call;
use crate::dialects::json_fields::WrongType;
use crate::dialects::refusal::{Refusal, Unserved};
use crate::dialects::wording::{Cause, Excess, Missing, Used, Wording, worded_from_catalog};
use crate::domain::{ArchiveProblem, CatalogError, Field, Limit, Noun, RequestError, RequestLimit};
use Noun::{
    Bucket, Change, CloudId, Code, Function, FunctionVersion, Key, Layer, LayerVersion, Multipart,
    Object, Task, Tenant,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The form of `X-Sdk-Date`.
const SDK_DATE: &str = "%Y%m%dT%H%M%SZ";

/// A refusal in the cloud's words.
#[derive(Clone, Debug)]
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

    /// Refuses with a sentence of the vendor, and in parentheses what explains it.
    fn explained(
        status: StatusCode,
        code: &'static str,
        sentence: &str,
        reason: impl fmt::Display,
    ) -> Self {
        Self::new(status, code, format!("{sentence} ({reason})"))
    }

    /// Refuses a value by its field's own code; `rule` states what the field must be.
    pub(super) fn invalid(field: &str, rule: impl fmt::Display) -> Self {
        Self::of_field(field, format_args!("{field} {rule}"))
    }

    /// Refuses a text as [`ApiError::invalid`] does, and quotes it.
    pub(super) fn bad_text(field: &str, text: &str, rule: impl fmt::Display) -> Self {
        Self::invalid(field, format_args!("{} {rule}", quote(text)))
    }

    fn of_field(field: &str, reason: impl fmt::Display) -> Self {
        let (code, text) = match field {
            "func_name" => ("FSS.1002", "Invalid function name."),
            "handler" => ("FSS.1003", "Invalid function handler."),
            "package" => ("FSS.1004", "Invalid Package (function app)."),
            "runtime" => ("FSS.1005", "Invalid runtime."),
            "code_type" => ("FSS.1006", "Invalid function code entry mode."),
            "memory_size" => ("FSS.1007", "Invalid function memory."),
            "timeout" => ("FSS.1008", "Invalid function timeout."),
            "user_data" | "encrypted_user_data" => ("FSS.1009", "Invalid function UserData."),
            "code_url" | "func_code.link" => ("FSS.1010", "Invalid URL."),
            "func_code" | "func_code.file" => ("FSS.1011", "Invalid function code."),
            "version" => ("FSS.1015", "Invalid function version."),
            "description" => ("FSS.1019", "Invalid description."),
            "name" | "depend_file" | "depend_link" | "depend_version_list" => {
                ("FSS.1024", "Invalid dependency.")
            }
            "depend_type" => ("FSS.1032", "Invalid dependency type."),
            "function_urn" => ("FSS.1309", "Invalid function URN."),
            _ => ("FSS.0400", "Invalid parameter."),
        };
        Self::explained(StatusCode::BAD_REQUEST, code, text, reason)
    }

    /// Refuses a parameter of the query; `rule` states what it must be.
    pub(super) fn query(parameter: &str, rule: &str) -> Self {
        Self::bad("FSS.1001", format!("Invalid query parameter. ({parameter} {rule})"))
    }

    /// Refuses the absence of a field.
    pub(super) fn required(field: &str) -> Self {
        Self::invalid(field, "is required")
    }

    /// Refuses environment variables that exceed a limit on `measure`.
    pub(super) fn environment(code: &'static str, measure: &str, reason: fmt::Arguments) -> Self {
        let text =
            format!("The {measure} environment variables exceeds the maximum allowed limit.");
        Self::explained(StatusCode::BAD_REQUEST, code, &text, reason)
    }

    /// Refuses a body that is no JSON object.
    pub(super) fn not_json(reason: &str) -> Self {
        Self::explained(StatusCode::NOT_ACCEPTABLE, "FSS.0406", "Not acceptable.", reason)
    }

    /// Returns the gateway's refusal of credentials.
    pub(super) fn unauthenticated(reason: impl fmt::Display) -> Self {
        let message = format!("Incorrect IAM authentication information: {reason}");
        Self::new(StatusCode::UNAUTHORIZED, "APIGW.0301", message)
    }

    pub(super) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    fn conflict(text: &str) -> Self {
        Self::explained(StatusCode::CONFLICT, "FSS.0409", "Conflict.", text)
    }

    fn too_large(text: &str) -> Self {
        let sentence = "The request body is too large.";
        Self::explained(StatusCode::PAYLOAD_TOO_LARGE, "FSS.0413", sentence, text)
    }

    /// Words an error of code by the field that sends or names it, and other errors by the tables.
    pub(super) fn of_code(field: &str, error: impl Into<RequestError>) -> Self {
        let error = error.into();
        let text = error.to_string();
        let is_of_dependency = field.starts_with("depend_");
        let RequestError::Catalog(error) = error else { return error.into() };
        match error {
            CatalogError::InvalidValue { field: Field::Bucket | Field::ObjectKey, .. } => {
                Self::invalid(field, format_args!("cannot be followed: its {text}"))
            }
            CatalogError::NotFound { what: Bucket | Object | Code, .. } => {
                Self::invalid(field, format_args!("names what is not there: {text}"))
            }
            CatalogError::LimitExceeded { what: Limit::CodeSize, .. } if is_of_dependency => {
                Self::too_large(&text)
            }
            CatalogError::LimitExceeded { what: Limit::UnpackedSize | Limit::Entries, .. }
            | CatalogError::BadArchive(_) => {
                // The address is good and its code is not: that is no invalid URL.
                let about = if is_of_dependency { field } else { "func_code" };
                Self::of_field(about, format_args!("{field} is refused: {text}"))
            }
            other => other.into(),
        }
    }
}

impl Wording for ApiError {
    fn missing(what: Noun, Missing { text, .. }: Missing) -> Self {
        match what {
            Function => Self::not_found("FSS.1051", "Not found the function"),
            FunctionVersion => Self::not_found("FSS.1052", "Not found the function version"),
            Layer | LayerVersion => Self::not_found("FSS.1056", "The dependency does not exist."),
            Bucket | Object => {
                let sentence = "The function app does not exist in OBS.";
                Self::explained(StatusCode::NOT_FOUND, "FSS.1054", sentence, text)
            }
            Code | Key | Tenant | CloudId | Multipart | Change | Task => {
                Self::explained(StatusCode::NOT_FOUND, "FSS.0404", "Not found.", text)
            }
        }
    }

    fn exists(what: Noun, text: String) -> Self {
        let (code, message) = match what {
            Function => ("FSS.1061", "The function already exists."),
            FunctionVersion => ("FSS.1062", "The version already exists."),
            Layer | LayerVersion => ("FSS.1065", "The dependency already exists."),
            Code | Key | Tenant | CloudId | Bucket | Object | Multipart | Change | Task => {
                return Self::conflict(&text);
            }
        };
        Self::new(StatusCode::CONFLICT, code, message)
    }

    fn in_use(what: Noun, Used { by, text, .. }: Used) -> Self {
        match what {
            Layer | LayerVersion => {
                let message = format!("The dependency is currently in use. (by the function {by})");
                Self::new(StatusCode::PRECONDITION_FAILED, "FSS.1033", message)
            }
            Function | FunctionVersion | Code | Key | Tenant | CloudId | Bucket | Object
            | Multipart | Change | Task => Self::conflict(&text),
        }
    }

    fn field(field: Field, reason: String) -> Self {
        use Field::{
            Bucket, Checksum, Code, ContentEncoding, FetchSite, Form, Host, KeyId, License,
            MediaType, Metadata, Multipart, Multiparts, ObjectKey, Origin, Part, PartNumber,
            PartOrder, Parts, Path, Query, Secret, Settings, Tags, Tenant,
        };
        let name = match field {
            Field::FunctionName => "func_name",
            Field::Group => "package",
            Field::Runtime | Field::Runtimes => "runtime",
            Field::Handler => "handler",
            Field::Environment => "user_data",
            Field::Version | Field::VersionName => "version",
            Field::Description => "description",
            Field::LayerName => "name",
            Field::Layers => "depend_version_list",
            License | Tags | Settings | Code | Form | Bucket | ObjectKey | MediaType | Metadata
            | Checksum | Multiparts | Multipart | Parts | PartOrder | Part | PartNumber
            | Tenant | KeyId | Secret | Path | Query | ContentEncoding | FetchSite | Origin
            | Host => field.as_str(),
        };
        Self::invalid(name, reason)
    }

    fn limit(what: Limit, Excess { limit, text, .. }: Excess) -> Self {
        let (code, sentence, reason) = match what {
            Limit::CodeSize => {
                let limit = match limit {
                    CODE_MAX | OBJECT_MAX => format!("{} MB", limit >> 20),
                    other => format!("{other} bytes"),
                };
                let message = format!(
                    "The size of the code package to be uploaded exceeds the maximum allowed limit \
                     ({limit})."
                );
                return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "FSS.1071", message);
            }
            Limit::UnpackedSize | Limit::Entries => {
                return Self::invalid("func_code.file", format_args!("is refused: {text}"));
            }
            Limit::FunctionVersions => (
                "FSS.0403",
                "The number of versions exceeds the maximum allowed limit.",
                format!("at most {}, latest included", limit + 1),
            ),
            Limit::TenantCode | Limit::InboxSize => {
                ("FSS.1042", "The code size exceeds the maximum allowed limit.", text)
            }
        };
        Self::explained(StatusCode::FORBIDDEN, code, sentence, reason)
    }

    fn request_limit(what: RequestLimit, Excess { text, .. }: Excess) -> Self {
        match what {
            RequestLimit::BodySize => Self::too_large(&text),
            RequestLimit::Rate | RequestLimit::Requests | RequestLimit::Uploads => {
                let message = format!("The throttling threshold has been reached: {text}");
                Self::new(StatusCode::TOO_MANY_REQUESTS, "APIGW.0308", message)
            }
        }
    }

    fn archive(problem: ArchiveProblem) -> Self {
        match problem {
            ArchiveProblem::Missing => {
                Self::bad("FSS.1012", "The function code must be configured.")
            }
            other => Self::invalid("func_code.file", format_args!("is refused: {other}")),
        }
    }

    fn other(cause: Cause, text: String) -> Self {
        let (status, code, sentence) = match cause {
            Cause::Encoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "FSS.0400", "Invalid parameter.")
            }
            Cause::Checksum => (StatusCode::BAD_REQUEST, "FSS.0400", "Invalid parameter."),
            Cause::Stale => return Self::conflict(&text),
            Cause::Unchanged => {
                let message = "The function cannot be published because no changes have been made \
                               since last publication.";
                return Self::bad("FSS.1016", message);
            }
            Cause::Forbidden => (StatusCode::FORBIDDEN, "FSS.0403", "not permit"),
            Cause::BucketUnavailable | Cause::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "FSS.0500", "The service is unavailable.")
            }
            Cause::NoSpace => {
                (StatusCode::INSUFFICIENT_STORAGE, "FSS.0500", "The service is unavailable.")
            }
            Cause::Internal => {
                let message = "Internal server error.";
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "FSS.0500", message);
            }
        };
        Self::explained(status, code, sentence, text)
    }
}

worded_from_catalog!(ApiError);

impl From<WrongType> for ApiError {
    fn from(wrong: WrongType) -> Self {
        Self::invalid(&wrong.field, format_args!("must be {}", wrong.wanted.article()))
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::unauthenticated(match denied {
            Denied::Missing => "x-auth-token not found".to_owned(),
            Denied::Malformed(reason) => format!("authorization cannot be read: {reason}"),
            Denied::UnknownKey(id) => {
                format!("Get secretKey failed,ak:{},err:ak not exist", cut(&id).0)
            }
            Denied::BadSignature => "verify aksk signature fail".to_owned(),
            Denied::Skewed { signed, now } => {
                let (signed, now) = (signed.strftime(SDK_DATE), now.strftime(SDK_DATE));
                format!("signature expired, signature time:{signed},server time:{now}")
            }
        })
    }
}

/// The gateway answers a wrong method with 404 too.
impl From<Unserved> for ApiError {
    fn from(unserved: Unserved) -> Self {
        Self::not_found(
            "APIGW.0101",
            match unserved {
                Unserved::Path => {
                    "The API does not exist or has not been published in the environment."
                }
                Unserved::Method => "The API does not exist.",
            },
        )
    }
}

impl Refusal for ApiError {
    fn render(&self, call: &Call) -> Response {
        let body = wire::object(|body| {
            body.text("error_code", self.code);
            body.text("error_msg", &self.message);
            // Only the gateway's refusals have the id.
            if self.code.starts_with("APIGW") {
                body.text("request_id", &id_of(call));
            }
        });
        answer::written(self.status, body)
    }
}

/// Adds the request's id to an answer; SDKs show it.
pub(super) fn finish(call: &Call, mut response: Response) -> Response {
    answer::insert_id(&mut response, REQUEST_ID, &id_of(call));
    response
}

fn id_of(call: &Call) -> String {
    call.request_id.simple().to_string()
}

/// Quotes the beginning of a client's text.
pub(super) fn quote(text: &str) -> String {
    let (shown, rest) = cut(text);
    format!("'{shown}{rest}'")
}

/// Returns the first 80 characters of a text, and `…` in place of the rest.
fn cut(text: &str) -> (&str, &'static str) {
    text.char_indices().nth(80).map_or((text, ""), |(end, _)| (&text[..end], "…"))
}
