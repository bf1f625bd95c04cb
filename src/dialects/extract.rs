//! The extractors that handlers of all dialects share. Knows no cloud.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use super::call::Call;
use super::refusal::Refused;
use crate::domain::{Caller, CatalogError, Field, Stamp};
use crate::ingest::Spool;

/// Unwraps an extension that the gate always inserts; its absence is a bug.
pub(super) fn required<T>(extension: Option<T>) -> Result<T, Refused> {
    extension.ok_or_else(|| CatalogError::internal("the gate was passed by").into())
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Refused> {
        required(head.extensions.get().cloned())
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Refused> {
        required(head.extensions.get().cloned())
    }
}

impl<S: Sync> FromRequestParts<S> for Stamp {
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Refused> {
        required(head.extensions.get().cloned())
    }
}

/// Something that one handler takes out of the request's extensions, once.
pub(super) struct Once<T>(Arc<T>);

// Extensions must be `Clone`; the value itself is not cloned.
impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> Once<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    pub(super) fn take(head: &mut Parts) -> Result<T, Refused> {
        required(head.extensions.remove::<Self>().and_then(|once| Arc::into_inner(once.0)))
    }
}

/// The request's body, once.
pub(super) struct Body(pub(super) Spool);

impl<S: Sync> FromRequestParts<S> for Body {
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Refused> {
        Once::take(head).map(Self)
    }
}

/// The path's parameters in order, each percent-decoded once after the path was split.
pub(super) struct Segments<const N: usize>(pub(super) [String; N]);

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for Segments<N> {
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Refused> {
        let refuse = |reason: &str| CatalogError::invalid(Field::Path, reason);
        let raw = RawPathParams::from_request_parts(head, state)
            .await
            .map_err(|_| refuse("must be UTF-8"))?;
        let decoded: Result<Vec<String>, _> = raw
            .iter()
            .map(|(_, value)| percent_decode_str(value).decode_utf8().map(Into::into))
            .collect();
        let decoded = decoded.map_err(|_| refuse("must be UTF-8"))?;
        let wrong_number = |_| refuse("has a wrong number of parts").into();
        decoded.try_into().map(Self).map_err(wrong_number)
    }
}
