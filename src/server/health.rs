//! Liveness and readiness: whether the process runs, and whether it can read and write data.
//!
//! Must not know what the catalog checks.

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::app::App;
use crate::dialects::RETRY_SECONDS;

/// How long the result of a check is reused: any client may ask, and each check writes.
const CHECK_PERIOD: SignedDuration = SignedDuration::from_secs(1);

/// The time and the result of the last readiness check.
#[derive(Default)]
pub(super) struct LastCheck(Mutex<Option<(Timestamp, bool)>>);

/// Always returns 200.
pub(super) async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// Returns 200 when rows can be read and written and uploads can be staged, 503 otherwise.
///
/// The last check counts while it is less than a second old. Requests during a check wait for it.
pub(super) async fn readyz(app: &App, last: &LastCheck) -> Response {
    let mut last = last.0.lock().await;
    let now = app.clock().now();
    let is_fresh = |at: &Timestamp| {
        let age = now.duration_since(*at);
        !age.is_negative() && age < CHECK_PERIOD
    };
    let known = last.filter(|(at, _)| is_fresh(at));
    let is_ready = match known {
        Some((_, is_ready)) => is_ready,
        None => check(app).await,
    };
    *last = known.or(Some((now, is_ready)));
    if is_ready {
        "ready\n".into_response()
    } else {
        let wait = [(RETRY_AFTER, RETRY_SECONDS)];
        (StatusCode::SERVICE_UNAVAILABLE, wait, "not ready: see the log\n").into_response()
    }
}

async fn check(app: &App) -> bool {
    let checked = app.blocking(|catalog| catalog.check()).await;
    if let Err(failure) = &checked {
        tracing::error!(error = ?failure, "not ready");
    }
    checked.is_ok()
}
