//! An [`Error`] on its way into a script and out again: the one `raise` that gives it a position, and the walk back
//! that finds the place, the call trace and the error in what the engine hands up.

use rhai::{Dynamic, EvalAltResult, ImmutableString, Map, NativeCallContext, Position};

use super::value;
use crate::error::{Error, Kind, Place, Trace};
use crate::script::library;

/// What a native function gives back.
pub(crate) type Raised<T> = std::result::Result<T, Box<EvalAltResult>>;

/// Why a native function fails: an error of ours, or what a closure of the script threw, which passes unchanged.
pub(crate) enum Failure {
    /// To be thrown at the place of the call.
    Ours(Error),
    /// Thrown already; it knows its place.
    Thrown(Box<EvalAltResult>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Ours(error)
    }
}

impl From<Box<EvalAltResult>> for Failure {
    fn from(thrown: Box<EvalAltResult>) -> Failure {
        Failure::Thrown(thrown)
    }
}

/// Throws a failure; one that has no place (from inside a stream) gets that of the call.
pub(crate) fn raise_failure(cx: &NativeCallContext, failure: Failure) -> Box<EvalAltResult> {
    match failure {
        Failure::Ours(error) => raise(cx, &error),
        Failure::Thrown(mut thrown) => {
            if thrown.position().is_none() {
                thrown.set_position(cx.call_position());
            }
            thrown
        }
    }
}

/// Throws an error at the place of the call. Qualified calls (`stac::item`) lose their position otherwise.
pub(crate) fn raise(cx: &NativeCallContext, error: &Error) -> Box<EvalAltResult> {
    let position = cx.call_position();
    if error.kind() == Kind::Interrupted {
        return EvalAltResult::ErrorTerminated(token(error), position).into();
    }
    let at = place(cx.call_source().unwrap_or_default(), position);
    thrown(error, at.as_ref(), position)
}

/// Throws an error that has no call of its own, as from inside a stream; `for` and the methods of streams add where.
pub(crate) fn raise_unplaced(error: &Error) -> Box<EvalAltResult> {
    if error.kind() == Kind::Interrupted {
        return EvalAltResult::ErrorTerminated(token(error), Position::NONE).into();
    }
    thrown(error, None, Position::NONE)
}

/// What a function that was stopped has to say, on its way through what cannot be caught.
fn token(error: &Error) -> Dynamic {
    optional(Some(&error.detail().hints.join("\n")).filter(|hints| !hints.is_empty()))
}

fn thrown(error: &Error, at: Option<&Place>, position: Position) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(Dynamic::from_map(to_map(error, at)), position).into()
}

/// The map that `catch (e)` sees: `kind, message, service, method, url, status, hint, causes, at`.
fn to_map(error: &Error, at: Option<&Place>) -> Map {
    let detail = error.detail();
    let mut map = Map::new();
    let mut put = |key: &str, value: Dynamic| {
        map.insert(key.into(), value);
    };
    put("kind", detail.kind.name().into());
    put("message", detail.message.clone().into());
    put("service", optional(detail.service.as_ref()));
    put("method", optional(detail.method.as_ref()));
    put("url", optional(detail.url.as_ref()));
    put(
        "status",
        detail
            .status
            .map_or(Dynamic::UNIT, |status| i64::from(status).into()),
    );
    put(
        "hint",
        if detail.hints.is_empty() {
            Dynamic::UNIT
        } else {
            detail.hints.join("\n").into()
        },
    );
    put(
        "causes",
        detail
            .causes
            .iter()
            .cloned()
            .map(Dynamic::from)
            .collect::<Vec<_>>()
            .into(),
    );
    put(
        "at",
        at.map_or(Dynamic::UNIT, |place| place.to_string().into()),
    );
    map
}

fn optional(text: Option<&String>) -> Dynamic {
    text.map_or(Dynamic::UNIT, |text| text.clone().into())
}

/// The error in what the engine hands up, with its way through the scripts. `source` is the script that was run.
pub(crate) fn caught(error: &EvalAltResult, source: &str) -> Error {
    let (trace, inner) = walk(error, source);
    // What a shipped library throws is about the call of it, and who wrote that looks there.
    let trace = match inner {
        EvalAltResult::ErrorRuntime(..) => outside_of_libraries(trace),
        _ => trace,
    };
    fault(inner).traced(trace)
}

/// The way to an error from where it left the libraries that ship with the program, if it began in one and left them.
fn outside_of_libraries(trace: Trace) -> Trace {
    let is_shipped = |place: &Place| library::is_shipped(&place.source);
    let began_inside = trace.at.as_ref().is_some_and(is_shipped);
    let left = trace.calls.iter().position(|(_, place)| !is_shipped(place));
    match left.filter(|_| began_inside) {
        None => trace,
        Some(left) => Trace {
            at: Some(trace.calls[left].1.clone()),
            calls: trace.calls[left + 1..].to_vec(),
            ..trace
        },
    }
}

/// The innermost error, and the calls on the way to it.
fn walk<'a>(mut error: &'a EvalAltResult, source: &str) -> (Trace, &'a EvalAltResult) {
    let mut file = source.to_owned();
    let mut calls = Vec::new();
    loop {
        let (name, callee, inner, position) = match error {
            EvalAltResult::ErrorInFunctionCall(name, callee, inner, position) => {
                (function_name(name), callee, inner, *position)
            }
            EvalAltResult::ErrorInModule(module, inner, position) => {
                (format!("import {module}"), module, inner, *position)
            }
            _ => break,
        };
        if let Some(place) = place(&file, position) {
            calls.push((name, place));
        }
        if !callee.is_empty() {
            file.clone_from(callee);
        }
        error = inner;
    }
    calls.reverse();
    (
        Trace {
            at: place(&file, error.position()),
            excerpt: None,
            calls,
        },
        error,
    )
}

/// Closures are called `anon$` and a random number.
fn function_name(name: &str) -> String {
    if name.starts_with("anon$") {
        "a closure".to_owned()
    } else {
        name.to_owned()
    }
}

fn place(source: &str, position: Position) -> Option<Place> {
    let line = position.line()?;
    let source = if source.is_empty() { "script" } else { source };
    Some(Place {
        source: source.to_owned(),
        line,
        column: position.position().unwrap_or(0),
    })
}

/// What an engine error says, as an error of ours.
fn fault(error: &EvalAltResult) -> Error {
    match error {
        EvalAltResult::ErrorTerminated(token, ..) => {
            let hints = token.read_lock::<ImmutableString>();
            let hints = hints.iter().flat_map(|hints| hints.lines());
            hints.fold(Error::interrupted(), |error, hint| error.hint(hint.to_owned()))
        }
        EvalAltResult::ErrorRuntime(value, _) => of_value(value),
        EvalAltResult::ErrorParsing(kind, _) => Error::usage(kind.to_string()),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => not_found(signature),
        EvalAltResult::ErrorVariableNotFound(name, _) => unknown_variable(name),
        EvalAltResult::ErrorDotExpr(said, _) => no_property(said),
        EvalAltResult::ErrorAssignmentToConstant(name, _) => Error::new(Kind::Script, format!("'{name}' is a constant"))
            .hint("`let` makes a variable that can be set again"),
        EvalAltResult::ErrorFor(_) => {
            Error::new(Kind::Script, "`for` cannot go through this value").hint("for a map, go through `map.keys()`")
        }
        EvalAltResult::ErrorStackOverflow(_) => Error::new(Kind::Script, "functions call each other too deeply")
            .hint("does one call itself without an end? A loop goes on as long as it likes"),
        EvalAltResult::ErrorDataRace(..) => Error::new(Kind::Script, unplaced(error))
            .hint("a chain that begins with a variable cannot use it in its closures: take it apart, let names = sets.keys(); names.map(…)")
            .hint("closures that run in parallel get copies of what they capture: return values, don't change captured ones"),
        _ => Error::new(Kind::Script, unplaced(error)),
    }
}

fn not_found(signature: &str) -> Error {
    let readable = readable_types(signature);
    match readable.strip_prefix("anon$") {
        // Closures are called `anon$` and a random number.
        Some(rest) => {
            let given = rest.split_once(' ').map_or("()", |(_, given)| given);
            Error::new(
                Kind::Script,
                format!("a closure that takes other arguments was called with {given}"),
            )
            .hint("what calls it says in its documentation what it hands over")
        }
        None => Error::new(Kind::Script, format!("there is no function {readable}")),
    }
}

fn unknown_variable(name: &str) -> Error {
    if name.contains("::") {
        return Error::new(Kind::Script, format!("there is no constant '{name}'"));
    }
    Error::new(Kind::Script, format!("there is no variable '{name}'"))
        .hint("functions see only their arguments and own variables: hand it over as an argument")
}

/// A property that a value does not have, as the engine says it.
fn no_property(said: &str) -> Error {
    let parts = said
        .strip_prefix("Unknown property '")
        .and_then(|rest| rest.split_once("' - a getter is not registered for type '"))
        .and_then(|(name, rest)| Some((name, rest.split_once('\'')?.0)));
    let Some((name, kind)) = parts else {
        return Error::new(Kind::Script, said.to_owned());
    };
    let kind = match kind {
        "()" => "nothing (`()`)",
        kind => kind,
    };
    let kind = readable_types(kind);
    let kind = kind.rsplit("::").next().unwrap_or(&kind);
    let error = Error::new(Kind::Script, format!("{kind} has no property '{name}'"));
    if kind.starts_with("nothing") {
        return error.hint(format!("where it may not be there: ?.{name}"));
    }
    error
}

/// The engine's own words without its "(line 1, position 2)": places are drawn by `report`.
fn unplaced(error: &EvalAltResult) -> String {
    let said = error.to_string();
    match said.rfind(" (line ") {
        Some(end) if said.ends_with(')') => said[..end].to_owned(),
        _ => said,
    }
}

/// `&str | ImmutableString | String` is a string to who writes scripts.
pub(crate) fn readable_types(signature: &str) -> String {
    signature
        .replace("&str | ImmutableString | String", "string")
        .replace("&mut ", "")
        .replace("ImmutableString", "string")
        .replace("i64", "int")
        .replace("f64", "float")
}

/// What was thrown: one of our maps, an engine error map, or anything a script throws.
fn of_value(thrown: &Dynamic) -> Error {
    let Some(map) = thrown.read_lock::<Map>() else {
        let said = value::one_line(thrown);
        let said = if said.is_empty() {
            "the script threw ()".to_owned()
        } else {
            said
        };
        return Error::new(Kind::Script, said);
    };
    let text = |key: &str| {
        map.get(key)
            .and_then(|value| value.clone().into_string().ok())
    };
    let Some(message) = text("message") else {
        return Error::new(Kind::Script, value::one_line(thrown));
    };
    let kind = text("kind")
        .and_then(|kind| Kind::from_name(&kind))
        .unwrap_or(Kind::Script);
    let mut error = Error::new(kind, message);
    let detail = error.detail_mut();
    detail.service = text("service");
    detail.method = text("method");
    detail.url = text("url");
    detail.status = map
        .get("status")
        .and_then(|status| status.as_int().ok())
        .and_then(|status| status.try_into().ok());
    detail.hints = text("hint")
        .iter()
        .flat_map(|hint| hint.lines())
        .map(str::to_owned)
        .collect();
    if let Some(causes) = map
        .get("causes")
        .and_then(rhai::Dynamic::read_lock::<rhai::Array>)
    {
        detail.causes = causes.iter().map(ToString::to_string).collect();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_into_a_script_and_out() {
        let error = Error::new(Kind::NotFound, "no collection 'nope'")
            .request("stac", "GET", "http://127.0.0.1:1/collections/nope")
            .status(404)
            .hint("did you mean 'hope'?")
            .cause("NotFoundError");
        let back = caught(&thrown(&error, None, Position::new(3, 7)), "x.rhai");
        let (was, is) = (error.detail(), back.detail());
        assert_eq!(
            (was.kind, &was.message, &was.service),
            (is.kind, &is.message, &is.service)
        );
        assert_eq!(
            (&was.url, was.status, &was.hints),
            (&is.url, is.status, &is.hints)
        );
        assert_eq!((&was.method, &was.causes), (&is.method, &is.causes));
        assert_eq!(
            is.trace.as_ref().unwrap().at.as_ref().unwrap().to_string(),
            "x.rhai:3:7"
        );
    }

    #[test]
    fn a_thrown_string_is_the_message() {
        let error: Box<EvalAltResult> =
            EvalAltResult::ErrorRuntime("no luck".into(), Position::new(1, 1)).into();
        assert_eq!(caught(&error, "x.rhai").to_string(), "no luck");
    }
}
