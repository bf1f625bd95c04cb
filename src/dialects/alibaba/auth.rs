//! Who calls.

use axum::response::{IntoResponse, Response};

use super::errors::ApiError;
use crate::dialects::Signed;
use crate::domain::Caller;

/// Refuses everyone.
pub(super) fn verify(_request: Signed<'_>) -> Result<Caller, Box<Response>> {
    Err(Box::new(ApiError::invalid("").into_response()))
}
