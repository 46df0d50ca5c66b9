//! The trailing options map of a native function: one table says what is allowed, what type it has and what holds
//! without it. Reading, the reference, completion and the static check all look at that table.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};

use super::moment::Moment;
use super::value::type_name;
use crate::error::{Error, Kind, Result, nearest};
use crate::time;

/// The type of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// Text.
    Text,
    /// Text such as `30s`.
    Duration,
    /// A moment, or text that means one, such as `2h` or `2026-04-27`.
    Time,
    /// An array.
    Array,
    /// A map.
    Map,
    /// A function or closure.
    Function,
    /// Any value.
    Any,
}

impl OptionKind {
    /// The name in the reference and in errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OptionKind::Bool => "bool",
            OptionKind::Int => "int",
            OptionKind::Text => "string",
            OptionKind::Duration => "duration",
            OptionKind::Time => "time",
            OptionKind::Array => "array",
            OptionKind::Map => "map",
            OptionKind::Function => "function",
            OptionKind::Any => "any",
        }
    }

    /// Whether it takes a literal of this type; a duration is written as a string.
    #[must_use]
    pub fn takes(self, kind: &str) -> bool {
        match self {
            OptionKind::Any => true,
            OptionKind::Duration | OptionKind::Time => kind == "string",
            _ => self.name() == kind,
        }
    }

    fn fits(self, value: &Dynamic) -> bool {
        match self {
            OptionKind::Bool => value.is_bool(),
            OptionKind::Int => value.is_int(),
            OptionKind::Text | OptionKind::Duration => value.is_string(),
            OptionKind::Time => value.is_string() || value.is::<Moment>(),
            OptionKind::Array => value.is_array(),
            OptionKind::Map => value.is_map(),
            OptionKind::Function => value.is::<FnPtr>(),
            OptionKind::Any => true,
        }
    }
}

/// One row of a function's options table.
#[derive(Debug, Clone, Copy)]
pub struct OptionRow {
    /// The key in the map.
    pub name: &'static str,
    /// Its type.
    pub kind: OptionKind,
    /// What holds when it is left out, as text for the reference.
    pub default: Option<&'static str>,
    /// What it does.
    pub doc: &'static str,
}

/// The options of one call: only keys that the table knows, each of its type. `()` counts as left out.
#[derive(Debug, Clone, Default)]
pub struct Options(BTreeMap<&'static str, Dynamic>);

impl Options {
    /// Reads a map against a table. An unknown key is an error with the nearest known one.
    pub(crate) fn read(table: &'static [OptionRow], map: Map) -> Result<Options> {
        let mut read = BTreeMap::new();
        for (key, value) in map {
            let row = table
                .iter()
                .find(|row| row.name == key.as_str())
                .ok_or_else(|| unknown(table, &key))?;
            if value.is_unit() {
                continue;
            }
            if !row.kind.fits(&value) {
                return Err(Error::usage(format!(
                    "option '{key}' takes {}, got {}",
                    row.kind.name(),
                    type_name(&value)
                )));
            }
            read.insert(row.name, value);
        }
        Ok(Options(read))
    }

    /// A flag; false when left out.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.0
            .get(name)
            .and_then(|value| value.as_bool().ok())
            .unwrap_or(false)
    }

    /// A whole number.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(|value| value.as_int().ok())
    }

    /// A whole number that counts something: from 1 up.
    pub fn count(&self, name: &str) -> Result<Option<usize>> {
        let Some(int) = self.int(name) else {
            return Ok(None);
        };
        let count = usize::try_from(int).ok().filter(|count| *count > 0);
        count.map(Some).ok_or_else(|| {
            Error::usage(format!(
                "option '{name}' takes a number from 1 up, not {int}"
            ))
        })
    }

    /// Text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<ImmutableString> {
        self.0
            .get(name)
            .and_then(|value| value.clone().into_immutable_string().ok())
    }

    /// A duration, written like `30s`.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        self.text(name)
            .map(|text| time::duration(&text))
            .transpose()
    }

    /// A moment; one that is told by how far it is from now is told by this.
    pub fn moment(&self, name: &str, now: Timestamp) -> Result<Option<Timestamp>> {
        let moment = self
            .0
            .get(name)
            .and_then(|value| value.clone().try_cast::<Moment>());
        match moment {
            Some(moment) => Ok(Some(moment.0)),
            None => self
                .text(name)
                .map(|text| time::moment(&text, now))
                .transpose(),
        }
    }

    /// An array.
    #[must_use]
    pub fn array(&self, name: &str) -> Option<Array> {
        self.0
            .get(name)
            .and_then(|value| value.clone().into_array().ok())
    }

    /// A function or closure.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<FnPtr> {
        self.0
            .get(name)
            .and_then(|value| value.clone().try_cast::<FnPtr>())
    }

    /// A map.
    #[must_use]
    pub fn map(&self, name: &str) -> Option<Map> {
        self.0
            .get(name)
            .and_then(|value| value.clone().try_cast::<Map>())
    }

    /// Any value.
    #[must_use]
    pub fn any(&self, name: &str) -> Option<Dynamic> {
        self.0.get(name).cloned()
    }

    /// All options as a map, for a service that takes them as they are.
    #[must_use]
    pub fn to_map(&self) -> Map {
        self.0
            .iter()
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect()
    }
}

/// The error for a key that no row has; the static check says the same.
pub(crate) fn unknown(table: &[OptionRow], key: &str) -> Error {
    let known = table.iter().map(|row| row.name);
    let error = Error::new(Kind::Usage, format!("unknown option '{key}'"))
        .suggest(nearest(key, known.clone()));
    if table.is_empty() {
        return error.hint("this function takes no options");
    }
    error.hint(format!(
        "known options: {}",
        known.collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[OptionRow] = &[
        OptionRow {
            name: "limit",
            kind: OptionKind::Int,
            default: None,
            doc: "",
        },
        OptionRow {
            name: "recursive",
            kind: OptionKind::Bool,
            default: None,
            doc: "",
        },
    ];

    fn read(pairs: &[(&str, Dynamic)]) -> Result<Options> {
        Options::read(
            TABLE,
            pairs
                .iter()
                .map(|(key, value)| ((*key).into(), value.clone()))
                .collect(),
        )
    }

    #[test]
    fn a_mistyped_key_names_the_nearest() {
        let error = read(&[("limti", 3_i64.into())]).unwrap_err();
        assert_eq!(error.to_string(), "unknown option 'limti'");
        assert_eq!(
            error.detail().hints,
            ["did you mean 'limit'?", "known options: limit, recursive"]
        );
    }

    #[test]
    fn a_wrong_type_names_both_types() {
        let error = read(&[("limit", "3".into())]).unwrap_err();
        assert_eq!(error.to_string(), "option 'limit' takes int, got string");
    }

    #[test]
    fn unit_counts_as_left_out() {
        assert_eq!(
            read(&[("limit", Dynamic::UNIT)]).unwrap().int("limit"),
            None
        );
    }
}
