//! Reading requests: bodies, ids in paths, and the limit and offset that every list takes.

use rusqlite::types::Value as Sql;
use rusqlite::{Params, params_from_iter};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Refusal;
use crate::sandbox::sql::Condition;
use crate::sandbox::validation::{Fault, place};

/// Lists answer at most so many; more is refused, not cropped.
const LARGEST_PAGE: i64 = 200;

/// The JSON object of a request's body; an empty body is an empty object.
pub(crate) fn body(bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::Schema(vec![Fault::not_json(&error)], Value::Null))
}

/// A member that must be a text.
pub(crate) fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    let refuse = |fault| Refusal::Schema(vec![fault], body.clone());
    match body.get(name) {
        None => Err(refuse(Fault::missing(&place(["body", name]), body))),
        Some(value) => value
            .as_str()
            .ok_or_else(|| refuse(Fault::of_type(&place(["body", name]), "string", value))),
    }
}

/// An id in a path.
pub(crate) fn id_in_path(text: &str) -> Result<String, Refusal> {
    let input = json!(text);
    match uuid(&input, &place(["path", "id"])) {
        Ok(id) => Ok(id),
        Err(fault) => Err(Refusal::Schema(vec![fault], Value::Null)),
    }
}

/// An id as the state keeps it, in hyphenated lower case.
pub(crate) fn uuid(value: &Value, at: &[Value]) -> Result<String, Fault> {
    let text = value.as_str().unwrap_or_default();
    Uuid::parse_str(text)
        .map(|id| id.hyphenated().to_string())
        .map_err(|error| {
            let length = text.chars().count();
            let why = match length {
                32 | 36 => error.to_string(),
                _ => format!("invalid length: found {length}"),
            };
            let message = format!("Input should be a valid UUID, {why}");
            Fault::new("uuid_parsing", at, &message, value).context(json!({ "error": why }))
        })
}

/// What part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// At most so many.
    pub(crate) limit: i64,
    /// After so many.
    pub(crate) offset: i64,
}

impl Window {
    /// From a body's `limit` and `offset`.
    pub(crate) fn parse(body: &Value) -> Result<Window, Refusal> {
        let number = |name: &str, otherwise: i64| match body.get(name) {
            None | Some(Value::Null) => Ok(otherwise),
            Some(value) => value.as_i64().filter(|number| *number >= 0).ok_or_else(|| {
                let fault = Fault::of_type(&place(["body", name]), "int", value);
                Refusal::Schema(vec![fault], body.clone())
            }),
        };
        let limit = number("limit", LARGEST_PAGE)?;
        if limit > LARGEST_PAGE {
            return Err(Refusal::Detail(format!(
                "Invalid limit: must be less than or equal to {LARGEST_PAGE}."
            )));
        }
        Ok(Window {
            limit,
            offset: number("offset", 0)?,
        })
    }

    /// The values of a query that ends with `LIMIT ? OFFSET ?`: first those of its condition.
    pub(crate) fn after(self, condition: Condition) -> impl Params {
        let own = [self.limit, self.offset].map(Sql::Integer);
        params_from_iter(condition.values.into_iter().chain(own))
    }
}

/// The SQL of one of the sort orders a list knows, as `(name, ORDER BY text)`; the first is the default.
pub(crate) fn order(body: &Value, known: &[(&str, &'static str)]) -> Result<&'static str, Refusal> {
    let wanted = match body.get("sort") {
        None | Some(Value::Null) => return Ok(known.first().map_or("", |(_, text)| text)),
        Some(wanted) => wanted,
    };
    let found = known.iter().find(|(name, _)| wanted.as_str() == Some(name));
    found.map(|(_, text)| *text).ok_or_else(|| {
        let names = known.iter().map(|(name, _)| *name);
        let fault = Fault::not_among(&place(["body", "sort"]), names, wanted);
        Refusal::Schema(vec![fault], body.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_over_200_is_refused() {
        assert!(matches!(
            Window::parse(&json!({"limit": 201})),
            Err(Refusal::Detail(detail)) if detail.contains("200")
        ));
        let window = Window::parse(&json!({"offset": 3})).ok();
        assert_eq!(
            window.map(|window| (window.limit, window.offset)),
            Some((200, 3))
        );
    }
}
