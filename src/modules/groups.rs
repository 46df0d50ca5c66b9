//! Methods of arrays that the language lacks: ordering, grouping and adding up by what a closure says of each value.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};

use crate::engine::call::Call;
use crate::engine::moment::Moment;
use crate::engine::raise::{Failure, Raised};
use crate::engine::registry::{Namespace, native};
use crate::engine::value::{number, one_line, to_float, type_name};
use crate::error::{Error, Kind, Result};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "",
        "Arrays, ordered and grouped by what a closure says.",
    );
    let ns = &mut namespace;
    native! { ns,
        /// The values in the order of what a closure says of each: numbers, texts, times or truth values, `()` first. Values of
        /// which it says the same stay in their order. (`sort` changes the variable and gives nothing back.)
        ///
        /// ```rhai
        /// [#{n: 3}, #{n: 1}, #{n: ()}].sorted_by(|it| it.n).map(|it| it.n)
        /// //=> [(), 1, 3]
        /// ```
        read method sorted_by(call, items: &mut Array, by: FnPtr) -> "array" {
            let mut keyed = said(call, items, by)?;
            let mut failed = Ok(());
            keyed.sort_by(|(a, _), (b, _)| {
                compared(a, b).unwrap_or_else(|error| {
                    failed = Err(error);
                    Ordering::Equal
                })
            });
            failed?;
            keyed.into_iter().map(|(_, item)| item).collect::<Array>()
        }

        /// A map of arrays: the values by what a closure says of each, as text.
        ///
        /// ```rhai
        /// ["a/1", "b/1", "a/2"].group_by(|key| key.split("/")[0])
        /// //=> #{a: ["a/1", "a/2"], b: ["b/1"]}
        /// ```
        read method group_by(call, items: &mut Array, by: FnPtr) -> "map" {
            let mut groups: std::collections::BTreeMap<String, Array> = std::collections::BTreeMap::new();
            for (key, item) in said(call, items, by)? {
                groups.entry(one_line(&key)).or_default().push(item);
            }
            groups.into_iter().map(|(key, items)| (key.into(), Dynamic::from(items))).collect::<Map>()
        }

        /// The sum of the numbers that a closure says of each value; `()` counts nothing. Of no values, 0.
        ///
        /// ```rhai
        /// [#{size: 2}, #{size: ()}, #{size: 5}].sum_by(|it| it.size)
        /// //=> 7
        /// ```
        read method sum_by(call, items: &mut Array, by: FnPtr) -> "int or float" {
            let numbers = said(call, items, by)?;
            sum(numbers.iter().map(|(number, _)| number))?
        }

        /// How many values there are, as of a stream: what works on one that was listed works on one that was collected.
        ///
        /// ```rhai
        /// [stac::collections().collect().count(), stac::collections().count()]
        /// //=> [2, 2]
        /// ```
        read method count(call, items: &mut Array) -> "int" {
            let _ = call;
            items.len().cast_signed() as i64
        }

        /// The first value, as of a stream; `()` of no values.
        ///
        /// ```rhai
        /// [["a", "b"].first(), [].first()]
        /// //=> ["a", ()]
        /// ```
        read method first(call, items: &mut Array) -> "any" {
            let _ = call;
            items.first().cloned().unwrap_or(Dynamic::UNIT)
        }

        /// At most so many values from the beginning, as of a stream.
        ///
        /// ```rhai
        /// ["a", "b", "c"].take(2)
        /// //=> ["a", "b"]
        /// ```
        read method take(call, items: &mut Array, most: i64) -> "array" {
            let _ = call;
            let most = usize::try_from(most).unwrap_or(0);
            items.iter().take(most).cloned().collect::<Array>()
        }

        /// The values themselves, as of a stream that is read to its end.
        ///
        /// ```rhai
        /// ["a"].collect()
        /// //=> ["a"]
        /// ```
        read method collect(call, items: &mut Array) -> "array" {
            let _ = call;
            items.clone()
        }

        /// The values without those that came before.
        ///
        /// ```rhai
        /// ["a", "b", "a", 1, 1].unique()
        /// //=> ["a", "b", 1]
        /// ```
        read method unique(call, items: &mut Array) -> "array" {
            let mut seen = BTreeSet::new();
            // The text "1" is not the number 1.
            let is_new = |item: &&Dynamic| seen.insert((item.type_name(), one_line(item)));
            items.iter().filter(is_new).cloned().collect::<Array>()
        }
    }
    namespace
}

/// Each value with what a closure says of it.
fn said(
    call: &Call,
    items: &Array,
    by: FnPtr,
) -> std::result::Result<Vec<(Dynamic, Dynamic)>, Failure> {
    let by = call.callback(by);
    let keyed = items
        .iter()
        .map(|item| Ok((by.call::<Dynamic>((item.clone(),))?, item.clone())));
    Ok(keyed.collect::<Raised<Vec<_>>>()?)
}

fn compared(a: &Dynamic, b: &Dynamic) -> Result<Ordering> {
    if a.is_unit() || b.is_unit() {
        return Ok(b.is_unit().cmp(&a.is_unit()));
    }
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return Ok(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return Ok(a.total_cmp(&b));
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Ok(a.cmp(&b));
    }
    let texts = (
        a.read_lock::<ImmutableString>(),
        b.read_lock::<ImmutableString>(),
    );
    if let (Some(a), Some(b)) = texts {
        return Ok(a.as_str().cmp(b.as_str()));
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Moment>(), b.read_lock::<Moment>()) {
        return Ok(a.cmp(&b));
    }
    let message = format!("{} and {} have no order", type_name(a), type_name(b));
    Err(Error::new(Kind::Script, message)
        .hint("let the closure give numbers, or texts, or times, of all values alike"))
}

/// Whole numbers stay whole.
fn sum<'a>(numbers: impl Iterator<Item = &'a Dynamic>) -> Result<Dynamic> {
    let (mut whole, mut fraction, mut is_whole) = (0_i64, 0.0, true);
    for value in numbers.filter(|value| !value.is_unit()) {
        if let Ok(int) = value.as_int() {
            let too_large = || Error::new(Kind::Script, "the sum is too large for a whole number");
            whole = whole.checked_add(int).ok_or_else(too_large)?;
        } else if let Ok(float) = value.as_float() {
            is_whole = false;
            fraction += float;
        } else {
            let message = format!(
                "{} '{}' is no number to add up",
                type_name(value),
                one_line(value)
            );
            return Err(
                Error::new(Kind::Script, message).hint("let the closure give numbers, or ()")
            );
        }
    }
    Ok(if is_whole {
        whole.into()
    } else {
        (to_float(whole) + fraction).into()
    })
}
