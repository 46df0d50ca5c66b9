//! What an entry gave back: how much of it is shown, and what `_` is afterwards. A list that is read as it comes is shown up to a
//! point, and is whole again in `_`.

use rhai::{Array, Dynamic, FnPtr};

use crate::engine::moment::Moment;
use crate::engine::raise::caught;
use crate::engine::stream::Stream;
use crate::engine::view::View;
use crate::error::Result;

/// So many values of a list are shown that is read as it comes.
const SHOWN: usize = 50;

/// What is kept of a value, and what is shown of it.
pub(super) fn shown(value: Dynamic, quiet: bool) -> Result<(Dynamic, Dynamic)> {
    let view = value.read_lock::<View>().map(|view| view.clone());
    let view = view.unwrap_or_else(|| View::plain(value));
    let stream = view
        .value
        .read_lock::<Stream>()
        .map(|stream| stream.clone());
    let (kept, view) = match stream {
        // A list without an end is shown as it comes, and nothing of it is kept.
        Some(_) if view.lines && !quiet => (Dynamic::UNIT, view),
        Some(stream) if !quiet => read(&stream, view)?,
        _ => (view.value.clone(), view),
    };
    let shown = if quiet {
        Dynamic::UNIT
    } else {
        Dynamic::from(view)
    };
    Ok((kept, shown))
}

/// Reads the beginning of a list.
fn read(stream: &Stream, mut view: View) -> Result<(Dynamic, View)> {
    let mut values = Array::new();
    while values.len() < SHOWN {
        let Some(value) = stream.pull() else {
            view.value = values.clone().into();
            return Ok((values.into(), view));
        };
        values.push(value.map_err(|error| caught(&error, ""))?);
    }
    let again = values.clone().into_iter().map(Ok).chain(stream.clone());
    let whole = Stream::of_values("values", again);
    view.value = values.into();
    let more =
        format!("these are the first {SHOWN}: _ is the whole list, as in _.count() or _.take(500)");
    view.note = Some(
        view.note
            .map_or(more.clone(), |note| format!("{note}\n{more}")),
    );
    Ok((Dynamic::from(whole), view))
}

/// Whether a value is nothing but data, which means the same in any context.
pub(super) fn is_plain(value: &Dynamic) -> bool {
    if let Some(values) = value.read_lock::<Array>() {
        return values.iter().all(is_plain);
    }
    if let Some(map) = value.read_lock::<rhai::Map>() {
        return map.values().all(is_plain);
    }
    value.is_unit()
        || value.is_bool()
        || value.is_int()
        || value.is_float()
        || value.is_string()
        || value.is_char()
        || value.is_blob()
        || value.is::<Moment>()
        || value
            .read_lock::<FnPtr>()
            .is_some_and(|function| function.curry().iter().all(is_plain))
}

/// The names of the functions that a value is or holds.
pub(super) fn functions(value: &Dynamic, names: &mut Vec<String>) {
    if let Some(function) = value.read_lock::<FnPtr>() {
        names.push(function.fn_name().to_owned());
        function
            .curry()
            .iter()
            .for_each(|held| functions(held, names));
    } else if let Some(values) = value.read_lock::<Array>() {
        values.iter().for_each(|held| functions(held, names));
    } else if let Some(map) = value.read_lock::<rhai::Map>() {
        map.values().for_each(|held| functions(held, names));
    }
}
