//! Who calls: `Authorization: Bearer <key id>.<secret>` (DESIGN.md section 5).

use axum::response::{IntoResponse, Response};

use super::errors::ApiError;
use crate::dialects::Signed;
use crate::dialects::signing::{self, Denied};
use crate::domain::Caller;

/// Yields the caller whose key the request carries.
pub(super) fn verify(request: Signed<'_>) -> Result<Caller, Box<Response>> {
    identify(request).map_err(|denied| Box::new(ApiError::from(denied).into_response()))
}

fn identify(request: Signed<'_>) -> Result<Caller, Denied> {
    let sent = signing::header(request.head, "authorization").ok_or(Denied::Missing)?;
    let (scheme, token) = sent.split_once(' ').ok_or(Denied::Malformed("it has no blank"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::Malformed("its scheme is not Bearer"));
    }
    signing::identify_by_token(request, token.trim_start())
}
