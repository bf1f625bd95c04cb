//! The API's JSON and identifiers: fields in, records out.

pub(super) mod address;
pub(super) mod dependencies;
pub(super) mod functions;
pub(super) mod input;
pub(super) mod settings;
pub(super) mod urn;

use axum::http::StatusCode;
use axum::response::Response;
use jiff::fmt::strtime;
use serde::Serialize;

use crate::dialects::answer;
use crate::dialects::json_writer::JsonObject;
use crate::domain::Timestamp;

/// Answers with one object.
pub(super) fn answer(write: impl FnOnce(&mut JsonObject<'_>)) -> Response {
    answer::written(StatusCode::OK, object(write))
}

/// Renders one object.
pub(super) fn object(write: impl FnOnce(&mut JsonObject<'_>)) -> Vec<u8> {
    let mut text = Vec::with_capacity(2048);
    let mut object = JsonObject::begin(&mut text);
    write(&mut object);
    object.end();
    text
}

/// Adds a member, unless its value is not set.
fn optional(record: &mut JsonObject<'_>, name: &str, value: Option<&impl Serialize>) {
    if let Some(value) = value {
        record.value(name, value);
    }
}

/// Spells a time as RFC 3339 in UTC with seconds, the one form that all SDKs read right
/// (huawei.md section 5).
fn time(time: Timestamp) -> String {
    strtime::format("%Y-%m-%dT%H:%M:%SZ", time).unwrap_or_default()
}

/// Names a version by the time of its publication.
pub(super) fn version_name(time: Timestamp) -> String {
    strtime::format("v%Y%m%d-%H%M%S", time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_seconds() {
        let moment = Timestamp::from_millisecond(1_735_787_045_678).unwrap();
        assert_eq!(time(moment), "2025-01-02T03:04:05Z");
        assert_eq!(version_name(moment), "v20250102-030405");
    }
}
