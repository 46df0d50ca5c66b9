//! How a person sees a value: columns, title, what to say when there is nothing. The value itself stays what it is,
//! so `--json` prints it untouched.

use rhai::{Array, Dynamic, ImmutableString};

use super::call::Call;
use super::callback::Callback;
use super::options::Options;
use super::raise::caught;
use crate::error::{Error, Kind, Result};

/// A value with its presentation, as `view(value, #{…})` makes it.
#[derive(Clone)]
pub struct View {
    /// The value; what `--json` prints.
    pub value: Dynamic,
    /// What a person sees of each row, made by a closure of the script.
    pub(crate) row: Option<Callback>,
    /// The columns in order, as paths into each row (`properties.datetime`); empty: every plain column.
    pub columns: Vec<String>,
    /// What a person reads, on stderr, where there are no rows.
    pub empty: Option<String>,
    /// A line under the table, on stderr.
    pub note: Option<String>,
    /// Whether `--json` prints a value a line instead of one array: a list without an end is never a whole array.
    pub lines: bool,
    /// The exit code of a run that ends with this view.
    pub(crate) exit: Exit,
}

/// An exit code: 3 says "the answer is no".
#[derive(Clone)]
pub(crate) enum Exit {
    /// This.
    Code(u8),
    /// What a closure says once all has been shown: of a list that is read as it comes nobody knows before.
    Asked(Callback),
}

impl Exit {
    /// The code.
    pub(crate) fn code(&self) -> Result<u8> {
        match self {
            Exit::Code(code) => Ok(*code),
            Exit::Asked(ask) => {
                let code = ask.call::<i64>(()).map_err(|error| caught(&error, ""))?;
                known(code)
            }
        }
    }
}

impl View {
    /// A value as it is, with nothing said about how it looks.
    pub(crate) fn plain(value: Dynamic) -> View {
        View {
            value,
            row: None,
            columns: Vec::new(),
            empty: None,
            note: None,
            lines: false,
            exit: Exit::Code(0),
        }
    }

    /// A view of this value with these options of `view`.
    pub(crate) fn new(call: &Call, value: Dynamic, options: &Options) -> Result<View> {
        let text = |name| options.text(name).map(|text| text.to_string());
        Ok(View {
            value,
            row: options.function("row").map(|row| call.callback(row)),
            columns: options
                .array("columns")
                .map(columns)
                .transpose()?
                .unwrap_or_default(),
            empty: text("empty"),
            note: text("note"),
            lines: options.flag("lines"),
            exit: exit_of(call, options)?,
        })
    }
}

fn columns(names: Array) -> Result<Vec<String>> {
    let text = |name: Dynamic| {
        name.try_cast::<ImmutableString>()
            .map(|name| name.to_string())
            .ok_or_else(|| Error::new(Kind::Usage, "option 'columns' takes an array of strings"))
    };
    names.into_iter().map(text).collect()
}

fn exit_of(call: &Call, options: &Options) -> Result<Exit> {
    if let Some(ask) = options.function("exit") {
        return Ok(Exit::Asked(call.callback(ask)));
    }
    match options.any("exit") {
        None => Ok(Exit::Code(0)),
        Some(code) => {
            let wrong = |kind| {
                Error::usage(format!(
                    "option 'exit' takes a number or a closure, got {kind}"
                ))
            };
            known(code.as_int().map_err(wrong)?).map(Exit::Code)
        }
    }
}

fn known(code: i64) -> Result<u8> {
    u8::try_from(code).map_err(|_| {
        Error::usage(format!(
            "an exit code is a number from 0 to 255, not {code}"
        ))
    })
}
