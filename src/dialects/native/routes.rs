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
use crate::domain::{Caller, CatalogError};

/// Operations of this dialect, layers first.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = layers::operations();
    operations.extend(functions::operations());
    operations.push(Operation::new("GetCode", "/api/v1/code/{sha256}", get(get_code)));
    operations.extend(log::operations());
    operations
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
