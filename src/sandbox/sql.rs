//! A condition under construction (SQL text with `?` placeholders beside the values that fill them), and the rows that a
//! query selects.
//!
//! Joining conditions belongs here; which columns a filter of some service means belongs to that service. Text that a
//! client sent never becomes SQL text: it is a value, or the service looked it up in a list of its own.

use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row};

/// A condition of a `WHERE` clause and the values of its placeholders, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Condition {
    /// SQL text; empty means that everything passes.
    pub(crate) text: String,
    /// One value for each `?`.
    pub(crate) values: Vec<Value>,
}

impl Condition {
    /// A condition with its values.
    pub(crate) fn new(text: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Self {
        Condition {
            text: text.into(),
            values: values.into_iter().collect(),
        }
    }

    /// `expression IN (…)`; an empty list lets nothing pass.
    pub(crate) fn any_of(expression: &str, values: impl IntoIterator<Item = Value>) -> Self {
        let values: Vec<Value> = values.into_iter().collect();
        let marks = vec!["?"; values.len()].join(", ");
        Condition {
            text: format!("{expression} IN ({marks})"),
            values,
        }
    }

    /// Both must hold.
    pub(crate) fn and(self, other: Condition) -> Self {
        self.join("AND", other)
    }

    /// One must hold. An empty side counts as no condition at all, not as one that always holds.
    pub(crate) fn or(self, other: Condition) -> Self {
        self.join("OR", other)
    }

    fn join(mut self, word: &str, other: Condition) -> Self {
        if self.text.is_empty() {
            return other;
        }
        if other.text.is_empty() {
            return self;
        }
        self.text = format!("({}) {word} ({})", self.text, other.text);
        self.values.extend(other.values);
        self
    }

    /// The text for a `WHERE`: `TRUE` when everything passes.
    pub(crate) fn clause(&self) -> &str {
        if self.text.is_empty() {
            "TRUE"
        } else {
            &self.text
        }
    }
}

/// The rows that a query selects, in order. The connection keeps the statement for the next time.
pub(crate) fn select<T>(
    database: &Connection,
    query: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = database.prepare_cached(query)?;
    let rows = statement.query_map(values, read)?;
    rows.collect()
}

/// A text value.
pub(crate) fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_conditions_keep_their_values_in_order() {
        let joined = Condition::new("a = ?", [text("1")])
            .and(Condition::default())
            .and(Condition::any_of("b", [text("2"), text("3")]));
        assert_eq!(joined.text, "(a = ?) AND (b IN (?, ?))");
        assert_eq!(joined.values, [text("1"), text("2"), text("3")]);
        assert_eq!(Condition::default().clause(), "TRUE");
    }
}
