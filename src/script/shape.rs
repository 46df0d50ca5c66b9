//! The types of a command's arguments: how what was typed becomes a value of the script.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::time;

/// The type of an argument or flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A flag that is there or not.
    Bool,
    /// A duration such as `26h`; the script gets the text.
    Duration,
    /// A time such as `2026-04-27` or `2h`; the script gets the text, for `time::parse`.
    Time,
    /// A path of a file or folder.
    Path,
}

impl Shape {
    /// The names in headers.
    pub const NAMES: [&'static str; 7] =
        ["string", "int", "float", "bool", "duration", "time", "path"];

    const ALL: [Shape; 7] = [
        Shape::Text,
        Shape::Int,
        Shape::Float,
        Shape::Bool,
        Shape::Duration,
        Shape::Time,
        Shape::Path,
    ];

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Shape> {
        Shape::NAMES
            .iter()
            .position(|known| *known == name)
            .map(|index| Shape::ALL[index])
    }

    /// Its name in a header.
    #[must_use]
    pub fn name(self) -> &'static str {
        let index = Shape::ALL.iter().position(|known| *known == self);
        index.map_or("string", |index| Shape::NAMES[index])
    }

    /// Whether a typed text is of this type; the error says what would be.
    pub fn check(self, text: &str) -> Result<()> {
        self.value(text).map(drop)
    }

    /// What the script gets.
    pub fn value(self, text: &str) -> Result<Value> {
        let wrong = |what: &str| Error::usage(format!("'{text}' is not {what}"));
        match self {
            Shape::Text | Shape::Path => Ok(text.into()),
            Shape::Int => text
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| wrong("a whole number")),
            Shape::Float => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(Value::from).ok_or_else(|| wrong("a number"))
            }
            Shape::Bool => text
                .parse::<bool>()
                .map(Value::from)
                .map_err(|_| wrong("true or false")),
            Shape::Duration => time::duration(text).map(|_| text.into()),
            Shape::Time => time::moment(text, jiff::Timestamp::UNIX_EPOCH).map(|_| text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_type() {
        assert!(
            Shape::NAMES
                .iter()
                .all(|name| Shape::from_name(name).is_some())
        );
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(
            Shape::Int.check("many").unwrap_err().to_string(),
            "'many' is not a whole number"
        );
        assert!(Shape::Float.check("nan").is_err());
        assert!(Shape::Duration.check("26h").is_ok());
        assert!(Shape::Time.check("2026-04-27").is_ok());
        assert_eq!(Shape::Bool.value("true").unwrap(), Value::Bool(true));
    }
}
