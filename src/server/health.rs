//! Whether the process lives, and whether it can do its work.

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::app::App;

/// How long one look answers for all who ask: anyone may, and each look writes.
const LOOK_PERIOD: SignedDuration = SignedDuration::from_secs(1);

/// When the server last looked whether it is ready, and whether it was.
#[derive(Default)]
pub(super) struct LastLook(Mutex<Option<(Timestamp, bool)>>);

/// Answers as long as the process does.
pub(super) async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// Answers 200 when rows can be read and written and uploads can gather, 503 otherwise: as of the
/// last look while that is less than a second old. Who asks during a look waits for it.
pub(super) async fn readyz(app: &App, last: &LastLook) -> (StatusCode, &'static str) {
    let mut last = last.0.lock().await;
    let now = app.clock().now();
    let is_fresh = |at: &Timestamp| {
        let age = now.duration_since(*at);
        !age.is_negative() && age < LOOK_PERIOD
    };
    let known = last.filter(|(at, _)| is_fresh(at));
    let is_ready = match known {
        Some((_, is_ready)) => is_ready,
        None => look(app).await,
    };
    *last = known.or(Some((now, is_ready)));
    if is_ready {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: see the log\n")
    }
}

async fn look(app: &App) -> bool {
    let checked = app.blocking(|catalog| catalog.check()).await;
    if let Err(failure) = &checked {
        tracing::error!(error = ?failure, "not ready");
    }
    checked.is_ok()
}
