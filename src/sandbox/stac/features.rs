//! Items as rows: the columns that are searched, drawn from the item, and the statements that write them.
//!
//! Requests and answers belong to `items` and `search`.

use rusqlite::{Transaction, params};
use serde_json::Value;

use super::answer::Refusal;
use super::collections::{self, gone_unless};
use crate::sandbox::clock;

/// Adds an item whose shape has been checked. 409 when its id is taken; without its collection pgstac raises, and says
/// no more.
pub(crate) fn insert(database: &Transaction<'_>, item: &Value) -> Result<(), Refusal> {
    let collection = member(item, "collection");
    collections::find(database, collection).map_err(|_| Refusal::Raised)?;
    let (begins, ends) = span(item)?;
    let [west, south, east, north] = envelope(&item["geometry"]);
    let added = database.execute(
        "INSERT INTO item (collection, id, begins, ends, west, south, east, north, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        params![
            collection,
            member(item, "id"),
            begins,
            ends,
            west,
            south,
            east,
            north,
            item.to_string()
        ],
    )?;
    if added == 0 {
        return Err(Refusal::Conflict);
    }
    Ok(())
}

/// Puts an item in the place of the one with its id; 404 when there is none.
pub(crate) fn replace(database: &Transaction<'_>, item: &Value) -> Result<(), Refusal> {
    delete(database, member(item, "collection"), member(item, "id"))?;
    insert(database, item)
}

/// Adds an item, or puts it in the place of the one with its id.
pub(crate) fn put(database: &Transaction<'_>, item: &Value) -> Result<(), Refusal> {
    database.execute(
        "DELETE FROM item WHERE collection = ?1 AND id = ?2",
        [member(item, "collection"), member(item, "id")],
    )?;
    insert(database, item)
}

/// Deletes an item; 404 when there is none.
pub(crate) fn delete(
    database: &Transaction<'_>,
    collection: &str,
    id: &str,
) -> Result<(), Refusal> {
    gone_unless(database.execute(
        "DELETE FROM item WHERE collection = ?1 AND id = ?2",
        [collection, id],
    )?)
}

fn member<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name].as_str().unwrap_or_default()
}

/// The time an item covers. A range wins over `datetime`, as in pgstac.
fn span(item: &Value) -> Result<(i64, i64), Refusal> {
    let properties = &item["properties"];
    let instant = |name: &str| properties[name].as_str().map(clock::parse);
    let read = match (instant("start_datetime"), instant("end_datetime")) {
        (Some(start), Some(end)) => start.zip(end),
        _ => instant("datetime").flatten().map(|at| (at, at)),
    };
    read.ok_or(Refusal::Raised)
}

/// The smallest box around a geometry: west, south, east, north. Searches compare boxes, not outlines.
fn envelope(geometry: &Value) -> [f64; 4] {
    let mut bounds = [
        f64::INFINITY,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NEG_INFINITY,
    ];
    widen(geometry, &mut bounds);
    if bounds[0] > bounds[2] {
        return [0.0; 4];
    }
    bounds
}

fn widen(part: &Value, bounds: &mut [f64; 4]) {
    match part {
        Value::Object(members) => {
            for name in ["coordinates", "geometries"] {
                if let Some(inner) = members.get(name) {
                    widen(inner, bounds);
                }
            }
        }
        Value::Array(parts) => match (parts.first(), parts.get(1)) {
            (Some(Value::Number(x)), Some(Value::Number(y))) => {
                let (x, y) = (x.as_f64().unwrap_or(0.0), y.as_f64().unwrap_or(0.0));
                bounds[0] = bounds[0].min(x);
                bounds[1] = bounds[1].min(y);
                bounds[2] = bounds[2].max(x);
                bounds[3] = bounds[3].max(y);
            }
            _ => parts.iter().for_each(|part| widen(part, bounds)),
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_envelope_holds_every_point_of_a_collection_of_geometries() {
        let geometry = json!({"type": "GeometryCollection", "geometries": [
            {"type": "Point", "coordinates": [8, 50]},
            {"type": "Polygon", "coordinates": [[[7, 49], [9, 49], [9, 51], [7, 49]]]},
        ]});
        let bounds = envelope(&geometry).map(|edge| edge.to_string());
        assert_eq!(bounds, ["7", "49", "9", "51"]);
    }
}
