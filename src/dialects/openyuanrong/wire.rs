//! Bodies of requests and answers, by noun (openyuanrong.md sections 1 to 5).

pub(super) mod encoding;
pub(super) mod extra;
pub(super) mod function;
pub(super) mod input;
pub(super) mod layer;
pub(super) mod names;
pub(super) mod settings;
pub(super) mod upload;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Map;

use function::FunctionBody;

/// The envelope of register, get and publish.
#[derive(Serialize)]
struct Success {
    code: u32,
    message: &'static str,
    function: FunctionBody,
}

/// The envelope of all other answers but the list of versions and a deleted function.
#[derive(Serialize)]
struct Outcome<T> {
    code: u32,
    message: &'static str,
    result: T,
}

pub(super) fn outcome(result: impl Serialize) -> Response {
    encoding::json(StatusCode::OK, &Outcome { code: 0, message: "", result })
}

/// Answers 200 with an object without members.
pub(super) fn empty() -> Response {
    encoding::json(StatusCode::OK, &Map::new())
}

/// Answers register, get or publish; an administrator gets the other envelope.
pub(super) fn function_answer(function: FunctionBody, is_admin: bool) -> Response {
    if is_admin {
        return outcome(function);
    }
    encoding::json(StatusCode::OK, &Success { code: 0, message: "SUCCESS", function })
}
