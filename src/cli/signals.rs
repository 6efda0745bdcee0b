//! What asks a program that runs for long to stop: SIGTERM and SIGINT.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that end a program in order. They are heard from [`Signals::listen`] on, so that none is lost while it starts.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Hears the signals from now on.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(super) fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt })
    }

    /// Lets `running` run to its end. A signal cancels `stop`, which it heeds.
    pub(super) async fn end<T>(
        mut self,
        stop: &CancellationToken,
        running: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => return ended,
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
        running.await
    }
}
