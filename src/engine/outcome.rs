//! What a run ends with, as JSON values and rows that come: the way out of the engine, so that who prints needs to know
//! nothing of it.

use rhai::{Array, Dynamic, Map};
use serde_json::Value;

use super::raise::{Raised, caught};
use super::stream::Stream;
use super::unknown::Unknown;
use super::value::{one_line, to_json};
use super::view::View;
use crate::error::{Error, Result};

/// The value of a run, with what is said about how a person sees it.
pub struct Outcome(View);

/// A value as `--json` prints it.
pub enum Raw<'a> {
    /// One value.
    Value(Value),
    /// A list that is read as it comes.
    Rows(Box<dyn Iterator<Item = Result<Value>> + 'a>),
}

/// A value as a person sees it.
pub enum Shown<'a> {
    /// Nothing.
    Nothing,
    /// One record: a map.
    Record(Value),
    /// Anything else that is no list.
    Line(Value),
    /// A list.
    Rows(Rows<'a>),
}

impl Outcome {
    /// The outcome of a run that ended with this value.
    pub(crate) fn of(value: Dynamic) -> Outcome {
        let view = value.read_lock::<View>().map(|view| view.clone());
        Outcome(view.unwrap_or_else(|| View::plain(value)))
    }

    /// A table of these rows with these columns.
    #[must_use]
    pub fn table(rows: Value, columns: &[&str]) -> Outcome {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Outcome(View {
            columns,
            ..View::plain(super::value::from_json(rows))
        })
    }

    /// The exit code that it asks for; to be asked once it has been shown.
    pub fn exit_code(&self) -> Result<u8> {
        self.0.exit.code()
    }

    /// Whether it holds the result of a change that is only planned, so that it cannot be shown yet.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        has_unknown(&self.0.value)
    }

    /// Whether it is a list that is read as it comes, and so only once.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.stream().is_some()
    }

    /// The columns of a table, as paths into its rows.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.0.columns
    }

    /// What is said where there are no rows.
    #[must_use]
    pub fn empty(&self) -> &str {
        self.0.empty.as_deref().unwrap_or("nothing")
    }

    /// Whether `--json` prints a value a line.
    #[must_use]
    pub fn is_lines(&self) -> bool {
        self.0.lines
    }

    /// A line under the table.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// The value itself.
    pub fn raw(&self) -> Result<Raw<'_>> {
        match self.stream() {
            Some(stream) => Ok(Raw::Rows(Box::new(
                stream.into_iter().map(|row| to_json(&unwrapped(row)?)),
            ))),
            None => to_json(&self.0.value).map(Raw::Value),
        }
    }

    /// The value as a person sees it.
    pub fn shown(&self) -> Result<Shown<'_>> {
        if let Some(rows) = self.rows() {
            return Ok(Shown::Rows(rows));
        }
        if self.0.value.is_unit() {
            return Ok(Shown::Nothing);
        }
        let value = self.shaped(self.0.value.clone())?;
        // What is one value may be seen as several rows.
        if let Some(rows) = value.read_lock::<Array>().map(|rows| rows.clone()) {
            return Ok(Shown::Rows(Rows {
                rows: Box::new(rows.into_iter().map(|row| plain(&row))),
                stream: None,
            }));
        }
        Ok(if value.is::<Map>() {
            Shown::Record(to_json(&value)?)
        } else {
            Shown::Line(plain(&value)?)
        })
    }

    /// Reads a list to its end and shows nothing: the plan pass of a run whose changes are made while it is read.
    pub fn exhaust(&self) -> Result<()> {
        let shape = |row: Dynamic| {
            // What a person would see of a result that is not there yet cannot be told.
            if has_unknown(&row) {
                return Ok(());
            }
            self.shaped(row).map(drop)
        };
        if let Some(stream) = self.stream() {
            return stream
                .into_iter()
                .try_for_each(|row| shape(unwrapped(row)?));
        }
        let rows = self.0.value.read_lock::<Array>().map(|rows| rows.clone());
        rows.into_iter().flatten().try_for_each(shape)
    }

    fn stream(&self) -> Option<Stream> {
        self.0
            .value
            .read_lock::<Stream>()
            .map(|stream| stream.clone())
    }

    fn rows(&self) -> Option<Rows<'_>> {
        let shaped = |row: Dynamic| plain(&self.shaped(row)?);
        if let Some(stream) = self.stream() {
            let rows = stream
                .clone()
                .into_iter()
                .map(move |row| shaped(unwrapped(row)?));
            return Some(Rows {
                rows: Box::new(rows.fuse()),
                stream: Some(stream),
            });
        }
        let rows = self.0.value.read_lock::<Array>().map(|rows| rows.clone())?;
        Some(Rows {
            rows: Box::new(rows.into_iter().map(shaped)),
            stream: None,
        })
    }

    /// A row as the script's `row` closure makes it.
    fn shaped(&self, row: Dynamic) -> Result<Dynamic> {
        match &self.0.row {
            Some(shape) => unwrapped(shape.call((row,))),
            None => Ok(row),
        }
    }
}

/// The rows of a list as a person sees them, as they come.
pub struct Rows<'a> {
    rows: Box<dyn Iterator<Item = Result<Value>> + 'a>,
    /// Where they come from, if that may have to be waited for.
    stream: Option<Stream>,
}

impl Rows<'_> {
    /// The next rows to show together, up to `most`: none is held back while others are waited for. A failure after some
    /// rows comes with them, to be told after they are shown.
    pub fn some(&mut self, most: usize) -> (Vec<Value>, Option<Error>) {
        let mut some = Vec::new();
        while some.len() < most
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

fn has_unknown(value: &Dynamic) -> bool {
    if let Some(items) = value.read_lock::<Array>() {
        return items.iter().any(has_unknown);
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map.values().any(has_unknown);
    }
    value.is::<Unknown>()
}

fn unwrapped(row: Raised<Dynamic>) -> Result<Dynamic> {
    row.map_err(|error| caught(&error, ""))
}

/// A value as JSON; what has no JSON form by its type, except inside a map, where it would be mistaken for text.
fn plain(value: &Dynamic) -> Result<Value> {
    if value.is::<Map>() {
        return to_json(value);
    }
    Ok(to_json(value).unwrap_or_else(|_| one_line(value).into()))
}
