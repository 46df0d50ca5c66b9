//! Stopping a run: Ctrl-C and `exit(code)`. Both are sticky, so that no `try`/`catch` of a script can swallow them.
//!
//! Who listens to the signal is `host`; this is only what the engine and waiting functions look at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::Notify;

/// `exit` has not been called.
const RUNNING: i64 = i64::MIN;

/// Whether, and why, this run is to stop. Clones look at the same run.
#[derive(Clone)]
pub struct Interrupt(Arc<State>);

struct State {
    stopping: AtomicBool,
    exit: AtomicI64,
    bell: Notify,
}

impl Default for Interrupt {
    fn default() -> Interrupt {
        Interrupt(Arc::new(State {
            stopping: AtomicBool::new(false),
            exit: AtomicI64::new(RUNNING),
            bell: Notify::new(),
        }))
    }
}

impl Interrupt {
    /// Stops the run: pure loops at their next operation, waiting functions at once.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        self.0.bell.notify_waiters();
    }

    /// Ends the run with an exit code, as `exit(code)` does.
    pub fn exit(&self, code: i64) {
        let _ = self
            .0
            .exit
            .compare_exchange(RUNNING, code, Ordering::SeqCst, Ordering::SeqCst);
        self.stop();
    }

    /// Whether the run is to stop. One relaxed load: it is asked at every operation of a script.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// The code given to `exit`, if that is why the run stops.
    #[must_use]
    pub fn exit_code(&self) -> Option<i64> {
        Some(self.0.exit.load(Ordering::SeqCst)).filter(|code| *code != RUNNING)
    }

    /// Ends when the run is to stop.
    pub async fn stopped(&self) {
        loop {
            let bell = self.0.bell.notified();
            tokio::pin!(bell);
            // Listen before looking, or a stop between the two would be missed.
            bell.as_mut().enable();
            if self.is_stopping() {
                return;
            }
            bell.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_exit_code_counts() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.exit_code(), None);
        interrupt.exit(3);
        interrupt.exit(0);
        assert_eq!(interrupt.exit_code(), Some(3));
        assert!(interrupt.is_stopping());
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let interrupt = Interrupt::default();
        let other = interrupt.clone();
        let waiting = tokio::spawn(async move { other.stopped().await });
        interrupt.stop();
        waiting.await.unwrap();
    }
}
