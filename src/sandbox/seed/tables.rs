//! The Iceberg table of the seeded lake, two appends to a table that is partitioned by year: files that pyiceberg has
//! written (`tables/make.py`), with the times of their metadata counted from the first use.

use include_dir::{Dir, File, include_dir};
use rusqlite::{Transaction, params};
use serde_json::Value;

use super::objects::Store;
use crate::sandbox::clock::DAY;
use crate::sandbox::iceberg;
use crate::sandbox::s3::Failure;

/// The files, as they lie below the table's place.
static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/sandbox/seed/tables/stationen");
/// The table.
const TABLE: (&str, &str) = ("klima", "stationen");
/// Its place in the curated bucket, which its files name.
const PLACE: &str = "iceberg/klima/stationen";
/// It was last written so many days ago.
const AGE: i64 = 5;
/// pyiceberg wrote it within a moment: a millisecond of that is so many here.
const STRETCH: i64 = 18_000_000;

/// Writes the files and the catalogue's row.
pub(super) fn fill(database: &Transaction<'_>, store: &Store<'_>, now: i64) -> Result<(), Failure> {
    let (all, end) = (files(&FILES), (now - AGE * DAY) / 1000);
    let mut metadata: Vec<(String, Value)> = Vec::new();
    for file in all {
        let key = format!("{PLACE}/{}", file.path().display());
        match serde_json::from_slice(file.contents()) {
            Ok(parsed) => metadata.push((key, parsed)),
            Err(_) => store.put_at("curated", &key, end * 1000, file.contents())?,
        }
    }
    // Their names begin with their number.
    metadata.sort_by(|one, other| one.0.cmp(&other.0));
    let last = metadata
        .last()
        .and_then(|(_, last)| last["last-updated-ms"].as_i64());
    for (key, parsed) in &mut metadata {
        age(parsed, (last.unwrap_or_default(), end));
        store.put_at("curated", key, end * 1000, parsed.to_string().as_bytes())?;
    }
    let put = "INSERT INTO ice_namespace (name, properties) VALUES (?1, '{}')";
    database.execute(put, params![TABLE.0])?;
    if let Some((key, last)) = metadata.last() {
        iceberg::keep(database, TABLE, &format!("s3://curated/{key}"), last)?;
    }
    Ok(())
}

fn files<'a>(folder: &'a Dir<'a>) -> Vec<&'a File<'a>> {
    let below = folder.dirs().flat_map(files);
    folder.files().chain(below).collect()
}

/// Counts the times of metadata from another end.
fn age(metadata: &mut Value, (last, end): (i64, i64)) {
    match metadata {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_i64() {
                    Some(time) if name.ends_with("-ms") => {
                        *value = (end - (last - time) * STRETCH).into();
                    }
                    _ => age(value, (last, end)),
                }
            }
        }
        Value::Array(all) => {
            for value in all {
                age(value, (last, end));
            }
        }
        _ => {}
    }
}
