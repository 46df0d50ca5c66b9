//! Who reads what a run writes, and may go away: a run that waits for what comes next would not notice before it writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::engine::interrupt::Interrupt;

/// The reader is looked for so often.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 250_000_000,
};

/// Watches the reader of stdout for as long as this lives.
pub(super) struct Reader(Arc<AtomicBool>);

impl Reader {
    /// Ends the run quietly where nobody reads stdout any more.
    pub(super) fn watch(interrupt: &Interrupt) -> Reader {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, interrupt) = (Arc::clone(&is_over), interrupt.clone());
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let stdout = std::io::stdout();
                let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
                // A pipe whose reader has closed it is in error; nothing else is asked for.
                let is_gone = poll(&mut watched, Some(&LOOK)).is_ok_and(|count| count > 0);
                if is_gone && !over.load(Ordering::Relaxed) {
                    return interrupt.exit(0);
                }
            }
        });
        Reader(is_over)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
