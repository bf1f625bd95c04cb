//! Background work of the server, at its start and once a minute: sweeps expired objects from the
//! inbox.
//!
//! Knows the schedule. The catalog decides what is expired.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::app::App;

/// How long an expired object may stay in the inbox. Reads do not see it meanwhile.
const PERIOD: Duration = Duration::from_secs(60);

/// Sweeps the inbox until the future is dropped. A batch that is already running still finishes.
pub(super) async fn run(app: App) -> Infallible {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match app.blocking(|catalog| catalog.sweep_inbox_once()).await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(failure) => {
                    tracing::error!(?failure, "cannot sweep the inbox");
                    break;
                }
            }
        }
    }
}
