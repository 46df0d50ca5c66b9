//! What the bounds of a file's columns tell of a condition, without reading the file: that it means none of its rows, or all
//! of them. Where they do not tell, the rows do (`rows`).

use std::cmp::Ordering;

use iceberg::spec::{DataFile, Datum, PrimitiveLiteral};

use super::condition::{Column, Condition, Order};
use super::literal::floating;

/// How many of a file's rows a condition means, as far as its bounds tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// None of them.
    None,
    /// All of them.
    All,
    /// Some, none or all: that is not known.
    Some,
}

impl Reach {
    /// By whether there may be some, and whether it is sure to be all.
    fn of(some: bool, all: bool) -> Reach {
        match (some, all) {
            (_, true) => Reach::All,
            (true, false) => Reach::Some,
            (false, false) => Reach::None,
        }
    }
}

/// How far a condition reaches in a file.
pub(super) fn reach(condition: &Condition, file: &DataFile) -> Reach {
    told(condition, file).truth
}

/// For how many rows it is true, and for how many false. For the others it is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    truth: Reach,
    falsehood: Reach,
}

fn told(condition: &Condition, file: &DataFile) -> Told {
    match condition {
        Condition::All(parts) => {
            let parts: Vec<Told> = parts.iter().map(|part| told(part, file)).collect();
            all(&parts)
        }
        // Any is true where not all are false.
        Condition::Any(parts) => {
            let parts: Vec<Told> = parts.iter().map(|part| turned(told(part, file))).collect();
            turned(all(&parts))
        }
        Condition::Not(inner) => turned(told(inner, file)),
        Condition::IsNull(column) => is_null(column, file),
        Condition::Compare(column, order, value) => compared(column, *order, value, file),
        Condition::Begins(column, begin) => begins(column, begin, file),
    }
}

fn all(parts: &[Told]) -> Told {
    let is_true = parts.iter().all(|part| part.truth == Reach::All);
    let is_never_true = parts.iter().any(|part| part.truth == Reach::None);
    let is_never_false = parts.iter().all(|part| part.falsehood == Reach::None);
    let is_false = parts.iter().any(|part| part.falsehood == Reach::All);
    Told {
        truth: Reach::of(!is_never_true, is_true),
        falsehood: Reach::of(!is_never_false, is_false),
    }
}

fn turned(told: Told) -> Told {
    Told {
        truth: told.falsehood,
        falsehood: told.truth,
    }
}

/// What is known of the values of a column in a file.
struct Known<'a> {
    lower: Option<&'a Datum>,
    upper: Option<&'a Datum>,
    may_be_null: bool,
    may_be_value: bool,
    may_be_nan: bool,
}

fn known<'a>(column: &Column, file: &'a DataFile) -> Known<'a> {
    let id = &column.id;
    let nulls = file.null_value_counts().get(id);
    let is_whole = |count: &u64| *count >= file.record_count();
    Known {
        lower: file.lower_bounds().get(id),
        upper: file.upper_bounds().get(id),
        may_be_null: nulls != Some(&0),
        may_be_value: !nulls.is_some_and(is_whole),
        may_be_nan: file.nan_value_counts().get(id) != Some(&0),
    }
}

fn is_null(column: &Column, file: &DataFile) -> Told {
    let known = known(column, file);
    Told {
        truth: Reach::of(known.may_be_null, !known.may_be_value),
        falsehood: Reach::of(known.may_be_value, !known.may_be_null),
    }
}

fn compared(column: &Column, order: Order, value: &Datum, file: &DataFile) -> Told {
    let known = known(column, file);
    let (low, high) = (
        known.lower.and_then(|bound| order_of(bound, value)),
        known.upper.and_then(|bound| order_of(bound, value)),
    );
    let is = |side: Option<Ordering>, test: fn(Ordering) -> bool| side.is_some_and(test);
    // What no bound excludes may be; a bound that is not known excludes nothing.
    let (never, always) = match order {
        Order::Equal => (
            is(low, Ordering::is_gt) || is(high, Ordering::is_lt),
            is(low, Ordering::is_eq) && is(high, Ordering::is_eq),
        ),
        Order::Less => (is(low, Ordering::is_ge), is(high, Ordering::is_lt)),
        Order::AtMost => (is(low, Ordering::is_gt), is(high, Ordering::is_le)),
        Order::More => (is(high, Ordering::is_le), is(low, Ordering::is_gt)),
        Order::AtLeast => (is(high, Ordering::is_lt), is(low, Ordering::is_ge)),
    };
    // No bound tells of what is not a number; it compares with nothing.
    let may_be_nan = floating(value).is_some() && known.may_be_nan;
    Told {
        truth: Reach::of(
            known.may_be_value && !never,
            always && !known.may_be_null && !may_be_nan,
        ),
        falsehood: Reach::of(
            known.may_be_value && (!always || may_be_nan),
            never && !known.may_be_null,
        ),
    }
}

fn begins(column: &Column, begin: &str, file: &DataFile) -> Told {
    let known = known(column, file);
    let (lower, upper) = (known.lower.and_then(text), known.upper.and_then(text));
    // A bound that was cut off may be shorter than what is asked for.
    let never = lower.is_some_and(|lower| lower > begin && !lower.starts_with(begin))
        || upper.is_some_and(|upper| upper < begin);
    let always = [lower, upper]
        .iter()
        .all(|bound| bound.is_some_and(|bound| bound.starts_with(begin)));
    Told {
        truth: Reach::of(known.may_be_value && !never, always && !known.may_be_null),
        falsehood: Reach::of(known.may_be_value && !always, never && !known.may_be_null),
    }
}

/// How a bound stands to a value; none where they are of different types, as before a column was widened.
fn order_of(bound: &Datum, value: &Datum) -> Option<Ordering> {
    match (floating(bound), floating(value)) {
        (Some(bound), Some(value)) => bound.partial_cmp(&value),
        _ => bound.partial_cmp(value),
    }
}

fn text(bound: &Datum) -> Option<&str> {
    match bound.literal() {
        PrimitiveLiteral::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use iceberg::spec::{DataContentType, DataFileBuilder, DataFileFormat, Schema};
    use serde_json::json;

    use super::*;

    /// A file of ten rows: `n` from 3 to 7, `s` from `ab` to `abz`, `x` without a bound; two are null in `s`.
    fn file() -> DataFile {
        let bounds = |n: i32, s: &str| HashMap::from([(1, Datum::int(n)), (2, Datum::string(s))]);
        DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path("s3://a/b".to_owned())
            .file_format(DataFileFormat::Parquet)
            .record_count(10)
            .file_size_in_bytes(1)
            .null_value_counts(HashMap::from([(1, 0), (2, 2), (4, 10)]))
            .lower_bounds(bounds(3, "ab"))
            .upper_bounds(bounds(7, "abz"))
            .build()
            .unwrap()
    }

    fn reached(text: &str) -> Reach {
        let field = |id: i32, name: &str, kind: &str| json!({"id": id, "name": name, "type": kind, "required": false});
        let schema: Schema = serde_json::from_value(json!({"type": "struct", "schema-id": 0, "fields": [
            field(1, "n", "int"), field(2, "s", "string"), field(3, "x", "double"), field(4, "gone", "int")]}))
        .unwrap();
        reach(&Condition::of(text, &schema).unwrap(), &file())
    }

    #[test]
    fn bounds_tell_of_all_rows_or_of_none_and_never_too_much() {
        for (text, expected) in [
            ("n = 2", Reach::None),
            ("n = 3", Reach::Some),
            ("n <> 2", Reach::All),
            ("n < 8", Reach::All),
            ("n < 7", Reach::Some),
            ("n <= 2", Reach::None),
            ("n >= 3", Reach::All),
            ("n IS NULL", Reach::None),
            ("n IS NOT NULL", Reach::All),
            // Where some are null, no comparison means all rows.
            ("s >= 'ab'", Reach::Some),
            ("s < 'ab'", Reach::None),
            ("s <> 'x'", Reach::Some),
            ("NOT s <> 'x'", Reach::None),
            ("s LIKE 'ab%'", Reach::Some),
            ("s LIKE 'b%'", Reach::None),
            ("s LIKE 'abzz%'", Reach::None),
            ("s IS NULL", Reach::Some),
            ("gone IS NULL", Reach::All),
            ("gone = 1", Reach::None),
            ("NOT gone = 1", Reach::None),
            // No bound tells of what is not a number, nor where there is none.
            ("x > 1", Reach::Some),
            ("x IS NULL", Reach::Some),
            ("n < 8 AND n > 1", Reach::All),
            ("n < 8 AND s = 'x'", Reach::None),
            ("n < 8 AND x = 1", Reach::Some),
            ("n < 8 OR x = 1", Reach::All),
            ("n > 8 OR x = 1", Reach::Some),
            ("NOT (n > 8 OR n < 1)", Reach::All),
            ("NOT (n < 8 AND x = 1)", Reach::Some),
        ] {
            assert_eq!(reached(text), expected, "{text}");
        }
    }
}
