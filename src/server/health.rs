//! Whether the process lives, and whether it can do its work.

use axum::extract::State;
use axum::http::StatusCode;

use crate::app::App;

/// Answers as long as the process does.
pub(super) async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// Answers 200 when rows can be read and written and uploads can gather, 503 otherwise.
pub(super) async fn readyz(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.write(|catalog| catalog.check()).await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(failure) => {
            tracing::error!(error = ?failure, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: see the log\n")
        }
    }
}
