//! Who calls: with authentication off, the default tenant.

use axum::http::request::Parts;
use axum::response::Response;

use crate::app::App;
use crate::dialects::Caller;
use crate::domain::TenantId;
use crate::ingest::Spool;

/// Yields the default tenant; credentials may be there and are not looked at.
pub(super) fn verify(_app: &App, _head: &Parts, _body: &Spool) -> Result<Caller, Box<Response>> {
    Ok(Caller::new(TenantId::default_tenant()))
}
