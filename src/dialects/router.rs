//! Builds the routes of one dialect from its operations.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodFilter, on};

use super::cache::ResponseCache;
use super::dialect::Dialect;
use super::drain::Drains;
use super::gate::Gate;
use super::operation::{Operation, Route};
use crate::app::App;

/// Every method that an operation may have.
const METHODS: [MethodFilter; 9] = [
    MethodFilter::CONNECT,
    MethodFilter::DELETE,
    MethodFilter::GET,
    MethodFilter::HEAD,
    MethodFilter::OPTIONS,
    MethodFilter::PATCH,
    MethodFilter::POST,
    MethodFilter::PUT,
    MethodFilter::TRACE,
];

/// Builds the routes of one dialect. Sets no fallback: the server has one for all.
///
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
    by_path_and_method(&actions).into_iter().fold(router, |router, (path, method, actions)| {
        add(router, method, &[path], &gate(actions))
    })
}

/// Returns the actions of each path and method: a gate must know no action of another one.
fn by_path_and_method(actions: &[Operation]) -> Vec<(String, MethodFilter, Vec<Operation>)> {
    let paths: BTreeSet<&String> = actions.iter().flat_map(|action| &action.route.paths).collect();
    let mut groups = Vec::new();
    for (path, method) in paths.into_iter().flat_map(|path| METHODS.map(|method| (path, method))) {
        let is_here = |action: &&Operation| {
            let Route { methods, paths, .. } = &action.route;
            paths.contains(path) && methods.or(method) == *methods
        };
        let here: Vec<Operation> = actions.iter().filter(is_here).cloned().collect();
        if !here.is_empty() {
            groups.push((path.clone(), method, here));
        }
    }
    groups
}

fn add(
    router: Router<App>,
    methods: MethodFilter,
    paths: &[String],
    gate: &Arc<Gate>,
) -> Router<App> {
    let (gate, is_slash_served) = (Arc::clone(gate), gate.dialect.serves_slash);
    let serve = on(methods, move |request: Request| Arc::clone(&gate).admit(request));
    paths.iter().fold(router, |router, path| {
        let router = router.route(path, serve.clone());
        if path == "/" || path.contains("{*") || !is_slash_served {
            router
        } else {
            router.route(&format!("{path}/"), serve.clone())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Noun;

    fn action(name: &'static str, methods: MethodFilter, paths: &[&str]) -> Operation {
        Operation::read(name, Noun::Layer, Route::action(methods, paths), async || ())
    }

    #[test]
    fn an_action_is_served_only_on_its_own_paths_and_methods() {
        let (get, post) = (MethodFilter::GET, MethodFilter::POST);
        let actions = [
            action("List", get, &["/"]),
            action("Query", get.or(post), &["/", "/query"]),
            action("Put", post, &["/"]),
        ];
        let groups = by_path_and_method(&actions);
        let names = |actions: &[Operation]| actions.iter().map(|one| one.name).collect::<Vec<_>>();
        let found = groups.iter().map(|(path, method, here)| (&**path, *method, names(here)));
        let expected = [
            ("/", get, vec!["List", "Query"]),
            ("/", post, vec!["Query", "Put"]),
            ("/query", get, vec!["Query"]),
            ("/query", post, vec!["Query"]),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
