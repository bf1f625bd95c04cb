//! Who calls.

use axum::response::Response;

use super::errors;
use crate::dialects::{Refusal, Signed};
use crate::domain::Caller;

/// Refuses everyone.
pub(super) fn verify(_request: Signed<'_>) -> Result<Caller, Box<Response>> {
    Err(Box::new(errors::refuse(Refusal::UnknownMethod)))
}
