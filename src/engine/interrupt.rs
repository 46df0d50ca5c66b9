//! Stopping a run: Ctrl-C, `exit(code)`, and the end of what can be planned. All are sticky, so that no `try`/`catch` of
//! a script can swallow them.
//!
//! Who listens to the signal is `host`; this is only what the engine and waiting functions look at.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// `exit` has not been called.
const RUNNING: i64 = i64::MIN;

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interrupt")
    }
}

/// Whether, and why, this run is to stop. Clones look at the same run.
#[derive(Clone)]
pub struct Interrupt(Arc<State>);

struct State {
    stopping: AtomicBool,
    exit: AtomicI64,
    /// Why the pass ends here though the script does not: the rest depends on a result that is not there yet.
    part: Mutex<Option<String>>,
    by_signal: AtomicBool,
    bell: Notify,
}

impl Default for Interrupt {
    fn default() -> Interrupt {
        Interrupt(Arc::new(State {
            stopping: AtomicBool::new(false),
            exit: AtomicI64::new(RUNNING),
            part: Mutex::new(None),
            by_signal: AtomicBool::new(false),
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

    /// Ends this pass of the script here: the rest depends on results that are not there yet. The first reason counts.
    pub fn end_part(&self, why: &str) {
        let mut part = self.0.part.lock().unwrap_or_else(PoisonError::into_inner);
        part.get_or_insert_with(|| why.to_owned());
        drop(part);
        self.stop();
    }

    /// Why the pass ended before the script did, if it did.
    #[must_use]
    pub fn part_end(&self) -> Option<String> {
        let part = self.0.part.lock().unwrap_or_else(PoisonError::into_inner);
        part.clone()
    }

    /// Forgets why the last pass ended, so that the next can begin. A stop by the operator stays.
    pub fn begin_pass(&self) {
        self.end_pass();
        self.0.exit.store(RUNNING, Ordering::SeqCst);
        *self.0.part.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Forgets every stop, also by a signal: what was stopped was one entry at a prompt.
    pub fn begin_entry(&self) {
        self.0.by_signal.store(false, Ordering::SeqCst);
        self.0.stopping.store(false, Ordering::SeqCst);
        self.begin_pass();
    }

    /// Lets the host go on after a pass that ended by itself, with `exit` or where its plan did: why it did stays known.
    /// A stop by the operator stays.
    pub fn end_pass(&self) {
        let ended_by_itself = self.exit_code().is_some() || self.part_end().is_some();
        if ended_by_itself {
            self.0.stopping.store(false, Ordering::SeqCst);
        }
        // Looked at after, or a signal between the two would be missed.
        if self.is_by_signal() {
            self.stop();
        }
    }

    /// Stops the run on a signal: unlike any other stop, it lasts over all passes.
    pub fn stop_by_signal(&self) {
        self.0.by_signal.store(true, Ordering::SeqCst);
        self.stop();
    }

    /// Whether a signal stopped the run.
    #[must_use]
    pub fn is_by_signal(&self) -> bool {
        self.0.by_signal.load(Ordering::SeqCst)
    }

    /// Lets script code run although the run is stopping: what was deferred. Gives what puts the stop back.
    pub fn suspend(&self) -> impl FnOnce() + use<> {
        let was = self.0.stopping.swap(false, Ordering::SeqCst);
        let state = Arc::clone(&self.0);
        move || {
            state.stopping.fetch_or(was, Ordering::SeqCst);
        }
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
