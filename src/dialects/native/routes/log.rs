//! The log of changes, for admins.

use axum::Json;
use axum::extract::State;
use axum::routing::get;

use crate::app::App;
use crate::dialects::Operation;
use crate::dialects::native::errors::ApiError;
use crate::dialects::native::paging;
use crate::dialects::native::wire::{ChangeBody, List};
use crate::dialects::params::Params;
use crate::domain::Caller;

pub(super) fn operations() -> Vec<Operation> {
    // Not cacheable: commands on the data folder write lines too, unseen by this process.
    vec![Operation::new("ListChanges", "/api/v1/log", get(list))]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<List<ChangeBody>>, ApiError> {
    let after = paging::position(&params)?.unwrap_or_default();
    let limit = paging::limit(&params)?;
    let page = app.read(|catalog| catalog.list_audit(&caller, after, limit))?;
    let next = page.items.last().filter(|_| page.more).map(|last| last.sequence.to_string());
    Ok(Json(List { items: page.items.into_iter().map(ChangeBody::from).collect(), next }))
}
