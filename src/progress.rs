//! What is under way, on stderr, and only on a terminal: how much of something large has come through, how fast, and how
//! long the rest will take. Everything that lasts is `output`'s.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::table;

/// Less is through before anybody could read about it.
const WORTH_IT: u64 = 4 << 20;

/// Where it is drawn.
#[derive(Debug, Clone)]
pub struct Board(Option<MultiProgress>);

impl Board {
    /// A board on a terminal, or none.
    #[must_use]
    pub fn new(on_terminal: bool) -> Board {
        Board(on_terminal.then(MultiProgress::new))
    }

    /// A line of so many bytes that come through.
    #[must_use]
    pub fn bytes(&self, what: &str, total: u64) -> Progress {
        let bars = self.0.as_ref().filter(|_| total >= WORTH_IT);
        let Some(bars) = bars else {
            return Progress(None);
        };
        let bar = bars.add(ProgressBar::new(total));
        let form =
            "{msg}  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar.set_message(table::visible(what));
        Progress(Some(bar))
    }

    /// Lets something else be written there.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// Something under way. Its line goes when this does.
#[derive(Debug)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// So much more has come through.
    pub fn add(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
