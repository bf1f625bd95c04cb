//! What comes in and goes out, by noun (openyuanrong.md sections 1 to 5).

pub(super) mod encoding;
pub(super) mod extra;
pub(super) mod function;
pub(super) mod input;
pub(super) mod layer;
pub(super) mod names;
pub(super) mod settings;
pub(super) mod upload;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The envelope of register, get and publish.
#[derive(Serialize)]
pub(super) struct Success<T> {
    code: u32,
    message: &'static str,
    function: T,
}

impl<T> Success<T> {
    pub(super) fn new(function: T) -> Self {
        Self { code: 0, message: "SUCCESS", function }
    }
}

/// The envelope of everything else.
#[derive(Serialize)]
pub(super) struct Outcome<T> {
    code: u32,
    message: &'static str,
    result: T,
}

impl<T> Outcome<T> {
    pub(super) fn new(result: T) -> Self {
        Self { code: 0, message: "", result }
    }
}

/// The answer without fields.
#[derive(Serialize)]
pub(super) struct Nothing {}

/// Answers 200 with a body.
pub(super) struct Answer<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        encoding::json(StatusCode::OK, &self.0)
    }
}
