//! The terminal: what kind it is, and the only printer to stdout. A value becomes a table, JSON or JSON lines here.
//! How a table is laid out is in `table.rs`; errors are drawn by `report`.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Arc;

use rhai::{Array, Dynamic, Map};
use serde_json::Value;

use crate::config::Environment;
use crate::engine::raise::{Raised, caught};
use crate::engine::stream::Stream;
use crate::engine::value::{one_line, to_json};
use crate::engine::view::View;
use crate::error::{Error, Kind, Result};
use crate::report;
use crate::script::check::with_excerpt;
use crate::session::Session;
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
pub struct Console(Arc<Traits>);

#[derive(Debug)]
struct Traits {
    json: bool,
    colour_out: bool,
    colour_err: bool,
    /// The terminal's width; none where stdout is no terminal.
    width: Option<usize>,
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
        let width =
            terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        Console(Arc::new(Traits {
            json,
            colour_out: coloured(out),
            colour_err: coloured(err),
            width: width.filter(|_| out),
        }))
    }

    /// Whether raw values are wanted.
    #[must_use]
    pub fn json(&self) -> bool {
        self.0.json
    }

    /// Whether errors and notes may be coloured.
    #[must_use]
    pub fn colours_errors(&self) -> bool {
        self.0.colour_err
    }

    /// One line of talk, to stderr. A closed stderr is nobody's error.
    pub fn say(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A warning, to stderr.
    pub fn warn(&self, text: &str) {
        let (on, off) = if self.0.colour_err {
            ("\u{1b}[33m", "\u{1b}[0m")
        } else {
            ("", "")
        };
        self.say(&format!("{on}warning{off}: {text}"));
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

    /// Shows the value of a run: raw with `--json`, else for a person. Gives the exit code the value asks for.
    pub fn show(&self, value: &Dynamic, session: &Session) -> Result<u8> {
        self.shown(value)
            .map_err(|error| with_excerpt(error, session))
    }

    /// Reads a value to its end and shows nothing: the plan pass of a run whose changes are made while it is read.
    pub fn exhaust(&self, value: &Dynamic, session: &Session) -> Result<u8> {
        let view = view_of(value);
        let mut rows = rows_of(&view).into_iter().flat_map(|rows| rows.rows);
        let read = rows.try_for_each(|row| row.map(drop));
        read.map(|()| view.exit.unwrap_or(0))
            .map_err(|error| with_excerpt(error, session))
    }

    fn shown(&self, value: &Dynamic) -> Result<u8> {
        let view = view_of(value);
        if self.json() {
            show_raw(&view.value)?;
        } else {
            self.show_view(&view)?;
        }
        Ok(view.exit.unwrap_or(0))
    }

    /// A value as a line. On a terminal, control characters are made visible; a pipe gets them as they are.
    fn line(&self, value: &Dynamic) -> String {
        let text = one_line(value);
        if self.0.width.is_some() {
            table::visible(&text) + "\n"
        } else {
            text + "\n"
        }
    }

    fn show_view(&self, view: &View) -> Result<()> {
        match rows_of(view) {
            Some(rows) => self.show_rows(view, rows)?,
            None if view.value.is_unit() => {}
            None if view.value.is::<Map>() => {
                let record = to_json(&shaped(view, view.value.clone())?)?;
                write_all(&table::record(
                    &record,
                    &view.columns,
                    self.0.width,
                    self.0.colour_out,
                ))?;
            }
            None => write_all(&self.line(&view.value))?,
        }
        if let Some(note) = &view.note {
            self.say(note);
        }
        Ok(())
    }

    /// Shows rows as they come, some at a time: a long listing is not held back until its end, nor in memory.
    fn show_rows(&self, view: &View, mut rows: Rows) -> Result<()> {
        let mut table = Table::new(&view.columns, self.0.width, self.0.colour_out);
        let mut shown = 0;
        loop {
            let (some, failed) = rows.some();
            shown += some.len();
            if some.is_empty() {
                // Nothing to lay out: the end, or a failure.
            } else if some.iter().all(Dynamic::is_map) {
                write_all(&table.draw(&some.iter().map(to_json).collect::<Result<Vec<_>>>()?))?;
            } else {
                write_all(&some.iter().map(|row| self.line(row)).collect::<String>())?;
            }
            match failed {
                Some(error) => return Err(error),
                None if some.is_empty() => break,
                None => {}
            }
        }
        if shown == 0 {
            self.say(view.empty.as_deref().unwrap_or("nothing"));
        }
        Ok(())
    }
}

/// A value with what is said about how it looks.
fn view_of(value: &Dynamic) -> View {
    let view = value.read_lock::<View>().map(|view| view.clone());
    view.unwrap_or_else(|| View::plain(value.clone()))
}

/// A value as JSON.
fn show_raw(value: &Dynamic) -> Result<()> {
    if let Some(stream) = value.read_lock::<Stream>().map(|stream| stream.clone()) {
        return stream_array(stream);
    }
    let mut text = serde_json::to_string_pretty(&to_json(value)?).map_err(|error| {
        Error::internal(format!("a value could not be written as JSON: {error}"))
    })?;
    text.push('\n');
    write_all(&text)
}

/// Rows as a person sees them, as they come.
struct Rows<'a> {
    rows: Box<dyn Iterator<Item = Result<Dynamic>> + 'a>,
    /// Where they come from, if that may have to be waited for.
    stream: Option<Stream>,
}

impl Rows<'_> {
    /// The next rows to show together: enough to lay out well, but none is held back while others are waited for. A
    /// failure after some rows is told after they are shown.
    fn some(&mut self) -> (Array, Option<Error>) {
        let mut some = Array::new();
        while some.len() < ROWS_TOGETHER
            && (some.is_empty() || !self.stream.as_ref().is_some_and(Stream::waits))
        {
            match self.rows.next() {
                Some(Ok(row)) => some.push(row),
                Some(Err(error)) => return (some, Some(error)),
                None => break,
            }
        }
        (some, None)
    }
}

/// The rows of a view of a list: an array, or a stream.
fn rows_of(view: &View) -> Option<Rows<'_>> {
    if let Some(stream) = view
        .value
        .read_lock::<Stream>()
        .map(|stream| stream.clone())
    {
        let row = |row: Raised<Dynamic>| shaped(view, row.map_err(|error| caught(&error, ""))?);
        let rows = Box::new(stream.clone().into_iter().map(row).fuse());
        return Some(Rows {
            rows,
            stream: Some(stream),
        });
    }
    let rows = view.value.read_lock::<Array>().map(|rows| rows.clone())?;
    Some(Rows {
        rows: Box::new(rows.into_iter().map(|row| shaped(view, row))),
        stream: None,
    })
}

/// A row as a person sees it.
fn shaped(view: &View, row: Dynamic) -> Result<Dynamic> {
    match &view.row {
        Some(shape) => shape.call((row,)).map_err(|error| caught(&error, "")),
        None => Ok(row),
    }
}

/// A stream as one JSON array, written as it comes: a value a line, each line whole when its value is there.
fn stream_array(stream: Stream) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut write = |text: &str| {
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(closed)
    };
    let mut before = "[";
    for value in stream {
        let json: Value = to_json(&value.map_err(|error| caught(&error, ""))?)?;
        write(&format!("{before}{json}\n"))?;
        before = ",";
    }
    write(if before == "[" { "[]\n" } else { "]\n" })
}

fn write_all(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(closed)
}

/// A reader that went away (`| head`) ends the run quietly.
fn closed(error: io::Error) -> Error {
    let broken = error.kind() == io::ErrorKind::BrokenPipe;
    let kind = if broken { Kind::Closed } else { Kind::Io };
    Error::new(kind, format!("cannot write to stdout: {error}"))
}
