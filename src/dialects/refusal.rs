//! Refusals, which handlers and extractors return and the gate renders.
//!
//! Rendering needs the request's id and path, which only the gate has. Knows no cloud.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};

use super::call::Call;
use crate::domain::{CatalogError, RequestError};

/// An error in one cloud's own terms.
pub(super) trait Refusal: Send + Sync + 'static {
    /// Renders the answer to a request.
    fn render(&self, call: &Call) -> Response;
}

/// A refusal that is not rendered yet.
#[derive(Clone)]
pub struct Refused(Arc<Reason>);

/// The state of a refusal.
pub(super) enum Reason {
    /// A dialect has converted it.
    Worded(Box<dyn Refusal>),
    /// The request's dialect must still convert it.
    Unworded(RequestError),
}

impl Refused {
    /// Returns the reason, to convert or to render it.
    pub(super) fn into_reason(self) -> Reason {
        let shared = || Reason::Unworded(CatalogError::internal("a refusal was copied").into());
        Arc::into_inner(self.0).unwrap_or_else(shared)
    }
}

impl<R: Refusal> From<R> for Refused {
    fn from(refusal: R) -> Self {
        Self(Arc::new(Reason::Worded(Box::new(refusal))))
    }
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        Self(Arc::new(Reason::Unworded(error)))
    }
}

impl From<CatalogError> for Refused {
    fn from(error: CatalogError) -> Self {
        RequestError::from(error).into()
    }
}

/// The refusal waits in the answer's extensions until the gate renders it.
impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// A request that no operation serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// No operation has this path, or this action.
    Path,
    /// The path's operations have other methods.
    Method,
}
