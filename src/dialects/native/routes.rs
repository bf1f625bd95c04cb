//! The native operations, by noun.

mod functions;
mod layers;
mod log;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::errors::ApiError;
use crate::app::App;
use crate::dialects::Operation;
use crate::dialects::gate::Segments;
use crate::dialects::links::Links;
use crate::dialects::params::Params;
use crate::domain::{Caller, CatalogError, ObjectRef};
use crate::ingest::Spool;

/// Operations of this dialect, layers first.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = layers::operations();
    operations.extend(functions::operations());
    operations.push(Operation::new("GetCode", "/api/v1/code/{sha256}", get(get_code)));
    operations.extend(log::operations());
    operations
}

/// Reads the reference to code in a bucket, `bucket` and `object`; refused beside a body, and one
/// without the other.
fn reference(params: &Params, body: &Spool) -> Result<Option<ObjectRef>, CatalogError> {
    let alone = |field, other| {
        CatalogError::invalid(field, format!("needs {other} beside it: code is named by both"))
    };
    let object = match (params.raw("bucket"), params.raw("object")) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(alone("bucket", "object")),
        (None, Some(_)) => return Err(alone("object", "bucket")),
        (Some(bucket), Some(key)) => ObjectRef::parse(bucket, key)?,
    };
    match body.is_empty() {
        true => Ok(Some(object)),
        false => Err(CatalogError::invalid("bucket", "must not be there beside code in the body")),
    }
}

/// Leads to the bytes of a version by their SHA-256.
async fn get_code(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([stated]): Segments<1>,
) -> Result<Response, ApiError> {
    let mut sha256 = [0; 32];
    hex::decode_to_slice(&stated, &mut sha256)
        .map_err(|_| CatalogError::invalid("sha256", "must be 64 hexadecimal digits"))?;
    app.read(|catalog| catalog.find_code(caller.tenant(), &sha256))?;
    let link = links.code(&sha256, &format!("{stated}.zip"));
    Ok(axum::response::Redirect::temporary(&link).into_response())
}
