//! Being asked to end: once politely, twice at once.

use std::io;

use crate::exit::Failure;

/// Ctrl-C, or the signal that a service manager sends.
#[derive(Debug)]
pub(crate) struct Interrupts {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Interrupts {
    /// Listens from now on: none is missed between two calls of [`next`](Self::next).
    pub(crate) fn listen() -> Result<Self, Failure> {
        let cannot = |error: io::Error| Failure::new(format!("cannot listen for Ctrl-C: {error}"));
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
            let terminate = signal(SignalKind::terminate()).map_err(cannot)?;
            Ok(Self { signals: [interrupt, terminate] })
        }
        #[cfg(not(unix))]
        {
            let _ = cannot;
            Ok(Self {})
        }
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
