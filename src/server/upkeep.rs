//! What the server does by itself, at its start and from time to time: the inbox is rid of what is
//! expired.
//!
//! Knows when; what is expired is the catalog's to say.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::app::App;

/// How long something may lie in the inbox after it expired. No answer shows it meanwhile.
const PERIOD: Duration = Duration::from_secs(60);

/// Keeps the data folder up until it is dropped, which waits for a stretch that runs and no longer.
pub(super) async fn keep_up(app: App) -> Infallible {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match app.blocking(|catalog| catalog.sweep_inbox_once()).await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(failure) => {
                    tracing::error!(?failure, "the inbox was not swept");
                    break;
                }
            }
        }
    }
}
