//! What pydantic says of a request it refuses: one entry for each fault, with its place, words and input.
//!
//! The entries' shape belongs here. Which fields a request must have, and how the list is wrapped, belongs to each
//! service.

use serde_json::{Value, json};

/// One fault in a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault(Value);

impl Fault {
    /// A fault of this type at this place.
    pub(crate) fn new(kind: &str, place: &[Value], message: &str, input: &Value) -> Fault {
        Fault(json!({"type": kind, "loc": place, "msg": message, "input": input}))
    }

    /// With what the rule was, as pydantic's `ctx`.
    pub(crate) fn context(mut self, context: Value) -> Fault {
        self.0["ctx"] = context;
        self
    }

    /// A field that is not there; `input` is what should hold it.
    pub(crate) fn missing(place: &[Value], input: &Value) -> Fault {
        Fault::new("missing", place, "Field required", input)
    }

    /// A value that is not one of those allowed, listed as pydantic does.
    pub(crate) fn literal(place: &[Value], expected: &str, input: &Value) -> Fault {
        let message = format!("Input should be {expected}");
        Fault::new("literal_error", place, &message, input).context(json!({"expected": expected}))
    }

    /// A value that is not one of an enumeration's.
    pub(crate) fn not_among<'a>(
        place: &[Value],
        known: impl IntoIterator<Item = &'a str>,
        input: &Value,
    ) -> Fault {
        let names: Vec<String> = known.into_iter().map(|name| format!("'{name}'")).collect();
        let expected = match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.join(""),
        };
        let message = format!("Input should be {expected}");
        Fault::new("enum", place, &message, input).context(json!({ "expected": expected }))
    }

    /// A text that is no point in time.
    pub(crate) fn no_datetime(place: &[Value], input: &Value) -> Fault {
        let message = "Input should be a valid datetime";
        Fault::new("datetime_parsing", place, message, input)
    }

    /// A value that is not of the type named: `string`, `list`, `dict`, `int`.
    pub(crate) fn of_type(place: &[Value], wanted: &str, input: &Value) -> Fault {
        let article = match wanted {
            "int" => "an integer".to_owned(),
            "dict" => "a valid dictionary".to_owned(),
            other => format!("a valid {other}"),
        };
        Fault::new(
            &format!("{wanted}_type"),
            place,
            &format!("Input should be {article}"),
            input,
        )
    }

    /// A body that is no JSON.
    pub(crate) fn not_json(error: &serde_json::Error) -> Fault {
        let place = [json!("body"), json!(error.column())];
        Fault::new("json_invalid", &place, "JSON decode error", &json!({}))
            .context(json!({"error": error.to_string()}))
    }

    /// The list of faults, as it stands in an answer.
    pub(crate) fn list(faults: &[Fault]) -> Value {
        Value::Array(faults.iter().map(|fault| fault.0.clone()).collect())
    }
}

/// A place in a request, as pydantic's `loc`.
pub(crate) fn place<const N: usize>(names: [&str; N]) -> Vec<Value> {
    names.into_iter().map(Value::from).collect()
}

/// The place of a member, or of an entry in a list.
pub(crate) fn below(place: &[Value], name: impl Into<Value>) -> Vec<Value> {
    let mut place = place.to_vec();
    place.push(name.into());
    place
}
