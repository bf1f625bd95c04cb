//! The operations, by noun.

mod functions;
mod layers;
mod versions;

use axum::http::Method;
use axum::routing::MethodFilter;

use super::auth::TENANT_HEADERS;
use crate::dialects::operation::Operation;

/// Returns the operations of this dialect, in the order of openyuanrong.md section 1.
pub(super) fn operations() -> Vec<Operation> {
    let groups = [versions::operations(), functions::operations(), layers::operations()];
    groups.into_iter().flatten().collect()
}

/// The prefixes of the functions' own API.
const SERVERLESS: &[&str] = &["/serverless/v1", "/admin/v1"];

/// The prefix of uploads and layers.
const REPOSITORY: &[&str] = &["/function-repository/v1"];

/// Whether an operation has this method and path.
pub(super) fn is_served(method: &Method, path: &str) -> bool {
    // HEAD is answered like GET.
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let Ok(method) = MethodFilter::try_from(method.clone()) else { return false };
    operations().into_iter().any(|operation| {
        let route = operation.route;
        route.methods.or(method) == route.methods
            && route.paths.iter().any(|pattern| fits(pattern, path))
    })
}

/// Whether a path fits a route, whose parameters are whole segments that are not empty.
fn fits(pattern: &str, path: &str) -> bool {
    let is_same = |(wanted, found): (&str, &str)| {
        wanted == found || wanted.starts_with('{') && !found.is_empty()
    };
    pattern.split('/').count() == path.split('/').count()
        && pattern.split('/').zip(path.split('/')).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn served_methods_and_paths_are_those_of_the_operations() {
        let get = |path: &str| is_served(&Method::GET, path);
        for path in ["/serverless/v1/functions", "/admin/v1/functions/a%2Fb/versions"] {
            assert!(get(path) && is_served(&Method::HEAD, path), "{path}");
            assert!(is_served(&Method::POST, path) && !is_served(&Method::PATCH, path), "{path}");
        }
        for path in ["", "/", "/serverless/v1", "/serverless/v1/functions/", "//functions"] {
            assert!(!get(path), "{path}");
        }
        assert!(!get("/function-repository/v1/functions") && get("/function-repository/v1/layers"));
    }
}
