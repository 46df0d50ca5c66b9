//! Values between JSON and the engine, both ways, and one-line text of a value. No I/O, no services.

use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};
use serde_json::{Number, Value};

use super::arguments::Arguments;
use super::moment::Moment;
use super::object_set::ObjectSet;
use super::secret::SecretValue;
use super::stream::Stream;
use super::unknown::Unknown;
use super::view::View;
use crate::error::{Error, Kind, Result};

/// JSON as a value of the engine. Integers beyond `i64` become floats; keys are kept in alphabetical order.
pub(crate) fn from_json(json: Value) -> Dynamic {
    match json {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => flag.into(),
        Value::Number(number) => match number.as_i64() {
            Some(int) => int.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => Dynamic::from_array(items.into_iter().map(from_json).collect()),
        Value::Object(fields) => Dynamic::from_map(
            fields
                .into_iter()
                .map(|(key, value)| (key.into(), from_json(value)))
                .collect(),
        ),
    }
}

/// A value of the engine as JSON. Streams must have been collected before; what has no JSON form is an error that
/// names its type.
pub(crate) fn to_json(value: &Dynamic) -> Result<Value> {
    json_of(value, false)
}

/// The same with what secrets hold, for a request that is to send them. It must not be shown.
pub(crate) fn reveal_json(value: &Dynamic) -> Result<Value> {
    json_of(value, true)
}

fn json_of(value: &Dynamic, reveals: bool) -> Result<Value> {
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Value::Bool(flag));
    }
    if let Ok(int) = value.as_int() {
        return Ok(int.into());
    }
    if let Ok(float) = value.as_float() {
        return Number::from_f64(float)
            .map(Value::Number)
            .ok_or_else(|| Error::new(Kind::Script, format!("{float} has no JSON form")));
    }
    if let Ok(letter) = value.as_char() {
        return Ok(letter.to_string().into());
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Ok(text.as_str().into());
    }
    if let Some(items) = value.read_lock::<Array>() {
        return items
            .iter()
            .map(|item| json_of(item, reveals))
            .collect::<Result<Vec<_>>>()
            .map(Value::Array);
    }
    if let Some(map) = value.read_lock::<Map>() {
        let fields = map
            .iter()
            .map(|(key, value)| Ok((key.to_string(), json_of(value, reveals)?)));
        return fields
            .collect::<Result<serde_json::Map<_, _>>>()
            .map(Value::Object);
    }
    if let Some(secret) = value.read_lock::<SecretValue>().filter(|_| reveals) {
        return Ok(secret.0.expose()?.into());
    }
    own_to_json(value)
}

/// The types of our own.
fn own_to_json(value: &Dynamic) -> Result<Value> {
    if let Some(view) = value.read_lock::<View>() {
        return to_json(&view.value);
    }
    if let Some(arguments) = value.read_lock::<Arguments>() {
        return to_json(&Dynamic::from_map(arguments.0.clone()));
    }
    if let Some(moment) = value.read_lock::<Moment>() {
        return Ok(moment.to_string().into());
    }
    if let Some(unknown) = value.read_lock::<Unknown>() {
        return Err(unknown.end_part("the script makes JSON or text of it"));
    }
    let hint = if value.is::<Stream>() {
        "a stream inside another value must be collected first: `.collect()`"
    } else if value.is::<SecretValue>() {
        "a secret goes nowhere but into a request: take it out of the value"
    } else {
        "return maps, arrays, strings, numbers or booleans"
    };
    Err(Error::new(
        Kind::Script,
        format!("a {} has no JSON form", type_name(value)),
    )
    .hint(hint))
}

/// The name of a value's type as scripts know it.
pub(crate) fn type_name(value: &Dynamic) -> String {
    if value.is::<FnPtr>() {
        return "function".to_owned();
    }
    match value.type_name() {
        "i64" => "int",
        "f64" => "float",
        "()" => "nothing (`()`)",
        other => other.rsplit("::").next().unwrap_or(other),
    }
    .to_owned()
}

/// A number, whole or not; none for anything else.
pub(crate) fn number(value: &Dynamic) -> Option<f64> {
    let whole = || value.as_int().ok().map(to_float);
    value.as_float().ok().or_else(whole)
}

/// A whole number beside those with a fraction, which may be no more exact.
#[allow(
    clippy::cast_precision_loss,
    reason = "that is what a float can hold of it"
)]
pub(crate) fn to_float(int: i64) -> f64 {
    int as f64
}

/// A value in one line: text as it is, everything else as JSON, what has no JSON form by its type.
pub(crate) fn one_line(value: &Dynamic) -> String {
    match to_json(value) {
        Ok(Value::String(text)) => text,
        Ok(Value::Null) => String::new(),
        Ok(json) => json.to_string(),
        Err(_) => format!("<{}>", type_name(value)),
    }
}

/// What a native function may give back.
pub(crate) trait IntoValue {
    /// This as a value of the engine.
    fn into_value(self) -> Dynamic;
}

impl IntoValue for Dynamic {
    fn into_value(self) -> Dynamic {
        self
    }
}

impl IntoValue for Value {
    fn into_value(self) -> Dynamic {
        from_json(self)
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Dynamic {
        self.map_or(Dynamic::UNIT, IntoValue::into_value)
    }
}

impl<T: IntoValue> IntoValue for Vec<T> {
    fn into_value(self) -> Dynamic {
        Dynamic::from_array(self.into_iter().map(IntoValue::into_value).collect())
    }
}

macro_rules! into_value {
    ($($type:ty => $from:expr),* $(,)?) => {$(
        impl IntoValue for $type {
            fn into_value(self) -> Dynamic {
                $from(self)
            }
        }
    )*};
}

into_value! {
    () => |(): ()| Dynamic::UNIT,
    bool => Dynamic::from_bool,
    i64 => Dynamic::from_int,
    f64 => Dynamic::from_float,
    String => |text: String| text.into(),
    &str => |text: &str| text.into(),
    ImmutableString => |text: ImmutableString| text.into(),
    Map => Dynamic::from_map,
    Stream => Dynamic::from,
    View => Dynamic::from,
    Moment => Dynamic::from,
    ObjectSet => Dynamic::from,
    SecretValue => Dynamic::from,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_comes_back_as_it_went_in() {
        let item = json!({"id": "a", "n": 1, "f": 1.5, "none": null, "list": [true, "ä", {"eo:cloud_cover": 3}]});
        assert_eq!(to_json(&from_json(item.clone())).unwrap(), item);
    }

    #[test]
    fn a_function_has_no_json_form() {
        let function = Dynamic::from(FnPtr::new("f").unwrap());
        assert_eq!(
            to_json(&function).unwrap_err().to_string(),
            "a function has no JSON form"
        );
    }
}
