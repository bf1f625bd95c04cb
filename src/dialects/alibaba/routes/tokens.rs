//! What clients ask before they upload (alibaba.md section 1.2).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use crate::app::App;
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::alibaba::wire::tokens::{AccountConfigs, Token};
use crate::dialects::alibaba::{OBJECT_MAX, ZIP_MAX, auth};
use crate::dialects::params::Params;
use crate::dialects::{Caller, Operation, answer};
use crate::domain::Role;

/// The paths of the first generation; no client asks under another date.
const PREFIXES: [&str; 2] = ["", "/2016-08-15"];

pub(super) fn operations() -> Vec<Operation> {
    let of_service = "/services/{service}/tempCodeBucketToken";
    let operations = [
        Operation::new("GetTempBucketToken", "/tempBucketToken", get(temp_bucket_token)),
        Operation::new("GetTempCodeBucketToken", of_service, get(temp_code_bucket_token)),
        Operation::new("GetAccountConfigs", "/accountConfigs", get(account_configs)),
    ];
    operations.into_iter().map(|operation| operation.under(&PREFIXES)).collect()
}

async fn temp_bucket_token(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    Ok(answer::json(StatusCode::OK, &token(&app, &caller)?))
}

/// The same for a function's code; neither service nor function need be there.
async fn temp_code_bucket_token(
    State(app): State<App>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let limit = app.upload_limits(OBJECT_MAX).size;
    Ok(answer::json(StatusCode::OK, &token(&app, &caller)?.with_limit(limit)))
}

async fn account_configs(State(app): State<App>, params: Params) -> Response {
    let limit = app.upload_limits(ZIP_MAX).size;
    answer::json(StatusCode::OK, &AccountConfigs::new(&params.all("config"), limit))
}

/// Makes credentials for who may put objects anyway.
fn token(app: &App, caller: &Caller) -> Result<Token, ApiError> {
    caller.must_be(Role::Write)?;
    let access = app.catalog().access()?;
    let credentials = auth::issue(&access, caller.key(), app.clock().now());
    Ok(Token::new(credentials, app.ids().next().to_string()))
}
