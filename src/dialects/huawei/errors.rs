//! Refusals: `error_code` and `error_msg` (huawei.md section 8).

use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{CODE_MAX, OBJECT_MAX};
use crate::dialects::answer::{self, log_internal};
use crate::dialects::signing::Denied;
use crate::dialects::{Call, Refusal};
use crate::domain::{ArchiveProblem, CatalogError, Limit, Noun};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The form of `X-Sdk-Date`.
const SDK_DATE: &str = "%Y%m%dT%H%M%SZ";

/// A refusal, not yet tied to its request.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    error_code: &'static str,
    error_msg: &'a str,
    /// The gateway's refusals alone have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Refuses a value by its field's own code; `rule` says what the field must be.
    pub(super) fn field(field: &str, rule: impl AsRef<str>) -> Self {
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
        Self::bad(code, format!("{text} ({field} {})", rule.as_ref()))
    }

    pub(super) fn query(parameter: &str, rule: &str) -> Self {
        Self::bad("FSS.1001", format!("Invalid query parameter. ({parameter} {rule})"))
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::field(field, "is required")
    }

    /// The text names what nearly always is the reason (huawei.md section 5).
    pub(super) fn no_project() -> Self {
        let rule = "is not set: the path still has its placeholder; give the client a project id, \
                    any 1 to 64 letters, digits, '_' and '-'";
        Self::field("project_id", rule)
    }

    pub(super) fn no_function() -> Self {
        Self::new(StatusCode::NOT_FOUND, "FSS.1051", "Not found the function")
    }

    pub(super) fn no_alias() -> Self {
        Self::new(StatusCode::NOT_FOUND, "FSS.1053", "The alias does not exist.")
    }

    pub(super) fn no_dependency() -> Self {
        Self::new(StatusCode::NOT_FOUND, "FSS.1056", "The dependency does not exist.")
    }

    pub(super) fn no_code() -> Self {
        Self::bad("FSS.1012", "The function code must be configured.")
    }

    pub(super) fn too_many_keys(field: &str, keys: usize, limit: usize) -> Self {
        let message = "The number of environment variables exceeds the maximum allowed limit.";
        Self::bad("FSS.1017", format!("{message} ({field} has {keys}, at most {limit})"))
    }

    pub(super) fn too_much_data(field: &str, length: usize, limit: usize) -> Self {
        let message = "The size of the environment variables exceeds the maximum allowed limit.";
        Self::bad(
            "FSS.1018",
            format!("{message} ({field} has {length} characters, at most {limit})"),
        )
    }

    pub(super) fn not_json(reason: &str) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "FSS.0406", format!("Not acceptable. ({reason})"))
    }

    /// Says what the gateway says of every token that it does not take.
    pub(super) fn bad_token() -> Self {
        Self::not_let_in("decrypt token fail")
    }

    fn not_let_in(reason: impl std::fmt::Display) -> Self {
        let message = format!("Incorrect IAM authentication information: {reason}");
        Self::new(StatusCode::UNAUTHORIZED, "APIGW.0301", message)
    }

    fn too_large(text: &str) -> Self {
        let message = format!("The request body is too large. ({text})");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "FSS.0413", message)
    }

    /// Words what is wrong with code by the field that has it or names it; the rest is worded as
    /// everywhere.
    pub(super) fn of_code(field: &str, error: CatalogError) -> Self {
        let text = error.to_string();
        let is_of_dependency = field.starts_with("depend_");
        match error {
            CatalogError::InvalidValue { field: name @ ("bucket" | "object"), reason } => {
                Self::field(field, format!("cannot be followed: its {name} {reason}"))
            }
            CatalogError::NotFound { what: Noun::Bucket | Noun::Object | Noun::Code, .. } => {
                Self::field(field, format!("names what is not there: {text}"))
            }
            CatalogError::LimitExceeded { what: Limit::CodeSize, .. } if is_of_dependency => {
                Self::too_large(&text)
            }
            CatalogError::LimitExceeded { what: Limit::UnpackedSize | Limit::Entries, .. }
            | CatalogError::BadArchive(_) => {
                let rule = format!("is refused: {text}");
                match is_of_dependency {
                    true => Self::field(field, rule),
                    // An address that is good leads to code that is not.
                    false => {
                        Self::bad("FSS.1011", format!("Invalid function code. ({field} {rule})"))
                    }
                }
            }
            other => other.into(),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        match error {
            CatalogError::NotFound { what, .. } => match what {
                Noun::Function | Noun::Code | Noun::Key | Noun::Tenant | Noun::CloudId => {
                    Self::no_function()
                }
                Noun::FunctionVersion => {
                    Self::new(StatusCode::NOT_FOUND, "FSS.1052", "Not found the function version")
                }
                Noun::Layer | Noun::LayerVersion => Self::no_dependency(),
                Noun::Bucket | Noun::Object | Noun::Multipart => {
                    Self::bad("FSS.1010", format!("Invalid URL. ({text})"))
                }
            },
            CatalogError::AlreadyExists { what, .. } => match what {
                Noun::Function
                | Noun::Code
                | Noun::Key
                | Noun::Tenant
                | Noun::CloudId
                | Noun::Bucket
                | Noun::Object
                | Noun::Multipart => {
                    Self::new(StatusCode::CONFLICT, "FSS.1061", "The function already exists.")
                }
                Noun::FunctionVersion => {
                    Self::new(StatusCode::CONFLICT, "FSS.1062", "The version already exists.")
                }
                Noun::Layer | Noun::LayerVersion => {
                    Self::new(StatusCode::CONFLICT, "FSS.1065", "The dependency already exists.")
                }
            },
            CatalogError::InvalidValue { .. } | CatalogError::ChecksumMismatch { .. } => {
                Self::bad("FSS.0400", format!("Invalid parameter. ({text})"))
            }
            CatalogError::LimitExceeded { what, limit, .. } => match what {
                Limit::BodySize => Self::too_large(&text),
                Limit::CodeSize => {
                    let limit = match limit {
                        CODE_MAX | OBJECT_MAX => format!("{} MB", limit >> 20),
                        other => format!("{other} bytes"),
                    };
                    let message = format!(
                        "The size of the code package to be uploaded exceeds the maximum allowed \
                         limit ({limit})."
                    );
                    Self::new(StatusCode::PAYLOAD_TOO_LARGE, "FSS.1071", message)
                }
                Limit::UnpackedSize | Limit::Entries => {
                    Self::field("func_code.file", format!("is refused: {text}"))
                }
                Limit::FunctionVersions => {
                    let message = format!(
                        "The number of versions exceeds the maximum allowed limit. (at most {}, \
                         latest included)",
                        limit + 1
                    );
                    Self::new(StatusCode::FORBIDDEN, "FSS.0403", message)
                }
                Limit::TenantCode | Limit::InboxSize => {
                    let message =
                        format!("The code size exceeds the maximum allowed limit. ({text})");
                    Self::new(StatusCode::FORBIDDEN, "FSS.1042", message)
                }
                Limit::RequestRate | Limit::Requests | Limit::Uploads => {
                    let message = format!("The throttling threshold has been reached: {text}");
                    Self::new(StatusCode::TOO_MANY_REQUESTS, "APIGW.0308", message)
                }
            },
            CatalogError::BadArchive(ArchiveProblem::Missing) => Self::no_code(),
            CatalogError::BadArchive(_) => {
                Self::field("func_code.file", format!("is refused: {text}"))
            }
            CatalogError::Unchanged { .. } => Self::bad(
                "FSS.1016",
                "The function cannot be published because no changes have been made since last \
                 publication.",
            ),
            CatalogError::Stale { .. } => {
                Self::new(StatusCode::CONFLICT, "FSS.0409", format!("Conflict. ({text})"))
            }
            CatalogError::InUse { by, .. } => {
                let message = format!("The dependency is currently in use. (by the function {by})");
                Self::new(StatusCode::PRECONDITION_FAILED, "FSS.1033", message)
            }
            CatalogError::BucketUnavailable { .. } => {
                let message = format!("The service is unavailable. ({text})");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "FSS.0500", message)
            }
            CatalogError::Forbidden { .. } => {
                Self::new(StatusCode::FORBIDDEN, "FSS.0403", format!("not permit ({text})"))
            }
            CatalogError::Internal { source } => {
                log_internal(source.as_ref());
                let message = "Internal server error.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "FSS.0500", message)
            }
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::not_let_in("x-auth-token not found"),
            Denied::Malformed(reason) => {
                Self::not_let_in(format_args!("authorization cannot be read: {reason}"))
            }
            Denied::UnknownKey(id) => {
                let id = cut(&id).0;
                Self::not_let_in(format_args!("Get secretKey failed,ak:{id},err:ak not exist"))
            }
            Denied::BadSignature => Self::not_let_in("verify aksk signature fail"),
            Denied::Skewed { signed, now } => {
                let (signed, now) = (signed.strftime(SDK_DATE), now.strftime(SDK_DATE));
                Self::not_let_in(format_args!(
                    "signature expired, signature time:{signed},server time:{now}"
                ))
            }
        }
    }
}

/// Quotes what a client sent, cut where it would only fill the screen.
pub(super) fn quote(text: &str) -> String {
    let (shown, rest) = cut(text);
    format!("'{shown}{rest}'")
}

/// The beginning of a text, and what stands for the rest of it.
fn cut(text: &str) -> (&str, &'static str) {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => (&text[..end], "…"),
        None => (text, ""),
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

/// Words what no operation was asked about: the gateway answers a wrong method with 404 too.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let gateway = |message| ApiError::new(StatusCode::NOT_FOUND, "APIGW.0101", message);
    let error = match refusal {
        Refusal::UnknownPath => {
            gateway("The API does not exist or has not been published in the environment.")
        }
        Refusal::UnknownMethod => gateway("The API does not exist."),
        Refusal::Catalog(error) => error.into(),
    };
    error.into_response()
}

/// Writes a refusal, and the request's id into every answer: SDKs show it.
pub(super) fn complete(call: &Call, mut response: Response) -> Response {
    let id = call.request_id.simple().to_string();
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let request_id = error.code.starts_with("APIGW").then_some(id.as_str());
        let (error_code, error_msg) = (error.code, error.message.as_str());
        response = answer::json(error.status, &Body { error_code, error_msg, request_id });
    }
    answer::insert_id(&mut response, REQUEST_ID, &id);
    response
}
