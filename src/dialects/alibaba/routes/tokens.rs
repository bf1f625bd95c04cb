//! Temporary credentials and limits, which clients read before an upload (alibaba.md section 1.2).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::dialects::alibaba::wire::tokens;
use crate::dialects::alibaba::{OBJECT_MAX, ZIP_MAX, oss};
use crate::dialects::answer;
use crate::dialects::json_writer::JsonObject;
use crate::dialects::operation::{Operation, Route};
use crate::dialects::params::Params;
use crate::domain::{Caller, Noun, Stamp};

/// The paths of the first generation; no client uses another date.
const PREFIXES: [&str; 2] = ["", "/2016-08-15"];

pub(super) fn operations() -> Vec<Operation> {
    let bucket = Route::get("/tempBucketToken").under(&PREFIXES);
    let code = Route::get("/services/{service}/tempCodeBucketToken").under(&PREFIXES);
    let configs = Route::get("/accountConfigs").under(&PREFIXES);
    vec![
        Operation::write("GetTempBucketToken", Noun::Key, bucket, temp_bucket_token).unlogged(),
        Operation::write("GetTempCodeBucketToken", Noun::Key, code, temp_code_bucket_token)
            .unlogged(),
        Operation::read("GetAccountConfigs", Noun::Tenant, configs, account_configs),
    ]
}

async fn temp_bucket_token(State(app): State<App>, stamp: Stamp, caller: Caller) -> Response {
    token(&app, &stamp, &caller, None)
}

/// Returns credentials for a function's code; neither service nor function must exist.
async fn temp_code_bucket_token(State(app): State<App>, stamp: Stamp, caller: Caller) -> Response {
    token(&app, &stamp, &caller, Some(app.upload_limits(OBJECT_MAX).size))
}

fn token(app: &App, stamp: &Stamp, caller: &Caller, limit: Option<u64>) -> Response {
    let credentials = oss::issue(&stamp.access, caller.key(), app.clock().now());
    let token = tokens::write(&credentials, &app.ids().next().to_string(), limit);
    answer::written(StatusCode::OK, token)
}

/// Returns the settings among the parameters `config` that this server knows, all as texts; without
/// that parameter it returns all.
async fn account_configs(State(app): State<App>, params: Params) -> Response {
    let names = params.all("config");
    let mut text = Vec::new();
    let mut configs = JsonObject::begin(&mut text);
    if names.is_empty() || names.iter().any(|name| name == "CodeSizeLimit") {
        configs.digits("CodeSizeLimit", app.upload_limits(ZIP_MAX).size);
    }
    configs.end();
    answer::written(StatusCode::OK, text)
}
