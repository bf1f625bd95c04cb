//! Builds answers: JSON in one piece, or an empty body.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

/// The media type of most clouds' answers, without parameters: some clients compare the full text.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `Retry-After` in seconds: a limit, a full disk or a locked catalog may be gone by then.
pub const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Initial capacity of an answer: enough for most; a page of rows grows from it in few steps.
const ANSWER_USUAL: usize = 1024;

/// Renders an answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    // Cannot fail: the wire types have text keys and finite numbers.
    let mut text = Vec::with_capacity(ANSWER_USUAL);
    let _ = serde_json::to_writer(&mut text, value);
    written(status, text)
}

/// Returns an answer with finished JSON.
pub(super) fn written(status: StatusCode, mut text: Vec<u8>) -> Response {
    // The response cache may store it, and counts its length, not its capacity.
    if text.len() < text.capacity() / 2 {
        text.shrink_to_fit();
    }
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Returns an answer without a body and media type.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// Writes a request's id into a header.
pub(super) fn insert_id(response: &mut Response, name: HeaderName, id: &str) {
    // Cannot fail: ids are hexadecimal digits and hyphens.
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(name, value);
    }
}

/// Keeps a browser from running a client's object as a page of this server: forbids it to guess the
/// media type, and has it save what it would otherwise run. Call it when all other headers are set.
pub(super) fn guard_object(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let is_attachment = |value: &HeaderValue| {
        value.as_bytes().to_ascii_lowercase().trim_ascii_start().starts_with(b"attachment")
    };
    if headers.get(CONTENT_TYPE).is_some_and(|stated| may_run(stated.as_bytes()))
        && !headers.get(CONTENT_DISPOSITION).is_some_and(is_attachment)
    {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
}

/// Whether a browser may run scripts in content of a media type: HTML, XML with all that builds on
/// it (SVG among them), content in several parts, and every text that is not one media type. Of
/// several types with commas between them a browser takes the last.
fn may_run(stated: &[u8]) -> bool {
    let stated = stated.to_ascii_lowercase();
    let essence = stated.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let mut parts = essence.split(|byte| *byte == b'/');
    let is_token = |text: &[u8]| {
        let is_in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(byte);
        !text.is_empty() && text.iter().all(is_in_token)
    };
    let (Some(kind), Some(subtype), None) = (parts.next(), parts.next(), parts.next()) else {
        return true;
    };
    let is_plain = is_token(kind) && is_token(subtype) && !stated.contains(&b',');
    !is_plain
        || matches!(kind, b"multipart" | b"message")
        || matches!(subtype, b"html" | b"xml" | b"xsl" | b"xhtml")
        || subtype.ends_with(b"+xml")
}

/// Logs a fault of the server by its name, with all its causes, which clients do not see.
pub(super) fn log_fault(fault: &str, source: &(dyn std::error::Error + Send + Sync + 'static)) {
    let mut text = source.to_string();
    let mut next = source.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    tracing::error!(error = text, "{fault}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(media_type: &'static str, disposition: Option<&'static str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(disposition) = disposition {
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
        }
        guard_object(&mut headers);
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        Some(headers.get(CONTENT_DISPOSITION)?.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_a_browser_may_run_is_an_attachment() {
        for runs in [
            "text/html",
            " Text/HTML ; charset=utf-8",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml;a=b",
            "application/rss+xml",
            "text/xsl",
            "multipart/x-mixed-replace; boundary=a",
            "message/rfc822",
            "image/png, text/html",
            "image/png;a=b, text/html",
            "text",
            "text/",
            "text/html/x",
            "text/ html",
            "",
        ] {
            assert_eq!(guarded(runs, None).as_deref(), Some("attachment"), "{runs}");
            let inline = guarded(runs, Some("inline; filename=a"));
            assert_eq!(inline.as_deref(), Some("attachment"), "{runs}");
            let named = guarded(runs, Some("Attachment; filename=a"));
            assert_eq!(named.as_deref(), Some("Attachment; filename=a"), "{runs}");
        }
        for inert in [
            "application/zip",
            "application/x-zip-compressed",
            "binary/octet-stream",
            "text/plain; charset=utf-8",
            "application/vnd.ms-excel.sheet.macroEnabled.12",
            "application/json",
            "image/png",
        ] {
            assert_eq!(guarded(inert, None), None, "{inert}");
            assert_eq!(guarded(inert, Some("inline")).as_deref(), Some("inline"), "{inert}");
        }
    }
}
