//! The language's functions for arrays that take a function by its name, as a text, beside a closure. A text comes from data as often,
//! and what it names is not to be called: where a text can be looked for it is, elsewhere it is refused.

use rhai::{Array, Dynamic, ImmutableString};

use super::raise::{Raised, raise_unplaced};
use crate::error::Error;

/// Those that do not look for a value.
const CALLING: [&str; 10] = [
    "all",
    "dedup",
    "drain",
    "filter",
    "map",
    "reduce",
    "reduce_rev",
    "retain",
    "some",
    "sort",
];

/// Those of which the closure takes two values.
const TWO: [&str; 4] = ["dedup", "reduce", "reduce_rev", "sort"];

/// Puts ours before those of the language.
pub(super) fn register(rhai: &mut rhai::Engine) {
    rhai.register_fn("index_of", |array: &mut Array, text: ImmutableString| {
        place_of(array, &text, 0)
    });
    rhai.register_fn(
        "index_of",
        |array: &mut Array, text: ImmutableString, start: i64| {
            let from_end = start.unsigned_abs().try_into().unwrap_or(usize::MAX);
            let start = match usize::try_from(start) {
                Ok(start) => start,
                Err(_) => array.len().saturating_sub(from_end),
            };
            place_of(array, &text, start)
        },
    );
    for name in CALLING {
        rhai.register_fn(name, move |_: &mut Array, _: ImmutableString| refused(name));
    }
    for name in ["reduce", "reduce_rev"] {
        rhai.register_fn(
            name,
            move |_: &mut Array, _: ImmutableString, _: Dynamic| refused(name),
        );
    }
}

/// Where a text stands in an array, from a place on; -1 where it does not.
fn place_of(array: &Array, text: &str, start: usize) -> i64 {
    let is_it = |value: &Dynamic| {
        value
            .read_lock::<ImmutableString>()
            .is_some_and(|held| *held == text)
    };
    let found = array.iter().skip(start).position(is_it);
    found.map_or(-1, |at| i64::try_from(start + at).unwrap_or(-1))
}

fn refused(name: &str) -> Raised<Dynamic> {
    let values = if TWO.contains(&name) {
        "one, other"
    } else {
        "value"
    };
    Err(raise_unplaced(
        &Error::usage(format!("{name} takes a closure, and this is a text")).hint(format!(
            "as in .{name}(|{values}| …), or Fn(\"name\") for a function of the script"
        )),
    ))
}
