//! The terminal: what kind it is, and the only printer to stdout. A value becomes a table, JSON or JSON lines here.
//! How a table is laid out is in `table.rs`; errors are drawn by `report`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::config::Environment;
use crate::engine::outcome::{Outcome, Raw, Rows, Shown};
use crate::error::{Error, Kind, Result};
use crate::progress::{Board, Progress};
use crate::report;
use crate::table::{self, Table};

/// A table's rows are laid out this many at a time.
const ROWS_TOGETHER: usize = 500;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` or `TERM=dumb` says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Whether the environment asks for plain output: <https://no-color.org>, or a terminal that can do no better.
#[must_use]
pub fn plain_wanted(environment: &Environment) -> bool {
    environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb")
}

/// What stands at the other end of stdout and stderr. Clones are the same.
#[derive(Debug, Clone)]
pub struct Console {
    traits: Arc<Traits>,
    json: bool,
    /// How raw values are asked for here.
    raw_by: &'static str,
}

/// What stdout is.
#[derive(Debug)]
enum Out {
    /// A terminal.
    Terminal,
    /// A file or a pipe.
    Other,
}

#[derive(Debug)]
struct Traits {
    colour_out: bool,
    colour_err: bool,
    out: Out,
    board: Board,
}

impl Console {
    /// The process's own, with `--json` and `--color` as given and what the environment says of colours.
    #[must_use]
    pub fn of_process(json: bool, colour: Colour, plain_wanted: bool) -> Console {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let coloured = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !plain_wanted,
        };
        let traits = Traits {
            colour_out: coloured(out),
            colour_err: coloured(err),
            out: if out { Out::Terminal } else { Out::Other },
            board: Board::new(err, plain_wanted),
        };
        Console {
            traits: Arc::new(traits),
            json,
            raw_by: "--json",
        }
    }

    /// Whether raw values are wanted.
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// The same, where raw values are asked for by another word.
    #[must_use]
    pub fn asked_by(&self, raw_by: &'static str) -> Console {
        Console {
            raw_by,
            ..self.clone()
        }
    }

    /// The same, where raw values are wanted.
    #[must_use]
    pub fn raw(&self) -> Console {
        Console {
            json: true,
            ..self.clone()
        }
    }

    /// The terminal's width as it is now; none where stdout is no terminal, or tells none.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        match self.traits.out {
            Out::Terminal => terminal_size::terminal_size_of(io::stdout())
                .map(|(width, _)| usize::from(width.0))
                .filter(|width| *width > 0),
            Out::Other => None,
        }
    }

    /// Whether errors and notes may be coloured.
    #[must_use]
    pub fn colours_errors(&self) -> bool {
        self.traits.colour_err
    }

    /// One line of talk, to stderr. A closed stderr is nobody's error.
    pub fn say(&self, text: &str) {
        let _ = self
            .traits
            .board
            .aside(|| writeln!(io::stderr().lock(), "{text}"));
    }

    /// Shows on a terminal that so many bytes come through.
    #[must_use]
    pub fn progress(&self, what: &str, total: u64) -> Progress {
        self.traits.board.bytes(what, total)
    }

    /// The same of a file that goes in so many parts; off a terminal as JSON lines, so that a program can follow.
    #[must_use]
    pub fn parts(&self, file: &Path, total: u64, parts: u64) -> Progress {
        self.traits
            .board
            .parts(&file.to_string_lossy(), total, parts)
    }

    /// A line of talk that a script or a service may have had a hand in: what would steer the terminal is made visible.
    pub fn note(&self, text: &str) {
        self.say(&table::visible(text));
    }

    /// A warning, to stderr.
    pub fn warn(&self, text: &str) {
        let (on, off) = if self.traits.colour_err {
            ("\u{1b}[33m", "\u{1b}[0m")
        } else {
            ("", "")
        };
        self.say(&format!("{on}warning{off}: {}", table::visible(text)));
    }

    /// An error, drawn for a person or as JSON.
    pub fn say_error(&self, error: &Error) {
        if self.json() {
            self.say(&report::json(error).to_string());
        } else {
            self.say(report::draw(error, self.colours_errors()).trim_end());
        }
    }

    /// A warning that is drawn like an error, with its place and hints.
    pub fn warn_of(&self, error: &Error) {
        self.warn(
            report::draw(error, false)
                .trim_start_matches("usage error: ")
                .trim_end(),
        );
    }

    /// Text as it is, to stdout.
    pub fn print(&self, text: &str) -> Result<()> {
        write_all(text)
    }

    /// Shows what a run ended with: raw with `--json`, else for a person. Gives the exit code it asks for.
    pub fn show(&self, outcome: &Outcome) -> Result<u8> {
        if self.json() {
            match outcome.raw()? {
                Raw::Rows(rows) if outcome.is_lines() => write_lines(rows)?,
                Raw::Value(value) => write_all(&format!("{value:#}\n"))?,
                Raw::Rows(rows) => write_array(rows)?,
            }
        } else {
            self.show_to_person(outcome)?;
        }
        outcome.exit_code()
    }

    /// Shows a person, on stderr, what a plan pass ended with: what is about to be done is looked at before it is.
    pub fn tell(&self, outcome: &Outcome) -> Result<()> {
        let drawn = match outcome.shown()? {
            Shown::Nothing => return Ok(()),
            Shown::Line(value) => self.line(&value),
            Shown::Record(record) => table::record(&record, outcome.columns(), self.width(), false),
            Shown::Rows(mut rows) => {
                let (some, failed) = rows.some(ROWS_TOGETHER);
                if let Some(error) = failed {
                    return Err(error);
                }
                if !some.iter().all(Value::is_object) || some.is_empty() {
                    return Ok(());
                }
                table::draw(&some, outcome.columns(), self.width(), false)
            }
        };
        self.say(drawn.trim_end());
        Ok(())
    }

    fn show_to_person(&self, outcome: &Outcome) -> Result<()> {
        match outcome.shown()? {
            Shown::Nothing => {}
            Shown::Rows(rows) => self.show_rows(outcome, rows)?,
            Shown::Line(value) => write_all(&self.line(&value))?,
            Shown::Record(record) => {
                write_all(&table::record(
                    &record,
                    outcome.columns(),
                    self.width(),
                    self.traits.colour_out,
                ))?;
            }
        }
        if let Some(note) = outcome.note() {
            self.note(note);
        }
        Ok(())
    }

    /// Shows rows as they come, some at a time: a long listing is not held back until its end, nor in memory.
    fn show_rows(&self, outcome: &Outcome, mut rows: Rows) -> Result<()> {
        let mut table = Table::new(outcome.columns(), self.width(), self.traits.colour_out);
        let mut any = false;
        loop {
            let (some, failed) = rows.some(ROWS_TOGETHER);
            any |= !some.is_empty();
            if !some.is_empty() && some.iter().all(Value::is_object) {
                write_all(&table.draw(&some))?;
            } else {
                write_all(&some.iter().map(|row| self.line(row)).collect::<String>())?;
            }
            match failed {
                Some(error) => return Err(error),
                None if some.is_empty() => break,
                None => {}
            }
        }
        if !any {
            self.note(outcome.empty());
        }
        if !table.left_out().is_empty() {
            self.note(&format!(
                "left out, being lists or maps: {} ({} shows them)",
                table.left_out().join(", "),
                self.raw_by
            ));
        }
        Ok(())
    }

    /// A value as a line. On a terminal, control characters are made visible; a pipe gets them as they are.
    fn line(&self, value: &Value) -> String {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if matches!(self.traits.out, Out::Terminal) {
            table::visible(&text) + "\n"
        } else {
            text + "\n"
        }
    }
}

/// A list as one JSON array, written as it comes: a value a line, each line whole when its value is there.
fn write_array(rows: impl Iterator<Item = Result<Value>>) -> Result<()> {
    let mut before = "[";
    for row in rows {
        write_all(&format!("{before}{}\n", row?))?;
        before = ",";
    }
    write_all(if before == "[" { "[]\n" } else { "]\n" })
}

/// A list as JSON lines: each whole when its value is there.
fn write_lines(mut rows: impl Iterator<Item = Result<Value>>) -> Result<()> {
    rows.try_for_each(|row| write_all(&format!("{}\n", row?)))
}

/// Odd while something is being written.
static WRITES: AtomicU64 = AtomicU64::new(0);

/// Which write is under way, if one is: nobody may read it, and then it never ends.
#[must_use]
pub fn writing() -> Option<u64> {
    Some(WRITES.load(Ordering::SeqCst)).filter(|count| count % 2 == 1)
}

fn write_all(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    WRITES.fetch_add(1, Ordering::SeqCst);
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    WRITES.fetch_add(1, Ordering::SeqCst);
    written.map_err(closed)
}

/// A reader that went away (`| head`) ends the run quietly.
fn closed(error: io::Error) -> Error {
    let broken = error.kind() == io::ErrorKind::BrokenPipe;
    let kind = if broken { Kind::Closed } else { Kind::Io };
    Error::new(kind, format!("cannot write to stdout: {error}"))
}
