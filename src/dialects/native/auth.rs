//! Who calls: `Authorization: Bearer <key id>.<secret>` (design.md section 5).

use axum::response::{IntoResponse, Response};

use super::errors::ApiError;
use crate::dialects::signing::{self, Denied};
use crate::dialects::{AuthHead, AuthRequest};
use crate::domain::{Caller, Key};

/// Yields the caller whose key the request carries.
pub(super) fn verify(request: AuthRequest<'_>) -> Result<Caller, Box<Response>> {
    key(request.head).map(|key| signing::admit(request.head, key))
}

/// Refuses whom [`verify`] refuses: a token needs no body.
pub(super) fn check_head(request: AuthHead<'_>) -> Result<(), Box<Response>> {
    key(request).map(drop)
}

fn key(request: AuthHead<'_>) -> Result<&Key, Box<Response>> {
    prove(request).map_err(|denied| Box::new(ApiError::from(denied).into_response()))
}

fn prove(request: AuthHead<'_>) -> Result<&Key, Denied> {
    let sent = signing::header(request.parts, "authorization").ok_or(Denied::Missing)?;
    let (scheme, token) = sent.split_once(' ').ok_or(Denied::Malformed("it has no blank"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::Malformed("its scheme is not Bearer"));
    }
    signing::prove_by_token(request, token.trim_start())
}
