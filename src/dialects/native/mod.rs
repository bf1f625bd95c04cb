//! Our own API under `/api/v1`: uploads as raw bodies, used by our command line.
//!
//! Described in design.md section 8. Decisions made here:
//! - A list's `next` is the name or number to go on from, as text; clients pass it back unread.
//! - The head of a function is the version `null`, called `latest`.
//! - Code is the body, or the object that `bucket` and `object` name in the query of a request
//!   without a body; never both, nor half of a reference.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use axum::http::request::Parts;
use axum::response::Response;

use super::{AuthHead, AuthRequest, Call, Dialect, Operation, Refusal};
use crate::domain::ArtifactLimits;
use crate::domain::Caller;

/// The native dialect.
pub(super) struct Native;

impl Dialect for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn operations(&self) -> Vec<Operation> {
        routes::operations()
    }

    fn recognizes(&self, _head: &Parts) -> bool {
        // The last in the table takes every path that no cloud knows.
        true
    }

    fn upload_limit(&self) -> u64 {
        ArtifactLimits::default().size
    }

    fn check_head(&self, request: AuthHead<'_>) -> Result<(), Box<Response>> {
        auth::check_head(request)
    }

    fn authenticate(&self, request: AuthRequest<'_>) -> Result<Caller, Box<Response>> {
        auth::verify(request)
    }

    fn refuse(&self, _call: &Call, refusal: Refusal) -> Response {
        errors::refuse(refusal)
    }

    fn complete(&self, call: &Call, response: Response) -> Response {
        errors::complete(call, response)
    }
}
