//! Builds answers: JSON in one piece, or an empty body.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
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
