//! What the tasks of upkeep did, for administrators.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::dialects::native::wire::{List, TaskBody};
use crate::dialects::operation::{Operation, Route};
use crate::domain::Noun;

/// Returns the operations on tasks.
pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::admin("ListTasks", Noun::Task, Route::get("/api/v1/upkeep"), list)]
}

async fn list(State(app): State<App>) -> Json<List<TaskBody>> {
    let items = app.upkeep().reports().into_iter().map(TaskBody::from).collect();
    Json(List { items, next: None })
}
