//! The metadata of a new table, and where that of any table is kept: a file in the store, written in the transaction that
//! makes it the table's.

use md5::{Digest, Md5};
use rusqlite::Transaction;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Refusal;
use crate::sandbox::s3::{self, Headers, New, Segment};
use crate::sandbox::state;

/// The last id of a partition field of a table that has none.
const NO_PARTITION: i64 = 999;

/// The metadata of a table that is made as a request says, at a place, now (in milliseconds since 1970).
pub(super) fn created(request: &Value, location: &str, now: i64) -> Result<Value, Refusal> {
    let mut schema = request["schema"].clone();
    if !schema["fields"].is_array() {
        return Err(Refusal::Invalid("a table without a schema".to_owned()));
    }
    schema["schema-id"] = 0.into();
    let last_column = last_id(&schema);
    let fields = |part: &str| {
        let fields = request[part]["fields"].as_array();
        fields.cloned().unwrap_or_default()
    };
    let (spec, order) = (fields("partition-spec"), fields("write-order"));
    let last_partition = spec
        .iter()
        .filter_map(|field| field["field-id"].as_i64())
        .max();
    let order_id = i64::from(!order.is_empty());
    let properties = if request["properties"].is_object() {
        request["properties"].clone()
    } else {
        json!({})
    };
    let version: i64 = properties["format-version"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2);
    let mut metadata = json!({
        "format-version": version,
        "table-uuid": Uuid::new_v4().to_string(),
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": now,
        "last-column-id": last_column,
        "schemas": [schema],
        "current-schema-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": spec}],
        "default-spec-id": 0,
        "last-partition-id": last_partition.unwrap_or(NO_PARTITION),
        "properties": properties,
        "snapshots": [],
        "snapshot-log": [],
        "metadata-log": [],
        "refs": {},
        "sort-orders": [{"order-id": order_id, "fields": order}],
        "default-sort-order-id": order_id,
    });
    complete(&mut metadata);
    Ok(metadata)
}

/// Has metadata of version 1 name the current schema and partitioning by themselves as well, as that version wants it.
pub(super) fn complete(metadata: &mut Value) {
    let of = |all: &str, id: &str, current: &str| {
        let mut found = metadata[all].as_array().into_iter().flatten();
        let found = found.find(|one| one[id] == metadata[current]);
        found.cloned().unwrap_or_default()
    };
    let schema = of("schemas", "schema-id", "current-schema-id");
    let spec = of("partition-specs", "spec-id", "default-spec-id");
    let is_first = metadata["format-version"] == 1;
    let Some(fields) = metadata.as_object_mut() else {
        return;
    };
    if is_first {
        fields.insert("schema".to_owned(), schema);
        fields.insert("partition-spec".to_owned(), spec["fields"].clone());
    } else {
        fields.remove("schema");
        fields.remove("partition-spec");
    }
}

/// The largest id of a field in a schema, those within others included.
fn last_id(schema: &Value) -> i64 {
    match schema {
        Value::Object(fields) => {
            let own = ["id", "element-id", "key-id", "value-id"]
                .iter()
                .filter_map(|name| fields.get(*name)?.as_i64());
            own.chain(fields.values().map(last_id)).max().unwrap_or(0)
        }
        Value::Array(all) => all.iter().map(last_id).max().unwrap_or(0),
        _ => 0,
    }
}

/// Writes metadata into the store as the next of its table, and says where.
pub(super) fn write(
    database: &Transaction<'_>,
    metadata: &Value,
    version: usize,
    now: i64,
) -> Result<String, Refusal> {
    let location = metadata["location"]
        .as_str()
        .unwrap_or_default()
        .trim_end_matches('/');
    let at = format!(
        "{location}/metadata/{version:05}-{}.metadata.json",
        Uuid::new_v4()
    );
    let path = at
        .strip_prefix("s3://")
        .and_then(|path| path.split_once('/'));
    let (bucket, key) =
        path.ok_or_else(|| Refusal::Invalid(format!("{location} is no place in the store")))?;
    let bytes = metadata.to_string().into_bytes();
    let blob = Uuid::new_v4().simple().to_string();
    std::fs::write(state::blob_path(&state::folder_of(database), &blob), &bytes)?;
    let new = New {
        etag: hex::encode(Md5::digest(&bytes)),
        headers: Headers::of_type("application/json"),
        segments: vec![Segment {
            blob,
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        }],
        modified: now,
    };
    s3::put(database, bucket, key, &new)?;
    Ok(at)
}
