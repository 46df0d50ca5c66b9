//! Commits: what must be so, and what is made of a table's metadata then. One that cannot be whole changes nothing.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::metadata::complete;

/// So many earlier metadata files are named.
const LOG: usize = 100;
/// The branch that readers read.
const MAIN: &str = "main";

/// Applies a commit to the metadata that was at `before`, now.
pub(super) fn apply(
    metadata: &mut Value,
    commit: &Value,
    (before, now): (&str, i64),
) -> Result<(), Refusal> {
    let all = |field: &str| commit[field].as_array().cloned().unwrap_or_default();
    for requirement in all("requirements") {
        require(metadata, &requirement)?;
    }
    let since = metadata["last-updated-ms"].clone();
    for change in all("updates") {
        update(metadata, &change, now)?;
    }
    complete(metadata);
    metadata["last-updated-ms"] = now.into();
    let log = list(metadata, "metadata-log");
    log.push(json!({"metadata-file": before, "timestamp-ms": since}));
    let surplus = log.len().saturating_sub(LOG);
    log.drain(..surplus);
    Ok(())
}

fn require(metadata: &Value, requirement: &Value) -> Result<(), Refusal> {
    let kind = requirement["type"].as_str().unwrap_or_default();
    let (is, wanted) = match kind {
        "assert-table-uuid" => (&metadata["table-uuid"], &requirement["uuid"]),
        "assert-ref-snapshot-id" => {
            let name = requirement["ref"].as_str().unwrap_or(MAIN);
            (
                &metadata["refs"][name]["snapshot-id"],
                &requirement["snapshot-id"],
            )
        }
        "assert-last-assigned-field-id" => (
            &metadata["last-column-id"],
            &requirement["last-assigned-field-id"],
        ),
        "assert-current-schema-id" => (
            &metadata["current-schema-id"],
            &requirement["current-schema-id"],
        ),
        "assert-last-assigned-partition-id" => (
            &metadata["last-partition-id"],
            &requirement["last-assigned-partition-id"],
        ),
        "assert-default-spec-id" => (
            &metadata["default-spec-id"],
            &requirement["default-spec-id"],
        ),
        "assert-default-sort-order-id" => (
            &metadata["default-sort-order-id"],
            &requirement["default-sort-order-id"],
        ),
        "assert-create" => return Err(failed("the table is there already")),
        _ => return Err(Refusal::Invalid(format!("'{kind}' is no requirement"))),
    };
    if is == wanted {
        return Ok(());
    }
    Err(failed(&format!(
        "Requirement failed: {kind}: {is} is not {wanted}"
    )))
}

fn failed(message: &str) -> Refusal {
    Refusal::Conflict("CommitFailedException", message.to_owned())
}

fn update(metadata: &mut Value, change: &Value, now: i64) -> Result<(), Refusal> {
    match change["action"].as_str().unwrap_or_default() {
        "assign-uuid" => metadata["table-uuid"] = change["uuid"].clone(),
        "upgrade-format-version" => metadata["format-version"] = change["format-version"].clone(),
        "set-location" => metadata["location"] = change["location"].clone(),
        "set-properties" => set_properties(metadata, &change["updates"]),
        "remove-properties" => remove_properties(metadata, &change["removals"]),
        "add-schema" => add_schema(metadata, &change["schema"]),
        "set-current-schema" => choose(
            metadata,
            "current-schema-id",
            ("schemas", "schema-id"),
            &change["schema-id"],
        ),
        "add-spec" => list(metadata, "partition-specs").push(change["spec"].clone()),
        "set-default-spec" => choose(
            metadata,
            "default-spec-id",
            ("partition-specs", "spec-id"),
            &change["spec-id"],
        ),
        "add-sort-order" => list(metadata, "sort-orders").push(change["sort-order"].clone()),
        "set-default-sort-order" => {
            choose(
                metadata,
                "default-sort-order-id",
                ("sort-orders", "order-id"),
                &change["sort-order-id"],
            );
        }
        "add-snapshot" => add_snapshot(metadata, &change["snapshot"])?,
        "set-snapshot-ref" => set_ref(metadata, change, now)?,
        "remove-snapshot-ref" => {
            remove_ref(metadata, change["ref-name"].as_str().unwrap_or_default());
        }
        "remove-snapshots" => remove_snapshots(metadata, &change["snapshot-ids"]),
        "set-statistics" => {
            let own = change["statistics"].clone();
            drop_of_snapshot(metadata, "statistics", &own["snapshot-id"]);
            list(metadata, "statistics").push(own);
        }
        "remove-statistics" => drop_of_snapshot(metadata, "statistics", &change["snapshot-id"]),
        other => {
            return Err(Refusal::Invalid(format!(
                "'{other}' is no update that the sandbox knows"
            )));
        }
    }
    Ok(())
}

fn list<'a>(metadata: &'a mut Value, field: &str) -> &'a mut Vec<Value> {
    if !metadata[field].is_array() {
        metadata[field] = json!([]);
    }
    match &mut metadata[field] {
        Value::Array(list) => list,
        // It was just made one.
        _ => unreachable!("a list is a list"),
    }
}

fn set_properties(metadata: &mut Value, updates: &Value) {
    for (name, value) in updates.as_object().into_iter().flatten() {
        metadata["properties"][name] = value.clone();
    }
}

fn remove_properties(metadata: &mut Value, removals: &Value) {
    let removed = removals
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    if let Some(properties) = metadata["properties"].as_object_mut() {
        for name in removed {
            properties.remove(name);
        }
    }
}

fn add_schema(metadata: &mut Value, schema: &Value) {
    let last = schema["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|field| field["id"].as_i64())
        .max();
    let known = metadata["last-column-id"].as_i64().unwrap_or(0);
    metadata["last-column-id"] = last.unwrap_or(0).max(known).into();
    list(metadata, "schemas").push(schema.clone());
}

/// Makes one of a list the current one: by its id, or the last (-1).
fn choose(metadata: &mut Value, current: &str, (all, id): (&str, &str), wanted: &Value) {
    let last = list(metadata, all).last().map(|last| last[id].clone());
    metadata[current] = match (wanted.as_i64(), last) {
        (Some(-1), Some(last)) => last,
        _ => wanted.clone(),
    };
}

fn add_snapshot(metadata: &mut Value, snapshot: &Value) -> Result<(), Refusal> {
    let sequence = snapshot["sequence-number"].as_i64().unwrap_or(0);
    let last = metadata["last-sequence-number"].as_i64().unwrap_or(0);
    if metadata["format-version"] != 1
        && sequence <= last
        && !snapshot["parent-snapshot-id"].is_null()
    {
        return Err(failed(&format!(
            "Cannot add snapshot with sequence number {sequence} older than last sequence number {last}"
        )));
    }
    metadata["last-sequence-number"] = sequence.max(last).into();
    list(metadata, "snapshots").push(snapshot.clone());
    Ok(())
}

fn set_ref(metadata: &mut Value, change: &Value, now: i64) -> Result<(), Refusal> {
    let id = &change["snapshot-id"];
    if !list(metadata, "snapshots")
        .iter()
        .any(|snapshot| snapshot["snapshot-id"] == *id)
    {
        return Err(Refusal::Invalid(format!(
            "Cannot set a ref to unknown snapshot: {id}"
        )));
    }
    let name = change["ref-name"].as_str().unwrap_or(MAIN);
    let mut target = change.clone();
    if let Some(fields) = target.as_object_mut() {
        fields.remove("action");
        fields.remove("ref-name");
    }
    let is_moved = metadata["refs"][name]["snapshot-id"] != *id;
    metadata["refs"][name] = target;
    if name == MAIN && is_moved {
        metadata["current-snapshot-id"] = id.clone();
        list(metadata, "snapshot-log").push(json!({"snapshot-id": id, "timestamp-ms": now}));
    }
    Ok(())
}

fn remove_ref(metadata: &mut Value, name: &str) {
    if let Some(refs) = metadata["refs"].as_object_mut() {
        refs.remove(name);
    }
    if name == MAIN
        && let Some(fields) = metadata.as_object_mut()
    {
        fields.remove("current-snapshot-id");
    }
}

fn remove_snapshots(metadata: &mut Value, ids: &Value) {
    let gone: Vec<Value> = ids.as_array().cloned().unwrap_or_default();
    for field in ["snapshots", "snapshot-log", "statistics"] {
        list(metadata, field).retain(|entry| !gone.contains(&entry["snapshot-id"]));
    }
    if let Some(refs) = metadata["refs"].as_object_mut() {
        refs.retain(|_, target| !gone.contains(&target["snapshot-id"]));
    }
}

fn drop_of_snapshot(metadata: &mut Value, field: &str, id: &Value) {
    list(metadata, field).retain(|entry| entry["snapshot-id"] != *id);
}
