//! A request's JSON fields: what this cloud adds to the shared readers.

use serde_json::Value;

use crate::dialects::huawei::errors::ApiError;
use crate::dialects::json_fields::{Fields, KeyCase, WrongType};

/// Returns the fields of a body, which must be an object; unknown fields are ignored.
pub(crate) fn fields(document: &Value) -> Result<Fields<'_>, ApiError> {
    Fields::of(document, KeyCase::Exact)
        .ok_or_else(|| ApiError::not_json("the body must be a JSON object"))
}

/// Returns a text; an empty one counts as absent.
pub(crate) fn text<'v>(fields: &Fields<'v>, name: &str) -> Result<Option<&'v str>, WrongType> {
    Ok(fields.text(name)?.filter(|text| !text.is_empty()))
}

/// Returns a copy of a text; an empty one counts as absent.
pub(crate) fn owned(fields: &Fields<'_>, name: &str) -> Result<Option<String>, WrongType> {
    Ok(text(fields, name)?.map(str::to_owned))
}

/// Returns a text that must be there.
pub(crate) fn required<'v>(fields: &Fields<'v>, name: &str) -> Result<&'v str, ApiError> {
    text(fields, name)?.ok_or_else(|| ApiError::required(name))
}
