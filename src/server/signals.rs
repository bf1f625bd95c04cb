//! What the operating system asks of the process: to end, to read its certificate again.
//!
//! Knows signals. What is done about them is the caller's business.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves when the process is asked to end: SIGTERM or SIGINT.
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

/// The SIGHUPs of the process, which would end it if nobody listened.
pub(super) struct Hangups {
    #[cfg(unix)]
    signal: Option<Signal>,
}

impl Hangups {
    /// Listens from now on.
    pub(super) fn listen() -> Self {
        #[cfg(unix)]
        let signal = signal(SignalKind::hangup())
            .inspect_err(|error| tracing::warn!(%error, "SIGHUP will end the process"))
            .ok();
        Self {
            #[cfg(unix)]
            signal,
        }
    }

    /// Waits for the next one; for ever where there are none.
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
