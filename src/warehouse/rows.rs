//! Which rows of a batch a condition means, as SQL has it: a comparison with what is null means no row, nor does its
//! opposite. What is not a number is equal to nothing, and neither less nor more than anything.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, Scalar};
use arrow_schema::{ArrowError, DataType};
use iceberg::spec::Datum;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use super::condition::{Column, Condition, Order};
use super::fault::fault;
use super::literal::{array, floating};
use crate::error::{Error, Result};

/// The rows of a batch that a condition means: true for each of them, and false for every other.
pub(super) fn meant(condition: &Condition, batch: &RecordBatch) -> Result<BooleanArray> {
    let truth = truth(condition, batch)?;
    Ok(truth.iter().map(|is| Some(is == Some(true))).collect())
}

/// Each row as true, false or null.
fn truth(condition: &Condition, batch: &RecordBatch) -> Result<BooleanArray> {
    let joined = |parts: &[Condition], first: bool, join: Join| {
        let all = BooleanArray::from(vec![first; batch.num_rows()]);
        parts.iter().try_fold(all, |all, part| {
            join(&all, &truth(part, batch)?).map_err(|error| unread(&error))
        })
    };
    match condition {
        Condition::All(parts) => joined(parts, true, arrow_arith::boolean::and_kleene),
        Condition::Any(parts) => joined(parts, false, arrow_arith::boolean::or_kleene),
        Condition::Not(inner) => {
            arrow_arith::boolean::not(&truth(inner, batch)?).map_err(|error| unread(&error))
        }
        Condition::IsNull(column) => {
            arrow_arith::boolean::is_null(&values(column, batch)?).map_err(|error| unread(&error))
        }
        Condition::Compare(column, order, value) => compared(column, *order, value, batch),
        Condition::Begins(column, begin) => {
            let texts = cast(&values(column, batch)?, &DataType::Utf8)?;
            let texts = texts.as_string::<i32>();
            Ok(texts
                .iter()
                .map(|text| Some(text?.starts_with(begin)))
                .collect())
        }
    }
}

type Join = fn(&BooleanArray, &BooleanArray) -> std::result::Result<BooleanArray, ArrowError>;

fn compared(
    column: &Column,
    order: Order,
    value: &Datum,
    batch: &RecordBatch,
) -> Result<BooleanArray> {
    let values = values(column, batch)?;
    if let Some(value) = floating(value) {
        return Ok(floats(&values, order, value));
    }
    let one = array(value).ok_or_else(|| Error::internal("a value that compares with nothing"))?;
    let one = Scalar::new(cast(&one, values.data_type())?);
    let compare = match order {
        Order::Equal => arrow_ord::cmp::eq,
        Order::Less => arrow_ord::cmp::lt,
        Order::AtMost => arrow_ord::cmp::lt_eq,
        Order::More => arrow_ord::cmp::gt,
        Order::AtLeast => arrow_ord::cmp::gt_eq,
    };
    compare(&values, &one).map_err(|error| unread(&error))
}

/// Floats by IEEE 754: Arrow's own comparison has an order for what is not a number, and for the two zeros.
fn floats(values: &ArrayRef, order: Order, value: f64) -> BooleanArray {
    // Equal is what is the same number, as SQL has it, however near another is.
    #[allow(clippy::float_cmp)]
    let is = |number: f64| match order {
        Order::Equal => number == value,
        Order::Less => number < value,
        Order::AtMost => number <= value,
        Order::More => number > value,
        Order::AtLeast => number >= value,
    };
    match values.data_type() {
        DataType::Float32 => values
            .as_primitive::<Float32Type>()
            .iter()
            .map(|number| Some(is(f64::from(number?))))
            .collect(),
        _ => values
            .as_primitive::<Float64Type>()
            .iter()
            .map(|number| Some(is(number?)))
            .collect(),
    }
}

/// The values of a column, found by its number: its name may have been another when the condition was written.
fn values(column: &Column, batch: &RecordBatch) -> Result<ArrayRef> {
    let id = column.id.to_string();
    let schema = batch.schema();
    let at = schema
        .fields()
        .iter()
        .position(|field| field.metadata().get(PARQUET_FIELD_ID_META_KEY) == Some(&id));
    let at =
        at.ok_or_else(|| Error::internal(format!("the column '{}' was not read", column.name)))?;
    plain(batch.column(at))
}

/// A column value by value: one that is the same in all rows of a file may come as one value and a count.
pub(super) fn plain(values: &ArrayRef) -> Result<ArrayRef> {
    match values.data_type() {
        DataType::RunEndEncoded(_, inner) => cast(values, &inner.data_type().clone()),
        _ => Ok(values.clone()),
    }
}

/// The same values as another type.
fn cast(values: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    if values.data_type() == kind {
        return Ok(values.clone());
    }
    arrow_cast::cast(values, kind).map_err(|error| unread(&error))
}

fn unread(error: &ArrowError) -> Error {
    fault("the rows of a file", error)
}
