//! What a table's metadata says, as people and scripts are told it: the table, its snapshots. Ids are texts: they have more
//! digits than a number of JSON keeps.
//!
//! Format: <https://iceberg.apache.org/spec/#table-metadata-fields>.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A table: `table`, `location`, `uuid`, `format_version`, `snapshot` (the current one), `snapshots` (how many), `updated`,
/// `records`, `files`, `bytes` (of the current snapshot), `columns`, `partitions`, `properties`, `metadata`.
#[must_use]
pub fn described(name: &str, found: &Value) -> Value {
    let metadata = &found["metadata"];
    let snapshots = metadata["snapshots"].as_array().map_or(0, Vec::len);
    let current = current(metadata);
    let total = |field: &str| {
        let summary = current.map(|snapshot| &snapshot["summary"]);
        summary.map_or(json!(0), |summary| number(&summary[field]))
    };
    json!({
        "table": name,
        "location": metadata["location"],
        "uuid": metadata["table-uuid"],
        "format_version": metadata["format-version"],
        "snapshot": current.map(|snapshot| id(&snapshot["snapshot-id"])),
        "snapshots": snapshots,
        "updated": moment(&metadata["last-updated-ms"]),
        "records": total("total-records"),
        "files": total("total-data-files"),
        "bytes": total("total-files-size"),
        "columns": columns(metadata),
        "partitions": partitions(metadata),
        "properties": metadata["properties"],
        "metadata": found["metadata-location"],
    })
}

/// The snapshots, the newest first: `snapshot`, `parent`, `sequence`, `at`, `operation`, `added_files`, `deleted_files`,
/// `added_records`, `deleted_records`, `records` (in all), `files` (in all), `refs` (the branches and tags that point to
/// it), `manifest_list`, `summary` (all of it, as texts).
#[must_use]
pub fn snapshots(metadata: &Value) -> Vec<Value> {
    let refs = refs(metadata);
    let all = metadata["snapshots"].as_array().into_iter().flatten();
    let mut rows: Vec<(i64, Value)> = all
        .map(|snapshot| {
            let sequence = snapshot["sequence-number"].as_i64().unwrap_or_default();
            (sequence, row(snapshot, &refs))
        })
        .collect();
    // Those of a table of format 1 have no sequence, and stand in the order that they were made in.
    rows.reverse();
    rows.sort_by_key(|(sequence, _)| std::cmp::Reverse(*sequence));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn row(snapshot: &Value, refs: &BTreeMap<String, Vec<String>>) -> Value {
    let summary = &snapshot["summary"];
    let own = id(&snapshot["snapshot-id"]);
    let count = |field: &str| number(&summary[field]);
    json!({
        "snapshot": own,
        "parent": snapshot.get("parent-snapshot-id").map(id),
        "sequence": snapshot["sequence-number"].as_i64().unwrap_or_default(),
        "at": moment(&snapshot["timestamp-ms"]),
        "operation": summary["operation"],
        "added_files": count("added-data-files"),
        "deleted_files": count("deleted-data-files"),
        "added_records": count("added-records"),
        "deleted_records": count("deleted-records"),
        "records": count("total-records"),
        "files": count("total-data-files"),
        "refs": refs.get(&own).cloned().unwrap_or_default(),
        "manifest_list": snapshot["manifest-list"],
        "summary": summary,
    })
}

/// The id of the snapshot that the branch `main` points to, if anything was written.
#[must_use]
pub fn head(metadata: &Value) -> Option<i64> {
    let of_branch = metadata["refs"]["main"]["snapshot-id"].as_i64();
    // Where nothing was written, old writers say -1.
    of_branch
        .or(metadata["current-snapshot-id"].as_i64())
        .filter(|id| *id >= 0)
}

/// Whether one snapshot came before another, or is it.
#[must_use]
pub fn is_before(metadata: &Value, one: i64, other: i64) -> bool {
    let mut at = Some(other);
    while let Some(id) = at.filter(|id| *id != one) {
        let snapshot = snapshot(metadata, id);
        at = snapshot.and_then(|snapshot| snapshot["parent-snapshot-id"].as_i64());
    }
    at.is_some()
}

fn current(metadata: &Value) -> Option<&Value> {
    snapshot(metadata, head(metadata)?)
}

fn snapshot(metadata: &Value, id: i64) -> Option<&Value> {
    let mut all = metadata["snapshots"].as_array()?.iter();
    all.find(|snapshot| snapshot["snapshot-id"] == id)
}

fn refs(metadata: &Value) -> BTreeMap<String, Vec<String>> {
    let mut refs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, target) in metadata["refs"].as_object().into_iter().flatten() {
        refs.entry(id(&target["snapshot-id"]))
            .or_default()
            .push(name.clone());
    }
    refs
}

fn columns(metadata: &Value) -> Vec<Value> {
    let current = &metadata["current-schema-id"];
    let schemas = metadata["schemas"].as_array().into_iter().flatten();
    let schema = schemas
        .clone()
        .find(|schema| schema["schema-id"] == *current);
    let fields = schema.unwrap_or(&metadata["schema"])["fields"].as_array();
    let column = |field: &Value| json!({"name": field["name"], "type": field["type"], "required": field["required"], "id": field["id"]});
    fields.into_iter().flatten().map(column).collect()
}

/// The current partitioning, each as `name`, `transform`, `source` (the column).
fn partitions(metadata: &Value) -> Vec<Value> {
    let columns: Map<String, Value> = columns(metadata)
        .into_iter()
        .map(|column| (column["id"].to_string(), column["name"].clone()))
        .collect();
    let current = &metadata["default-spec-id"];
    let mut specs = metadata["partition-specs"].as_array().into_iter().flatten();
    let spec = specs.find(|spec| spec["spec-id"] == *current);
    let fields = spec.and_then(|spec| spec["fields"].as_array());
    let partition = |field: &Value| {
        let source = columns.get(&field["source-id"].to_string());
        json!({"name": field["name"], "transform": field["transform"], "source": source})
    };
    fields.into_iter().flatten().map(partition).collect()
}

/// An id as text.
fn id(value: &Value) -> String {
    value.as_i64().map(|id| id.to_string()).unwrap_or_default()
}

/// A number that the summary keeps as text; null where it is not there.
fn number(value: &Value) -> Value {
    let number: Option<i64> = value.as_str().and_then(|text| text.parse().ok());
    number.map_or(Value::Null, Value::from)
}

fn moment(milliseconds: &Value) -> Option<String> {
    let moment = jiff::Timestamp::from_millisecond(milliseconds.as_i64()?).ok()?;
    Some(moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Value {
        json!({"format-version": 2, "table-uuid": "u", "location": "s3://a/t", "last-updated-ms": 2000,
            "schemas": [{"schema-id": 0, "fields": [{"id": 1, "name": "old", "type": "int", "required": true}]},
                {"schema-id": 1, "fields": [{"id": 1, "name": "n", "type": "long", "required": true}]}],
            "current-schema-id": 1, "default-spec-id": 1,
            "partition-specs": [{"spec-id": 0, "fields": []}, {"spec-id": 1, "fields": [{"source-id": 1, "field-id": 1000, "name": "b", "transform": "bucket[4]"}]}],
            "refs": {"main": {"snapshot-id": 4_611_686_018_427_387_905_i64}, "kept": {"snapshot-id": 7}},
            "snapshots": [
                {"snapshot-id": 7, "sequence-number": 1, "timestamp-ms": 1000, "manifest-list": "s3://a/1", "summary": {"operation": "append", "added-records": "3", "total-records": "3"}},
                {"snapshot-id": 4_611_686_018_427_387_905_i64, "parent-snapshot-id": 7, "sequence-number": 2, "timestamp-ms": 2000,
                    "manifest-list": "s3://a/2", "summary": {"operation": "delete", "deleted-records": "1", "total-records": "2", "total-data-files": "1", "total-files-size": "90"}}]})
    }

    #[test]
    fn a_table_is_what_its_current_snapshot_schema_and_partitioning_say() {
        let table = described(
            "a.t",
            &json!({"metadata": metadata(), "metadata-location": "s3://a/m"}),
        );
        assert_eq!(table["snapshot"], "4611686018427387905");
        assert_eq!(
            (&table["records"], &table["files"], &table["bytes"]),
            (&json!(2), &json!(1), &json!(90))
        );
        assert_eq!(
            table["columns"],
            json!([{"id": 1, "name": "n", "type": "long", "required": true}])
        );
        assert_eq!(
            table["partitions"],
            json!([{"name": "b", "transform": "bucket[4]", "source": "n"}])
        );
        assert_eq!(table["updated"], "1970-01-01T00:00:02Z");
    }

    #[test]
    fn a_table_that_nothing_was_written_to_has_nothing_in_it() {
        let empty = described(
            "a.t",
            &json!({"metadata": {"snapshots": [], "refs": {}, "last-updated-ms": 1}}),
        );
        assert_eq!(
            (&empty["snapshot"], &empty["records"], &empty["snapshots"]),
            (&Value::Null, &json!(0), &json!(0))
        );
    }

    #[test]
    fn a_snapshot_is_before_those_that_follow_it() {
        let metadata = metadata();
        let (first, last) = (7, 4_611_686_018_427_387_905);
        assert!(is_before(&metadata, first, last) && is_before(&metadata, last, last));
        assert!(!is_before(&metadata, last, first) && !is_before(&metadata, 8, last));
    }

    #[test]
    fn snapshots_are_told_the_newest_first_with_what_points_to_them() {
        let told = snapshots(&metadata());
        let part = |name: &str| told.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
        assert_eq!(part("snapshot"), ["4611686018427387905", "7"]);
        assert_eq!(part("parent"), [json!("7"), Value::Null]);
        assert_eq!(part("refs"), [json!(["main"]), json!(["kept"])]);
        assert_eq!(part("deleted_records"), [json!(1), Value::Null]);
    }
}
