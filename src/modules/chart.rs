//! `chart::` — pictures of numbers in text, for where people would rather look than read.

use rhai::{Array, Dynamic, ImmutableString, Map};

use crate::engine::registry::{Namespace, native};
use crate::engine::value::{number, one_line, type_name};
use crate::error::{Error, Result};
use crate::session::Session;

/// A bar is so wide where nothing else is said.
const WIDTH: i64 = 30;

/// What a bar may be at most: lines of a terminal are shorter.
const WIDEST: i64 = 500;

/// Parts of a letter, an eighth each.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Steps of a line, from the lowest.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "chart", "Pictures of numbers in text.");
    let ns = &mut namespace;
    native! { ns,
        /// A bar that is as long as a number is large, to the eighth of a letter; of `most` it is as wide as can be. What is more
        /// than nothing can be seen.
        ///
        /// ```rhai
        /// [chart::bar(5, 10, #{width: 4}), chart::bar(1, 1000, #{width: 4}), chart::bar(0, 10)]
        /// //=> ["██", "▏", ""]
        /// ```
        read fn bar(call, value: Dynamic, most: Dynamic) -> "string"
            options as options {
                /// How many letters it has at most.
                width: Int = "30"
            }
            {
                let _ = call;
                bar(drawn(&value)?, drawn(&most)?, width(options.int("width"))?)
            }

        /// Numbers as a line of steps, the highest for the largest of them; a space for `()`.
        ///
        /// ```rhai
        /// chart::spark([0, 5, (), 10])
        /// //=> "▁▄ █"
        /// ```
        read fn spark(call, numbers: Array) -> "string" {
            let _ = call;
            spark(&numbers)?
        }

        /// How many of some numbers lie where: rows of `from`, `to`, `count` and `bar`, each as wide as the others. What lies at
        /// the end of one is in the next; the last has its end in it.
        ///
        /// ```rhai
        /// chart::histogram([1, 2, 2, 9], #{bins: 2, width: 3}).map(|row| [row.from, row.to, row.count, row.bar])
        /// //=> [[1.0, 5.0, 3, "███"], [5.0, 9.0, 1, "█"]]
        /// ```
        read fn histogram(call, numbers: Array) -> "array"
            options as options {
                /// In so many rows.
                bins: Int = "10",
                /// How many letters the longest bar has.
                width: Int = "30"
            }
            {
                let _ = call;
                let bins = options.int("bins").unwrap_or(10);
                let bins = usize::try_from(bins).ok().filter(|bins| (1..=1000).contains(bins));
                let bins = bins.ok_or_else(|| Error::usage("a histogram has 1 to 1000 bins"))?;
                histogram(&numbers, bins, width(options.int("width"))?)?
            }
    }
    namespace
}

fn width(asked: Option<i64>) -> Result<i64> {
    let width = asked.unwrap_or(WIDTH);
    if (1..=WIDEST).contains(&width) {
        return Ok(width);
    }
    Err(Error::usage(format!(
        "a bar is 1 to {WIDEST} letters wide, not {width}"
    )))
}

/// A number that has a place in a picture.
fn drawn(value: &Dynamic) -> Result<f64> {
    number(value)
        .filter(|number| number.is_finite())
        .ok_or_else(|| {
            let told = match value.as_float() {
                Ok(float) => float.to_string(),
                Err(_) if value.is_unit() => "nothing (`()`)".to_owned(),
                Err(_) => format!("{} '{}'", type_name(value), one_line(value)),
            };
            Error::usage(format!("{told} is no number that could be drawn"))
        })
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a width is small"
)]
fn bar(value: f64, most: f64, width: i64) -> String {
    if value <= 0.0 || most <= 0.0 {
        return String::new();
    }
    let eighths = ((value / most).min(1.0) * width as f64 * 8.0)
        .round()
        .max(1.0) as usize;
    let mut bar: String = std::iter::repeat_n('█', eighths / 8).collect();
    if let Some(rest) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[rest]);
    }
    bar
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a step is one of eight"
)]
fn spark(numbers: &Array) -> Result<ImmutableString> {
    let known = numbers.iter().map(|value| {
        if value.is_unit() {
            Ok(None)
        } else {
            drawn(value).map(Some)
        }
    });
    let known = known.collect::<Result<Vec<_>>>()?;
    let (low, high) = bounds(known.iter().flatten().copied());
    let step = |value: f64| STEPS[((part(value, low, high) * 7.0) as usize).min(7)];
    Ok(known
        .into_iter()
        .map(|value| value.map_or(' ', step))
        .collect::<String>()
        .into())
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bins are few"
)]
fn histogram(numbers: &Array, bins: usize, width: i64) -> Result<Array> {
    let numbers = numbers.iter().map(drawn).collect::<Result<Vec<_>>>()?;
    if numbers.is_empty() {
        return Ok(Array::new());
    }
    let (low, high) = bounds(numbers.iter().copied());
    let bins = if high > low { bins } else { 1 };
    // Halves: the distance of two numbers may be more than a number can be.
    let step = (high / 2.0 - low / 2.0) / bins as f64;
    let edge = |bin: usize| low + step * bin as f64 + step * bin as f64;
    let mut counts = vec![0_i64; bins];
    for number in numbers {
        let bin = (part(number, low, high) * bins as f64) as usize;
        counts[bin.min(bins - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let row = |(bin, count): (usize, &i64)| {
        let mut row = Map::new();
        row.insert("from".into(), edge(bin).into());
        row.insert("to".into(), edge(bin + 1).into());
        row.insert("count".into(), (*count).into());
        row.insert("bar".into(), bar(*count as f64, most as f64, width).into());
        Dynamic::from(row)
    };
    Ok(counts.iter().enumerate().map(row).collect())
}

/// How far a number is on the way between two others, from 0 to 1.
fn part(number: f64, low: f64, high: f64) -> f64 {
    if high > low {
        (number / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
    } else {
        0.0
    }
}

fn bounds(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    (
        numbers.clone().fold(f64::INFINITY, f64::min),
        numbers.fold(f64::NEG_INFINITY, f64::max),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_far_apart_as_can_be_are_drawn() {
        let ends: Array = vec![f64::MAX.into(), f64::MIN.into()];
        assert_eq!(spark(&ends).unwrap(), "█▁");
        let rows = histogram(&ends, 2, 2).unwrap();
        let row = rows[1].clone_cast::<Map>();
        assert_eq!(row["count"].as_int(), Ok(1));
        assert_eq!(row["to"].as_float(), Ok(f64::MAX));
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let told = |value: Dynamic| drawn(&value).unwrap_err().to_string();
        assert_eq!(
            told(f64::NAN.into()),
            "NaN is no number that could be drawn"
        );
        assert_eq!(
            told("x".into()),
            "string 'x' is no number that could be drawn"
        );
    }
}
