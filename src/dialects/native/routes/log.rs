//! The audit log, for administrators.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::catalog::Catalog;
use crate::dialects::native::paging;
use crate::dialects::native::wire::{ChangeBody, List};
use crate::dialects::operation::{Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::domain::{Caller, Noun};

/// Returns the operations on the log.
pub(super) fn operations() -> Vec<Operation> {
    // Not cached: commands on the data folder add lines too, which this process does not count.
    vec![Operation::admin("ListChanges", Noun::Change, Route::get("/api/v1/log"), list)]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<List<ChangeBody>>, Refused> {
    let after = paging::position(&params)?.unwrap_or_default();
    let limit = paging::limit(&params)?;
    let subject = paging::subject(caller.tenant(), &params)?;
    let list = |catalog: &Catalog| catalog.list_audit(&caller, subject.as_ref(), after, limit);
    let page = app.read(list).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| last.sequence.to_string());
    Ok(Json(List { items: page.items.into_iter().map(ChangeBody::from).collect(), next }))
}
