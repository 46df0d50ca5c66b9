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
            Error::usage(format!(
                "{} '{}' is no number that could be drawn",
                type_name(value),
                one_line(value)
            ))
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
    let step = |value: f64| {
        let part = if high > low {
            (value - low) / (high - low)
        } else {
            0.0
        };
        STEPS[((part * 7.0) as usize).min(7)]
    };
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
    let step = (high - low) / bins as f64;
    let mut counts = vec![0_i64; bins];
    for number in numbers {
        let bin = if step > 0.0 {
            ((number - low) / step) as usize
        } else {
            0
        };
        counts[bin.min(bins - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let row = |(bin, count): (usize, &i64)| {
        let mut row = Map::new();
        row.insert("from".into(), (low + step * bin as f64).into());
        row.insert("to".into(), (low + step * (bin + 1) as f64).into());
        row.insert("count".into(), (*count).into());
        row.insert("bar".into(), bar(*count as f64, most as f64, width).into());
        Dynamic::from(row)
    };
    Ok(counts.iter().enumerate().map(row).collect())
}

fn bounds(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    (
        numbers.clone().fold(f64::INFINITY, f64::min),
        numbers.fold(f64::NEG_INFINITY, f64::max),
    )
}
