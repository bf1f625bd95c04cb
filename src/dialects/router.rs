//! Builds the routes of one dialect from its operations.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodFilter, on};

use super::cache::ResponseCache;
use super::dialect::Dialect;
use super::drain::Drains;
use super::gate::Gate;
use super::operation::Operation;
use crate::app::App;

/// Builds the routes of one dialect. Sets no fallback: the server has one for all.
///
/// Every path is also routed with a `/` at its end: vendors' documents show both.
pub fn routes(dialect: &'static Dialect, app: &App, drains: &Drains) -> Router<App> {
    let cache = Arc::new(ResponseCache::default());
    let (actions, others): (Vec<_>, Vec<_>) =
        (dialect.operations)().into_iter().partition(|operation| operation.route.is_shared);
    let gate = |operations: Vec<Operation>| {
        let (app, cache, drains) = (app.clone(), Arc::clone(&cache), drains.clone());
        Arc::new(Gate { dialect, app, cache, drains, operations })
    };
    let router = others.into_iter().fold(Router::new(), |router, operation| {
        let (methods, paths) = (operation.route.methods, operation.route.paths.clone());
        add(router, methods, &paths, &gate(vec![operation]))
    });
    let Some(first) = actions.first() else { return router };
    let paths = first.route.paths.clone();
    let methods = actions.iter().map(|action| action.route.methods).reduce(MethodFilter::or);
    let Some(methods) = methods else { return router };
    add(router, methods, &paths, &gate(actions))
}

fn add(
    router: Router<App>,
    methods: MethodFilter,
    paths: &[String],
    gate: &Arc<Gate>,
) -> Router<App> {
    let gate = Arc::clone(gate);
    let serve = on(methods, move |request: Request| Arc::clone(&gate).admit(request));
    paths.iter().fold(router, |router, path| {
        let router = router.route(path, serve.clone());
        if path == "/" || path.contains("{*") {
            router
        } else {
            router.route(&format!("{path}/"), serve.clone())
        }
    })
}
