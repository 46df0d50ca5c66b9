//! CQL2 JSON: a filter expression becomes a SQL condition on the item table.
//!
//! Known are `and or not = <> < <= > >= between in like isNull` on `id`, `collection`, `datetime` and any property. What
//! pgstac does not know raises there, so it does here; what it knows and the sandbox does not (`s_…`, `t_…`, `a_…`) is
//! refused by name.

use rusqlite::types::Value as Sql;
use serde_json::Value;

use super::answer::Refusal;
use crate::sandbox::clock;
use crate::sandbox::sql::{self, Condition};

/// Filters nested deeper than this are refused, so that a hostile one cannot exhaust the stack.
const DEEPEST: usize = 64;

/// The condition that a CQL2 JSON filter means.
pub(crate) fn compile(filter: &Value) -> Result<Condition, Refusal> {
    expression(filter, 0)
}

/// What a property name reads: a column of the table, or a path into the item.
pub(crate) fn property(name: &str) -> Result<Condition, Refusal> {
    let name = name.strip_prefix("properties.").unwrap_or(name);
    Ok(match name {
        "id" | "collection" => Condition::new(name, []),
        "datetime" => Condition::new("begins", []),
        "end_datetime" => Condition::new("ends", []),
        _ => Condition::new("json_extract(body, ?)", [sql::text(path(name)?)]),
    })
}

fn expression(node: &Value, depth: usize) -> Result<Condition, Refusal> {
    let operator = node["op"].as_str().ok_or(Refusal::Raised)?.to_lowercase();
    let arguments = node["args"].as_array().ok_or(Refusal::Raised)?;
    if depth > DEEPEST {
        return Err(Refusal::Raised);
    }
    match (operator.as_str(), arguments.as_slice()) {
        ("and" | "or", [first, rest @ ..]) => {
            let mut whole = expression(first, depth + 1)?;
            for argument in rest {
                let next = expression(argument, depth + 1)?;
                whole = match operator.as_str() {
                    "and" => whole.and(next),
                    _ => whole.or(next),
                };
            }
            Ok(whole)
        }
        ("not", [inner]) => {
            let mut inner = expression(inner, depth + 1)?;
            inner.text = format!("NOT ({})", inner.text);
            Ok(inner)
        }
        ("isnull", [operand]) => {
            let mut read = property(operand["property"].as_str().ok_or(Refusal::Raised)?)?;
            read.text = format!("{} IS NULL", read.text);
            Ok(read)
        }
        ("between", [value, low, high]) => {
            Ok(compare(">=", value, low)?.and(compare("<=", value, high)?))
        }
        ("in", [value, Value::Array(list)]) => member(value, list),
        ("like", [value, pattern]) => like(value, pattern),
        ("=" | "eq", [left, right]) => compare("=", left, right),
        ("<>" | "neq", [left, right]) => compare("<>", left, right),
        ("<" | "lt", [left, right]) => compare("<", left, right),
        ("<=" | "lte", [left, right]) => compare("<=", left, right),
        (">" | "gt", [left, right]) => compare(">", left, right),
        (">=" | "gte", [left, right]) => compare(">=", left, right),
        (other, _) if known_elsewhere(other) => Err(Refusal::Parameter(format!(
            "the sandbox does not evaluate the operator '{other}'"
        ))),
        _ => Err(Refusal::Raised),
    }
}

/// Operators of pgstac that the sandbox leaves out.
fn known_elsewhere(operator: &str) -> bool {
    ["s_", "t_", "a_"]
        .iter()
        .any(|kind| operator.starts_with(kind))
        || [
            "intersects",
            "anyinteracts",
            "upper",
            "lower",
            "casei",
            "accenti",
        ]
        .contains(&operator)
}

/// How the two sides of a comparison are read, as pgstac's property wrappers decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Instant,
    Number,
    Text,
}

fn reading(operands: &[&Value]) -> Reading {
    let names = |wanted: &[&str]| {
        operands.iter().any(|operand| {
            let name = operand["property"].as_str().unwrap_or_default();
            wanted.contains(&name.strip_prefix("properties.").unwrap_or(name))
        })
    };
    if names(&["datetime", "end_datetime"]) {
        Reading::Instant
    } else if names(&["id", "collection"]) || !operands.iter().any(|operand| operand.is_number()) {
        Reading::Text
    } else {
        Reading::Number
    }
}

fn compare(operator: &str, left: &Value, right: &Value) -> Result<Condition, Refusal> {
    let reading = reading(&[left, right]);
    let left = operand(left, reading)?;
    let right = operand(right, reading)?;
    let text = format!("{} {operator} {}", left.text, right.text);
    Ok(Condition::new(
        text,
        left.values.into_iter().chain(right.values),
    ))
}

fn member(value: &Value, list: &[Value]) -> Result<Condition, Refusal> {
    let mut all: Vec<&Value> = vec![value];
    all.extend(list);
    let reading = reading(&all);
    let mut whole = operand(value, reading)?;
    let mut members = Vec::with_capacity(list.len());
    for item in list {
        let item = operand(item, reading)?;
        members.push(item.text);
        whole.values.extend(item.values);
    }
    whole.text = format!("{} IN ({})", whole.text, members.join(", "));
    Ok(whole)
}

fn like(value: &Value, pattern: &Value) -> Result<Condition, Refusal> {
    let pattern = pattern.as_str().ok_or(Refusal::Raised)?;
    let mut whole = operand(value, Reading::Text)?;
    whole.text = format!("{} GLOB ?", whole.text);
    whole.values.push(sql::text(glob(pattern)));
    Ok(whole)
}

fn operand(node: &Value, reading: Reading) -> Result<Condition, Refusal> {
    if let Some(name) = node["property"].as_str() {
        return read_as(name, reading);
    }
    let literal = node
        .get("timestamp")
        .or_else(|| node.get("date"))
        .unwrap_or(node);
    let value = match reading {
        Reading::Instant => {
            let instant = literal.as_str().and_then(clock::parse);
            Sql::Integer(instant.ok_or(Refusal::Raised)?)
        }
        Reading::Number => match literal {
            Value::Number(number) => Sql::Real(number.as_f64().ok_or(Refusal::Raised)?),
            Value::String(text) => Sql::Real(text.parse().map_err(|_| Refusal::Raised)?),
            _ => return Err(Refusal::Raised),
        },
        Reading::Text => match literal {
            Value::String(text) => sql::text(text.as_str()),
            Value::Null => Sql::Null,
            other => sql::text(other.to_string()),
        },
    };
    Ok(Condition::new("?", [value]))
}

/// SQLite reads JSON's true as 1, PostgreSQL as the word.
const AS_TEXT: &str = "CASE json_type(body, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' \
     ELSE CAST(json_extract(body, ?) AS TEXT) END";

fn read_as(name: &str, reading: Reading) -> Result<Condition, Refusal> {
    let mut read = property(name)?;
    let Some(path) = read.values.first().cloned() else {
        return Ok(read);
    };
    match reading {
        Reading::Instant => {}
        Reading::Number => read.text = format!("CAST({} AS REAL)", read.text),
        Reading::Text => {
            AS_TEXT.clone_into(&mut read.text);
            read.values.push(path);
        }
    }
    Ok(read)
}

/// A dotted property name as a path of SQLite's JSON functions.
fn path(name: &str) -> Result<String, Refusal> {
    if name.is_empty() || name == "properties" || name.contains('"') {
        return Err(Refusal::Raised);
    }
    let quoted: Vec<String> = name.split('.').map(|part| format!("\"{part}\"")).collect();
    Ok(format!("$.properties.{}", quoted.join(".")))
}

/// A LIKE pattern as GLOB writes it: SQLite's LIKE ignores case, PostgreSQL's does not.
fn glob(pattern: &str) -> String {
    let mut made = String::with_capacity(pattern.len() + 8);
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => made.push('*'),
            '_' => made.push('?'),
            '\\' => made.extend(letters.next()),
            '*' | '?' | '[' => made.extend(['[', letter, ']']),
            other => made.push(other),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_property_is_read_as_its_literal_is_written() {
        let text = compile(&json!({"op": "=", "args": [{"property": "dashi:kind"}, "raster"]}));
        let text = text.map(|condition| condition.text.contains("CASE json_type"));
        assert!(matches!(text, Ok(true)));
        let number = compile(&json!({"op": ">", "args": [{"property": "eo:cloud_cover"}, 5]}));
        let number = number.map(|condition| condition.text);
        assert!(matches!(number, Ok(text) if text == "CAST(json_extract(body, ?) AS REAL) > ?"));
    }

    #[test]
    fn an_unknown_operator_raises_and_a_spatial_one_is_named() {
        let unknown = compile(&json!({"op": "nope", "args": []}));
        assert!(matches!(unknown, Err(Refusal::Raised)));
        let spatial = compile(&json!({"op": "s_within", "args": [{}, {}]}));
        assert!(matches!(spatial, Err(Refusal::Parameter(text)) if text.contains("s_within")));
    }

    #[test]
    fn a_like_pattern_keeps_its_meaning_as_a_glob() {
        assert_eq!(glob(r"a%_[x]*\%"), "a*?[[]x][*]%");
    }
}
