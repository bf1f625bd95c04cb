//! Every dialect's answers to temporary faults.

use axum::body::Bytes;
use axum::http::header::RETRY_AFTER;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::runtime::Builder;

use super::*;
use crate::domain::{CatalogError, RequestError, RequestLimit};
use signing::mutations::Sample;

/// Returns the status, the body and whether the answer has `Retry-After`.
fn refusal(dialect: &Dialect, error: impl Into<RequestError>) -> (StatusCode, Bytes, bool) {
    let (head, ()) = Request::new(()).into_parts();
    let call = Sample::call(&head, None);
    let response = gate::refuse(dialect, &call, error.into().into());
    let (head, body) = response.into_parts();
    let runtime = Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(body.collect()).unwrap().to_bytes();
    (head.status, body, head.headers.contains_key(RETRY_AFTER))
}

#[test]
fn a_temporary_fault_is_reported_without_its_source() {
    for dialect in DIALECTS {
        let source = || "/the/path".into();
        let busy = CatalogError::Unavailable { what: "the catalog", source: source() };
        let full = CatalogError::NoSpace { source: source() };
        for (error, wanted) in [(busy, 503), (full, 507)] {
            let text = error.to_string();
            let (status, body, waits) = refusal(dialect, error);
            let body = String::from_utf8_lossy(&body).into_owned();
            // Two clouds put the status of their service into the body of a 200.
            let is_inside = matches!(dialect.name, "ctyun" | "tencent") && status == 200;
            assert!(status == wanted || is_inside, "{}: {status} {body}", dialect.name);
            assert_eq!(waits, !is_inside, "{}: {body}", dialect.name);
            assert!(body.contains(&text.replace('\'', "&apos;")) || body.contains(&text), "{body}");
            assert!(!body.contains("/the/path"), "{body}");
        }
    }
}

#[test]
fn a_request_over_a_limit_gets_retry_after() {
    for dialect in DIALECTS.into_iter().filter(|dialect| dialect.name != "tencent") {
        for what in [RequestLimit::Rate, RequestLimit::Requests, RequestLimit::Uploads] {
            let (status, _, waits) =
                refusal(dialect, RequestError::Limit { what, limit: 1, actual: 2 });
            assert!(waits, "{}: {status}", dialect.name);
        }
    }
}
