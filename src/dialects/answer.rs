//! Answers in JSON: whole, or list by list where a cloud has no pages.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

/// The media type of most clouds' answers, exactly so: some clients compare the whole text.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Bytes to begin an answer with: most fit, and a page of rows grows from here in few steps.
const ANSWER_USUAL: usize = 1024;

/// Renders a whole answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    // The wire types have text keys and finite numbers, so that serialising them cannot fail.
    let mut text = Vec::with_capacity(ANSWER_USUAL);
    let _ = serde_json::to_writer(&mut text, value);
    written(status, text)
}

/// An answer whose JSON is written already.
pub(super) fn written(status: StatusCode, mut text: Vec<u8>) -> Response {
    // It may be kept, and `pages` counts its bytes alone.
    if text.len() < text.capacity() / 2 {
        text.shrink_to_fit();
    }
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// An answer without a body, and so without a media type.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// Writes a request's id into a header.
pub(super) fn insert_id(response: &mut Response, name: HeaderName, id: &str) {
    // Ids are hexadecimal digits and hyphens, which a header can hold.
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(name, value);
    }
}

/// Writes a fault of ours to the log, with everything behind it; clients only learn that there was
/// one.
pub(super) fn log_internal(source: &(dyn std::error::Error + Send + Sync + 'static)) {
    let mut text = source.to_string();
    let mut next = source.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    tracing::error!(error = text, "an internal error");
}
