//! The signals that stop a run: Ctrl-C, and SIGTERM, with which systemd, Kubernetes and Prefect end what takes too long.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Kind, Result};

/// Stop signals, from the moment this exists on; none is missed between two waits.
pub(super) struct Stops {
    interrupt: Signal,
    terminate: Signal,
    /// A file that may not grow: an error of the write, and no end of the program.
    _full: Signal,
}

impl Stops {
    /// Listens. Must be called on a runtime, or inside one that was entered.
    pub(super) fn listen() -> Result<Stops> {
        let failed = |error: std::io::Error| {
            Error::new(Kind::Io, "stop signals cannot be listened to").cause(error.to_string())
        };
        Ok(Stops {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            _full: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))
                .map_err(failed)?,
        })
    }

    /// Waits for the next.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
