//! Authentication: `Authorization: Bearer <key id>.<secret>` (design.md section 5).

use super::errors::ApiError;
use crate::dialects::auth::{self, AuthHead, AuthRequest, Denied};
use crate::dialects::refusal::Refused;
use crate::dialects::signing;
use crate::domain::{Caller, Key};

/// Returns the caller whose key is in the request.
pub(super) fn authenticate(request: AuthRequest<'_>) -> Result<Caller, Refused> {
    Ok(auth::caller(request.head, prove(request.head)?))
}

/// Returns the key in the head, which is proved: a token needs no body.
pub(super) fn claimed_key(request: AuthHead<'_>) -> Result<Option<&Key>, Refused> {
    Ok(Some(prove(request)?))
}

fn prove(request: AuthHead<'_>) -> Result<&Key, ApiError> {
    let sent = signing::header(request.parts, "authorization").ok_or(Denied::Missing)?;
    let (scheme, token) = sent.split_once(' ').ok_or(Denied::Malformed("it has no blank"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::Malformed("its scheme is not Bearer").into());
    }
    Ok(auth::prove_by_token(request, token.trim_start())?)
}
