//! What is under way, on stderr: how much of something large has come through, how fast, and how long the rest will take.
//! On a terminal as a line that moves; elsewhere, for what asks for it, as JSON lines. Everything that lasts is `output`'s.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use serde_json::json;

use crate::table;

/// Less is through before anybody could read about it.
const WORTH_IT: u64 = 4 << 20;
/// JSON lines come so far apart at least.
const BETWEEN_LINES: Duration = Duration::from_secs(2);

/// Where it is drawn.
#[derive(Debug, Clone)]
pub struct Board {
    bars: Option<MultiProgress>,
    /// Whether a program reads, and no person.
    lines: bool,
}

impl Board {
    /// A board on a terminal, where nothing moves if it is to be plain, or none.
    #[must_use]
    pub fn new(on_terminal: bool, plain: bool) -> Board {
        Board {
            bars: (on_terminal && !plain).then(MultiProgress::new),
            lines: !on_terminal,
        }
    }

    /// A line of so many bytes that come through.
    #[must_use]
    pub fn bytes(&self, what: &str, total: u64) -> Progress {
        let form =
            "{msg}  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left";
        match self.bar(what, total, form) {
            Some(bar) => Progress(Form::Bar(bar, 1)),
            None => Progress(Form::Nothing),
        }
    }

    /// The same, of what comes through in so many parts; off a terminal as JSON lines.
    #[must_use]
    pub fn parts(&self, what: &str, total: u64, parts: u64) -> Progress {
        if self.lines {
            return Progress(Form::Lines(Lines::new(what, total, parts)));
        }
        let form = "{msg}  {binary_bytes} of {binary_total_bytes}  {prefix}{binary_bytes_per_sec}  {eta} left";
        match self.bar(what, total, form) {
            Some(bar) => {
                let progress = Progress(Form::Bar(bar, parts));
                progress.count(0);
                progress
            }
            None => Progress(Form::Nothing),
        }
    }

    fn bar(&self, what: &str, total: u64, form: &str) -> Option<ProgressBar> {
        let bars = self.bars.as_ref().filter(|_| total >= WORTH_IT)?;
        let bar = bars.add(ProgressBar::new(total));
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style.with_key("eta", left));
        }
        bar.set_message(table::visible(what));
        Some(bar)
    }

    /// Lets something else be written there.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// How long the rest will take, once anything has come through.
fn left(state: &ProgressState, text: &mut dyn std::fmt::Write) {
    let _ = match state.pos() {
        0 => write!(text, "some time"),
        _ => write!(text, "{:#}", HumanDuration(state.eta())),
    };
}

/// Something under way. Its line goes when this does.
#[derive(Debug)]
pub struct Progress(Form);

#[derive(Debug)]
enum Form {
    Nothing,
    Bar(ProgressBar, u64),
    Lines(Lines),
}

impl Progress {
    /// So much more has come through.
    pub fn add(&self, bytes: u64) {
        match &self.0 {
            Form::Nothing => {}
            Form::Bar(bar, _) => bar.inc(bytes),
            Form::Lines(lines) => lines.add(bytes),
        }
    }

    /// So much has come through in all; what was sent in vain does not count twice.
    pub fn reach(&self, bytes: u64) {
        match &self.0 {
            Form::Nothing => {}
            Form::Bar(bar, _) => bar.set_position(bytes.min(bar.length().unwrap_or(bytes))),
            Form::Lines(lines) => {
                let (bytes, known) = (bytes.min(lines.total), lines.lock().bytes);
                lines.add(bytes.saturating_sub(known));
            }
        }
    }

    /// So many parts have come through by now.
    pub fn count(&self, parts: u64) {
        match &self.0 {
            Form::Bar(bar, all) if *all > 1 => {
                bar.set_prefix(format!("{parts} of {all} parts  "));
            }
            Form::Lines(lines) => lines.lock().parts = parts,
            _ => {}
        }
    }

    /// So much was through before: it says nothing of how fast the rest goes.
    pub fn skip(&self, bytes: u64) {
        match &self.0 {
            Form::Nothing => {}
            Form::Bar(bar, _) => {
                bar.inc(bytes);
                bar.reset_eta();
            }
            Form::Lines(lines) => lines.skip(bytes),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        match &self.0 {
            Form::Nothing => {}
            Form::Bar(bar, _) => bar.finish_and_clear(),
            Form::Lines(lines) => lines.say(),
        }
    }
}

/// Progress as JSON lines: `event`, `file`, `bytes` of `total`, `parts` of `of_parts`, `rate` in bytes a second, `eta` in
/// seconds.
#[derive(Debug)]
struct Lines {
    what: String,
    total: u64,
    of_parts: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bytes: u64,
    parts: u64,
    said: Instant,
    said_bytes: u64,
    /// Bytes a second, lately.
    rate: Option<u64>,
}

impl Lines {
    fn new(what: &str, total: u64, of_parts: u64) -> Lines {
        let lines = Lines {
            what: what.to_owned(),
            total,
            of_parts,
            state: Mutex::new(State {
                bytes: 0,
                parts: 0,
                said: Instant::now(),
                said_bytes: 0,
                rate: None,
            }),
        };
        if total >= WORTH_IT {
            lines.write(&lines.lock());
        }
        lines
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn skip(&self, bytes: u64) {
        let mut state = self.lock();
        state.bytes += bytes;
        state.said_bytes += bytes;
    }

    fn add(&self, bytes: u64) {
        let is_due = {
            let mut state = self.lock();
            state.bytes += bytes;
            state.said.elapsed() >= BETWEEN_LINES
        };
        if is_due {
            self.say();
        }
    }

    fn say(&self) {
        let mut state = self.lock();
        let millis = u64::try_from(state.said.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = (state.bytes - state.said_bytes).saturating_mul(1000) / millis.max(1);
        // Of what was known of it, half stays with every line.
        let rate = state.rate.map_or(now, |rate| rate / 2 + now / 2);
        state.rate = Some(rate);
        state.said = Instant::now();
        state.said_bytes = state.bytes;
        self.write(&state);
    }

    fn write(&self, state: &State) {
        let left = self.total.saturating_sub(state.bytes);
        let rate = state.rate.filter(|rate| *rate > 0);
        let line = json!({
            "event": "upload",
            "file": self.what,
            "bytes": state.bytes,
            "total": self.total,
            "parts": state.parts,
            "of_parts": self.of_parts,
            "rate": rate,
            "eta": rate.map(|rate| left.div_ceil(rate)),
        });
        // A closed stderr is nobody's error.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}
