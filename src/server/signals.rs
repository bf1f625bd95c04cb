//! The process's signals: SIGTERM and SIGINT to end, SIGHUP to read the certificate again.
//!
//! Must not know how the caller acts on them.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves on SIGTERM or SIGINT.
pub async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = interrupt.await;
        }
    }
    #[cfg(not(unix))]
    let _ = interrupt.await;
}

/// The SIGHUPs of the process; without a listener they would end it.
pub(super) struct Hangups {
    #[cfg(unix)]
    signal: Option<Signal>,
}

impl Hangups {
    /// Starts to listen.
    pub(super) fn listen() -> Self {
        #[cfg(unix)]
        let signal = signal(SignalKind::hangup())
            .inspect_err(
                |error| tracing::warn!(%error, "SIGHUP will end the process: cannot listen for it"),
            )
            .ok();
        Self {
            #[cfg(unix)]
            signal,
        }
    }

    /// Waits for the next SIGHUP; forever on a system without them.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
