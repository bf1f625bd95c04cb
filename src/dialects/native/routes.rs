//! The native operations, by noun.

mod functions;
mod layers;
mod log;
mod upkeep;

use axum::extract::State;
use axum::response::Redirect;

use super::ZIP_MAX;
use super::errors::ApiError;
use crate::app::App;
use crate::dialects::extract::Segments;
use crate::dialects::links::Links;
use crate::dialects::operation::{Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::domain::{Caller, CodeSource, Noun, ObjectRef};
use crate::ingest::{Spool, Staged, Staging};

/// Returns the operations, layers first.
pub(super) fn operations() -> Vec<Operation> {
    let code = Route::get("/api/v1/code/{sha256}");
    let mut operations = layers::operations();
    operations.extend(functions::operations());
    operations.push(Operation::read("GetCode", Noun::Code, code, get_code));
    operations.extend(log::operations());
    operations.extend(upkeep::operations());
    operations
}

/// Returns the inspected code of a request: its body, or a copy of the object that `bucket` and
/// `object` name; `None` without either.
async fn read_code(
    app: &App,
    caller: &Caller,
    params: &Params,
    body: Spool,
) -> Result<Option<Staged>, ApiError> {
    let incomplete = |parameter, other| {
        let reason = format!("needs {other} beside it: code is named by both");
        Err(ApiError::invalid(parameter, reason))
    };
    let limits = app.upload_limits(ZIP_MAX);
    let source = match (params.raw("bucket"), params.raw("object")) {
        (None, None) if body.is_empty() => return Ok(None),
        (None, None) => CodeSource::Archive(Staging::of_spool(body, limits)),
        (Some(_), None) => return incomplete("bucket", "object"),
        (None, Some(_)) => return incomplete("object", "bucket"),
        (Some(bucket), Some(key)) => {
            let object = ObjectRef::parse(bucket, key)?;
            if !body.is_empty() {
                let rule = "must not be there beside code in the body";
                return Err(ApiError::invalid("bucket", rule));
            }
            CodeSource::Object(object)
        }
    };
    let staging = app.stage(caller, source, limits).await?;
    Ok(Some(app.blocking(move |_| staging.finish()).await?))
}

/// Redirects to the code with a SHA-256.
async fn get_code(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([stated]): Segments<1>,
) -> Result<Redirect, Refused> {
    let mut sha256 = [0; 32];
    hex::decode_to_slice(&stated, &mut sha256)
        .map_err(|_| ApiError::invalid("sha256", "must be 64 hexadecimal digits"))?;
    app.read(|catalog| catalog.find_code(caller.tenant(), &sha256)).await?;
    let link = links.code(&sha256, &format!("{stated}.zip"));
    Ok(Redirect::temporary(&link))
}
