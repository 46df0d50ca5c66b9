//! Filters: the JSON that clients send becomes a SQL condition.
//!
//! Every filter is a table of what it may hold, so that an unknown member is refused with its place, as pydantic does.

use rusqlite::types::Value as Sql;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::request;
use crate::sandbox::clock;
use crate::sandbox::sql::{self, Condition};
use crate::sandbox::validation::{Fault, below, place};

/// How the values of a criterion are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Id,
    Text,
    Instant,
    Number,
    Tags,
}

/// What a filter may hold: the member's name, how its values are written, the column it reads.
type Table = &'static [(&'static str, Kind, &'static str)];

const FLOW_RUNS: Table = &[
    ("id", Kind::Id, "flow_run.id"),
    ("name", Kind::Text, "flow_run.name"),
    ("tags", Kind::Tags, "flow_run.tags"),
    ("flow_id", Kind::Id, "flow_run.flow"),
    ("deployment_id", Kind::Id, "flow_run.deployment"),
    ("idempotency_key", Kind::Text, "flow_run.idempotency_key"),
    ("start_time", Kind::Instant, "flow_run.started"),
    ("end_time", Kind::Instant, "flow_run.ended"),
    (
        "expected_start_time",
        Kind::Instant,
        "flow_run.expected_start",
    ),
    (
        "next_scheduled_start_time",
        Kind::Instant,
        "flow_run.next_start",
    ),
];
const STATES: Table = &[
    ("type", Kind::Text, "flow_run.state_type"),
    ("name", Kind::Text, "flow_run.state_name"),
];
const FLOWS: Table = &[
    ("id", Kind::Id, "flow.id"),
    ("name", Kind::Text, "flow.name"),
    ("tags", Kind::Tags, "flow.tags"),
];
const DEPLOYMENTS: Table = &[
    ("id", Kind::Id, "deployment.id"),
    ("name", Kind::Text, "deployment.name"),
    (
        "tags",
        Kind::Tags,
        "json_extract(deployment.body, '$.tags')",
    ),
];
const LOGS: Table = &[
    ("flow_run_id", Kind::Id, "flow_run"),
    ("task_run_id", Kind::Id, "task_run"),
    ("level", Kind::Number, "level"),
    ("timestamp", Kind::Instant, "at"),
];

/// The condition on runs that a body's `flow_runs`, `flows` and `deployments` mean together. It reads the table
/// `flow_run` alone.
pub(crate) fn of_runs(body: &Value) -> Result<Condition, Refusal> {
    only(body, &["task_runs", "work_pools", "work_pool_queues"])?;
    let mut whole = filter(body, "flow_runs", FLOW_RUNS)?;
    for (name, table, from, column) in [
        ("flows", FLOWS, "flow", "flow_run.flow"),
        (
            "deployments",
            DEPLOYMENTS,
            "deployment",
            "flow_run.deployment",
        ),
    ] {
        let inner = filter(body, name, table)?;
        if !inner.text.is_empty() {
            let text = format!(
                "{column} IN (SELECT {from}.id FROM {from} WHERE {})",
                inner.text
            );
            whole = whole.and(Condition::new(text, inner.values));
        }
    }
    Ok(whole)
}

/// The condition on flows.
pub(crate) fn of_flows(body: &Value) -> Result<Condition, Refusal> {
    only(
        body,
        &["flow_runs", "deployments", "task_runs", "work_pools"],
    )?;
    filter(body, "flows", FLOWS)
}

/// The condition on deployments, joined with their flows.
pub(crate) fn of_deployments(body: &Value) -> Result<Condition, Refusal> {
    only(
        body,
        &["flow_runs", "task_runs", "work_pools", "work_pool_queues"],
    )?;
    Ok(filter(body, "deployments", DEPLOYMENTS)?.and(filter(body, "flows", FLOWS)?))
}

/// The condition on log lines.
pub(crate) fn of_logs(body: &Value) -> Result<Condition, Refusal> {
    filter(body, "logs", LOGS)
}

/// Refuses filters of tables that the sandbox has not.
fn only(body: &Value, absent: &[&str]) -> Result<(), Refusal> {
    for name in absent {
        if body.get(name).is_some_and(|value| !value.is_null()) {
            return Err(Refusal::Detail(format!(
                "the sandbox does not evaluate the filter '{name}'"
            )));
        }
    }
    Ok(())
}

fn filter(body: &Value, name: &str, table: Table) -> Result<Condition, Refusal> {
    let at = place(["body", name]);
    let made = match body.get(name) {
        None | Some(Value::Null) => Ok(Condition::default()),
        Some(Value::Object(members)) => members_of(members, table, &at),
        Some(other) => Err(Fault::of_type(&at, "dict", other)),
    };
    made.map_err(|fault| Refusal::Schema(vec![fault], body.clone()))
}

fn members_of(
    members: &Map<String, Value>,
    table: Table,
    at: &[Value],
) -> Result<Condition, Fault> {
    let either = members.get("operator").and_then(Value::as_str) == Some("or_");
    let mut whole = Condition::default();
    for (name, value) in members {
        let at = below(at, name.as_str());
        if name == "operator" || value.is_null() {
            continue;
        }
        let Value::Object(inner) = value else {
            return Err(Fault::of_type(&at, "dict", value));
        };
        let next = if name == "state" && std::ptr::eq(table, FLOW_RUNS) {
            members_of(inner, STATES, &at)?
        } else {
            let known = table.iter().find(|(known, ..)| known == name);
            let (_, kind, column) = known.ok_or_else(|| forbidden(&at, value))?;
            criterion(inner, *kind, column, &at)?
        };
        whole = if either {
            whole.or(next)
        } else {
            whole.and(next)
        };
    }
    Ok(whole)
}

fn criterion(
    members: &Map<String, Value>,
    kind: Kind,
    column: &str,
    at: &[Value],
) -> Result<Condition, Fault> {
    let mut whole = Condition::default();
    for (name, value) in members {
        let at = below(at, name.as_str());
        if value.is_null() || name == "operator" {
            continue;
        }
        let next = match (name.as_str(), kind) {
            ("any_", Kind::Tags) => tags("any", column, value, &at)?,
            ("all_", Kind::Tags) => tags("all", column, value, &at)?,
            ("is_null_", Kind::Tags) => null(&format!("nullif({column}, '[]')"), value),
            ("is_null_", _) => null(column, value),
            ("any_", Kind::Id | Kind::Text) => Condition::any_of(column, list(value, kind, &at)?),
            ("not_any_", Kind::Id | Kind::Text) => {
                let mut listed = Condition::any_of(column, list(value, kind, &at)?);
                listed.text = format!("NOT coalesce({}, FALSE)", listed.text);
                listed
            }
            ("like_", Kind::Text) => {
                let part = value
                    .as_str()
                    .ok_or_else(|| Fault::of_type(&at, "string", value))?;
                let text = format!("instr(lower({column}), lower(?)) > 0");
                Condition::new(text, [sql::text(part)])
            }
            ("before_", Kind::Instant) | ("le_", Kind::Number) => {
                Condition::new(format!("{column} <= ?"), [single(value, kind, &at)?])
            }
            ("after_", Kind::Instant) | ("ge_", Kind::Number) => {
                Condition::new(format!("{column} >= ?"), [single(value, kind, &at)?])
            }
            _ => return Err(forbidden(&at, value)),
        };
        whole = whole.and(next);
    }
    Ok(whole)
}

fn null(expression: &str, value: &Value) -> Condition {
    let word = if value == &Value::Bool(false) {
        "IS NOT NULL"
    } else {
        "IS NULL"
    };
    Condition::new(format!("{expression} {word}"), [])
}

fn tags(how: &str, column: &str, value: &Value, at: &[Value]) -> Result<Condition, Fault> {
    let names = list(value, Kind::Text, at)?;
    let mut whole = Condition::default();
    for name in names {
        let text = format!("EXISTS (SELECT 1 FROM json_each({column}) WHERE value = ?)");
        let held = Condition::new(text, [name]);
        whole = match how {
            "any" => whole.or(held),
            _ => whole.and(held),
        };
    }
    Ok(whole)
}

fn list(value: &Value, kind: Kind, at: &[Value]) -> Result<Vec<Sql>, Fault> {
    let values = value
        .as_array()
        .ok_or_else(|| Fault::of_type(at, "list", value))?;
    let mut made = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        made.push(single(value, kind, &below(at, place))?);
    }
    Ok(made)
}

fn single(value: &Value, kind: Kind, at: &[Value]) -> Result<Sql, Fault> {
    match kind {
        Kind::Id => request::uuid(value, at).map(Sql::Text),
        Kind::Text | Kind::Tags => value
            .as_str()
            .map(sql::text)
            .ok_or_else(|| Fault::of_type(at, "string", value)),
        Kind::Number => value
            .as_i64()
            .map(Sql::Integer)
            .ok_or_else(|| Fault::of_type(at, "int", value)),
        Kind::Instant => {
            let instant = value.as_str().and_then(clock::parse);
            instant.map(Sql::Integer).ok_or_else(|| {
                let message = "Input should be a valid datetime or date, invalid character in year";
                Fault::new("datetime_from_date_parsing", at, message, value)
            })
        }
    }
}

fn forbidden(at: &[Value], value: &Value) -> Fault {
    Fault::new(
        "extra_forbidden",
        at,
        "Extra inputs are not permitted",
        value,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_filter_reads_the_columns_it_names() {
        let body = json!({"flow_runs": {
            "state": {"type": {"any_": ["FAILED", "CRASHED"]}},
            "tags": {"all_": ["domain:x"]},
        }, "flows": {"name": {"any_": ["dashi-ingest"]}}});
        let made = of_runs(&body);
        assert!(matches!(made, Ok(condition) if condition.values.len() == 4
            && condition.text.contains("flow_run.state_type IN (?, ?)")
            && condition.text.contains("SELECT flow.id FROM flow")));
    }

    #[test]
    fn an_unknown_member_is_refused_with_its_place() {
        let made = of_runs(&json!({"flow_runs": {"parameters": {"any_": []}}}));
        assert!(matches!(made, Err(Refusal::Schema(faults, _))
            if format!("{faults:?}").contains("extra_forbidden")));
    }
}
