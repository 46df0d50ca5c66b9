//! What stands in a condition beside a column, as a value of that column's type; and such a value as Arrow compares it.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Int32Array,
    Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use iceberg::spec::{Datum, PrimitiveLiteral, PrimitiveType, Type};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

use crate::error::{Error, Kind, Result};

/// What was written: a text in quotes, a number, or true or false.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    Text(String),
    Number(String),
    Truth(bool),
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Written::Text(text) => write!(f, "'{text}'"),
            Written::Number(text) => f.write_str(text),
            Written::Truth(is) => write!(f, "{is}"),
        }
    }
}

/// What was written, as a value of the column's type.
pub(super) fn value(column: &str, kind: &PrimitiveType, written: &Written) -> Result<Datum> {
    let wrong = |hint: &str| {
        let message = format!("{written} is no value of the column '{column}', which is {kind}");
        Error::usage(message).hint(hint)
    };
    match (kind, written) {
        (PrimitiveType::Boolean, Written::Truth(is)) => Ok(Datum::bool(*is)),
        (PrimitiveType::Int, Written::Number(text)) => {
            let number = text.parse::<i32>();
            Ok(Datum::int(number.map_err(|_| {
                wrong("write a whole number of at most 32 bits")
            })?))
        }
        (PrimitiveType::Long, Written::Number(text)) => {
            let number = text.parse::<i64>();
            Ok(Datum::long(number.map_err(|_| {
                wrong("write a whole number of at most 64 bits")
            })?))
        }
        (PrimitiveType::Float, Written::Number(text)) => Ok(Datum::float(
            text.parse::<f32>().map_err(|_| wrong("write a number"))?,
        )),
        (PrimitiveType::Double, Written::Number(text)) => Ok(Datum::double(
            text.parse::<f64>().map_err(|_| wrong("write a number"))?,
        )),
        (PrimitiveType::Decimal { precision, scale }, Written::Number(text)) => {
            decimal(text, *precision, *scale)
                .ok_or_else(|| wrong("write a number with no more digits than the column keeps"))
        }
        (PrimitiveType::String, Written::Text(text)) => Ok(Datum::string(text)),
        (PrimitiveType::Uuid, Written::Text(text)) => {
            Datum::uuid_from_str(text).map_err(|_| wrong("write a UUID in quotes"))
        }
        (PrimitiveType::Date, Written::Text(text)) => {
            let date = text
                .parse()
                .ok()
                .filter(|date: &Date| date.to_string() == *text);
            let date = date.ok_or_else(|| wrong("write 'YYYY-MM-DD'"))?;
            let since = date.since((jiff::Unit::Day, Date::constant(1970, 1, 1)));
            let days = since.map_err(|_| wrong("write 'YYYY-MM-DD'"))?.get_days();
            Ok(Datum::date(days))
        }
        (PrimitiveType::Time, Written::Text(text)) => {
            let is_more = text.contains(['-', 'T', 't']);
            let time = text
                .parse()
                .ok()
                .filter(|_| !is_more)
                .filter(|time: &Time| time.nanosecond() == 0);
            let time: Time = time.ok_or_else(|| wrong("write 'HH:MM:SS'"))?;
            let since = time.duration_since(Time::midnight()).as_micros();
            Datum::time_micros(i64::try_from(since).unwrap_or_default())
                .map_err(|_| wrong("write 'HH:MM:SS'"))
        }
        (PrimitiveType::Timestamp, Written::Text(text)) => {
            let hint = "write 'YYYY-MM-DDTHH:MM:SS', without an offset: the column has none";
            if text.parse::<Timestamp>().is_ok() {
                return Err(wrong(hint));
            }
            let moment = text.parse::<DateTime>().map_err(|_| wrong(hint))?;
            let moment = jiff::tz::TimeZone::UTC.to_timestamp(moment);
            let moment = moment.ok().filter(is_whole).ok_or_else(|| wrong(hint))?;
            Ok(Datum::timestamp_micros(moment.as_microsecond()))
        }
        (PrimitiveType::Timestamptz, Written::Text(text)) => {
            let hint = "write 'YYYY-MM-DDTHH:MM:SSZ', or with another offset";
            let moment = text.parse().ok().filter(is_whole);
            let moment = moment.ok_or_else(|| wrong(hint))?;
            Ok(Datum::timestamptz_micros(moment.as_microsecond()))
        }
        (PrimitiveType::Boolean, _) => Err(wrong("write true or false")),
        (PrimitiveType::String, _) => Err(wrong("write the text in single quotes")),
        (
            PrimitiveType::Int
            | PrimitiveType::Long
            | PrimitiveType::Float
            | PrimitiveType::Double
            | PrimitiveType::Decimal { .. },
            _,
        ) => Err(wrong("write a number, without quotes")),
        (
            PrimitiveType::Date
            | PrimitiveType::Time
            | PrimitiveType::Timestamp
            | PrimitiveType::Timestamptz
            | PrimitiveType::Uuid,
            _,
        ) => Err(wrong("write it in single quotes")),
        _ => Err(wrong(
            "columns of this type cannot be compared here; IS NULL can be asked",
        )),
    }
}

/// Whether a moment is one that a column can have: those know microseconds.
fn is_whole(moment: &Timestamp) -> bool {
    moment.as_nanosecond() % 1000 == 0
}

/// A number of so many digits, so many of them behind the point.
fn decimal(text: &str, precision: u32, scale: u32) -> Option<Datum> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let missing = usize::try_from(scale).ok()?.checked_sub(fraction.len())?;
    let digits = format!("{fraction}{}", "0".repeat(missing));
    let point = if digits.is_empty() { "" } else { "." };
    let kind = Type::decimal(precision, scale).ok()?;
    let value = Datum::decimal_from_str(format!("{whole}{point}{digits}")).ok()?;
    value.to(&kind).ok()
}

/// A value as an array of one, of the type that a column of Arrow has which holds such values.
pub(super) fn array(value: &Datum) -> Option<ArrayRef> {
    Some(match (value.data_type(), value.literal()) {
        (PrimitiveType::Boolean, PrimitiveLiteral::Boolean(is)) => {
            Arc::new(BooleanArray::from(vec![*is]))
        }
        (PrimitiveType::Int, PrimitiveLiteral::Int(n)) => Arc::new(Int32Array::from(vec![*n])),
        (PrimitiveType::Date, PrimitiveLiteral::Int(n)) => Arc::new(Date32Array::from(vec![*n])),
        (PrimitiveType::Long, PrimitiveLiteral::Long(n)) => Arc::new(Int64Array::from(vec![*n])),
        (PrimitiveType::Time, PrimitiveLiteral::Long(n)) => {
            Arc::new(Time64MicrosecondArray::from(vec![*n]))
        }
        (PrimitiveType::Timestamp, PrimitiveLiteral::Long(n)) => {
            Arc::new(TimestampMicrosecondArray::from(vec![*n]))
        }
        (PrimitiveType::Timestamptz, PrimitiveLiteral::Long(n)) => {
            Arc::new(TimestampMicrosecondArray::from(vec![*n]).with_timezone("+00:00"))
        }
        (PrimitiveType::String, PrimitiveLiteral::String(text)) => {
            Arc::new(StringArray::from(vec![text.as_str()]))
        }
        (PrimitiveType::Decimal { precision, scale }, PrimitiveLiteral::Int128(n)) => {
            let (precision, scale) = (u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?);
            let array = Decimal128Array::from(vec![*n]);
            Arc::new(array.with_precision_and_scale(precision, scale).ok()?)
        }
        (PrimitiveType::Uuid, PrimitiveLiteral::UInt128(bits)) => {
            let bytes = [bits.to_be_bytes()];
            Arc::new(FixedSizeBinaryArray::try_from_iter(bytes.iter()).ok()?)
        }
        _ => return None,
    })
}

/// The number of a column that has a point that floats.
pub(super) fn floating(value: &Datum) -> Option<f64> {
    match value.literal() {
        PrimitiveLiteral::Float(number) => Some(f64::from(number.into_inner())),
        PrimitiveLiteral::Double(number) => Some(number.into_inner()),
        _ => None,
    }
}

/// What a column that was asked about must be.
pub(super) fn no_primitive(column: &str) -> Error {
    Error::new(
        Kind::Usage,
        format!("the column '{column}' holds several values in one"),
    )
    .hint("ask about a column of texts, numbers, times or truths")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: PrimitiveType, written: Written) -> Result<Datum> {
        value("c", &kind, &written)
    }

    #[test]
    fn each_type_has_its_way_to_be_written() {
        let text = |text: &str| Written::Text(text.to_owned());
        let number = |text: &str| Written::Number(text.to_owned());
        for (kind, written, shown) in [
            (PrimitiveType::Int, number("-7"), "-7"),
            (PrimitiveType::Long, number("5000000000"), "5000000000"),
            (PrimitiveType::Double, number("1e3"), "1000"),
            (PrimitiveType::String, text("it's"), "\"it's\""),
            (PrimitiveType::Date, text("2026-11-27"), "2026-11-27"),
            (PrimitiveType::Date, text("1969-12-31"), "1969-12-31"),
            (PrimitiveType::Time, text("01:02:03"), "01:02:03"),
            (
                PrimitiveType::Timestamp,
                text("2026-11-27 10:00:00"),
                "2026-11-27 10:00:00",
            ),
            (
                PrimitiveType::Timestamptz,
                text("2026-11-27T10:00:00+02:00"),
                "2026-11-27 08:00:00 UTC",
            ),
            (
                PrimitiveType::Decimal {
                    precision: 9,
                    scale: 2,
                },
                number("-0.5"),
                "-0.50",
            ),
            (PrimitiveType::Boolean, Written::Truth(true), "true"),
        ] {
            let value = of(kind.clone(), written).unwrap();
            assert_eq!(
                (value.data_type(), value.to_string().as_str()),
                (&kind, shown)
            );
            assert!(
                floating(&value).is_some() || array(&value).is_some(),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_no_value_of_the_type_is_refused_with_how_to_write_one() {
        for (kind, written) in [
            (PrimitiveType::Int, Written::Number("3000000000".to_owned())),
            (PrimitiveType::Int, Written::Text("3".to_owned())),
            (PrimitiveType::String, Written::Number("3".to_owned())),
            (
                PrimitiveType::Decimal {
                    precision: 3,
                    scale: 1,
                },
                Written::Number("1.25".to_owned()),
            ),
            (
                PrimitiveType::Timestamp,
                Written::Text("2026-11-27T10:00:00Z".to_owned()),
            ),
            (
                PrimitiveType::Timestamp,
                Written::Text("2026-11-27T10:00:00.0000055".to_owned()),
            ),
            (
                PrimitiveType::Date,
                Written::Text("2026-11-27 10:00:00".to_owned()),
            ),
            (
                PrimitiveType::Time,
                Written::Text("2026-11-27 10:00:00".to_owned()),
            ),
            (
                PrimitiveType::Timestamptz,
                Written::Text("2026-11-27T10:00:00".to_owned()),
            ),
            (PrimitiveType::Binary, Written::Text("a".to_owned())),
        ] {
            let error = of(kind, written).unwrap_err();
            assert!(
                error.to_string().contains("is no value of the column 'c'"),
                "{error}"
            );
            assert!(!error.detail().hints.is_empty());
        }
    }
}
