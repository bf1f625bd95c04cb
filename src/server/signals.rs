//! The process's signals: SIGTERM and SIGINT to end, SIGHUP to read the certificate again.
//!
//! Must not know how the caller acts on them.

use std::future::Future;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for SIGTERM and SIGINT from now on; the result resolves at the first of them.
///
/// A server must listen before it says that it is ready: a signal that comes earlier ends the
/// process, without the grace that requests in flight have.
pub fn stop_signal() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| {
        signal(kind)
            .inspect_err(|error| tracing::warn!(%error, "cannot listen for SIGTERM and SIGINT"))
            .ok()
    });
    async move {
        #[cfg(unix)]
        {
            let [mut terminate, mut interrupt] = signals;
            tokio::select! {
                () = received(terminate.as_mut()) => {}
                () = received(interrupt.as_mut()) => {}
            }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Waits for a signal; forever without a listener.
#[cfg(unix)]
async fn received(signal: Option<&mut Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
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
        received(self.signal.as_mut()).await;
        #[cfg(not(unix))]
        std::future::pending().await
    }
}
