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
pub(super) struct LastCheck(Mutex<Option<(Timestamp, Result<(), String>)>>);

/// Always returns 200.
pub(super) async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// Returns 200 when a row can be committed and a file written, both synced, and the disk has room
/// for uploads; 503 with the reason otherwise.
///
/// The last check counts while it is less than a second old. Requests during a check wait for it.
pub(super) async fn readyz(app: &App, last: &LastCheck) -> Response {
    let mut last = last.0.lock().await;
    let now = app.clock().now();
    let is_fresh = |at: &Timestamp| {
        let age = now.duration_since(*at);
        !age.is_negative() && age < CHECK_PERIOD
    };
    let known = last.take().filter(|(at, _)| is_fresh(at));
    let (at, ready) = match known {
        Some(known) => known,
        None => (now, check(app).await),
    };
    let (_, ready) = last.insert((at, ready));
    match ready {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => {
            let wait = [(RETRY_AFTER, RETRY_SECONDS)];
            (StatusCode::SERVICE_UNAVAILABLE, wait, format!("not ready: {reason}\n"))
                .into_response()
        }
    }
}

/// Checks the catalog; returns the reason why it is not ready.
async fn check(app: &App) -> Result<(), String> {
    let checked = match app.spawn_blocking(|catalog| catalog.check()).await {
        Ok(checked) => checked.map_err(|unready| (unready.to_string(), format!("{unready:?}"))),
        Err(failure) => Err((failure.to_string(), format!("{failure:?}"))),
    };
    checked.map_err(|(reason, error)| {
        tracing::error!(error, "not ready");
        reason
    })
}
