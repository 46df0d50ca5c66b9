//! A flow run: its row, its state, and how the API shows both.
//!
//! What may follow on a state belongs to `transition`, what a worker does with it to `runner`.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::{Value, json};
use uuid::{NoContext, Timestamp, Uuid};

use super::answer::Refusal;
use crate::sandbox::{clock, sql};

/// A state of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunState {
    /// Its id; ids sort by time.
    pub(crate) id: String,
    /// Its type, as in `RUNNING`.
    pub(crate) kind: String,
    /// Its name, as in `Late`.
    pub(crate) name: String,
    /// Since when, in microseconds since 1970.
    pub(crate) since: i64,
    /// What was said with it.
    pub(crate) message: Option<String>,
    /// The details that were set, as in `scheduled_time`.
    pub(crate) details: Value,
}

impl RunState {
    /// A state of this type with its usual name.
    pub(crate) fn new(kind: &str, since: i64) -> RunState {
        RunState {
            id: id_at(since),
            kind: kind.to_owned(),
            name: usual_name(kind),
            since,
            message: None,
            details: json!({}),
        }
    }

    /// With another name.
    pub(crate) fn named(mut self, name: &str) -> RunState {
        name.clone_into(&mut self.name);
        self
    }

    /// With a message.
    pub(crate) fn saying(mut self, message: impl Into<String>) -> RunState {
        self.message = Some(message.into());
        self
    }

    /// For this time.
    pub(crate) fn scheduled_for(mut self, at: i64) -> RunState {
        self.details = json!({"scheduled_time": clock::rfc3339(at)});
        self
    }

    /// When it is scheduled for.
    pub(crate) fn scheduled_time(&self) -> Option<i64> {
        self.details["scheduled_time"]
            .as_str()
            .and_then(clock::parse)
    }

    /// Whether nothing follows on it of itself.
    pub(crate) fn is_final(&self) -> bool {
        ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"].contains(&self.kind.as_str())
    }

    /// As the API answers it.
    pub(crate) fn shown(&self, run: &str) -> Value {
        let mut details = json!({
            "flow_run_id": run,
            "task_run_id": null,
            "child_flow_run_id": null,
            "scheduled_time": null,
            "cache_key": null,
            "cache_expiration": null,
            "deferred": false,
            "untrackable_result": false,
            "pause_timeout": null,
            "pause_reschedule": false,
            "pause_key": null,
            "run_input_keyset": null,
            "refresh_cache": null,
            "retriable": null,
            "transition_id": null,
            "task_parameters_id": null,
            "traceparent": null,
            "deployment_concurrency_lease_id": null,
        });
        if let (Value::Object(all), Value::Object(set)) = (&mut details, &self.details) {
            for (name, value) in all.iter_mut() {
                if let Some(set) = set.get(name).filter(|_| name != "flow_run_id") {
                    *value = set.clone();
                }
            }
        }
        json!({
            "id": self.id,
            "type": self.kind,
            "name": self.name,
            "timestamp": clock::rfc3339(self.since),
            "message": self.message,
            "data": null,
            "state_details": details,
        })
    }
}

/// The name a state has when none is given: its type, capitalised.
pub(crate) fn usual_name(kind: &str) -> String {
    let (first, rest) = kind.split_at(kind.len().min(1));
    format!("{first}{}", rest.to_lowercase())
}

/// An id that sorts by this time.
pub(crate) fn id_at(micros: i64) -> String {
    let micros = u64::try_from(micros).unwrap_or(0);
    let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, micros / 1_000_000, nanos)).to_string()
}

/// A flow run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Its id.
    pub(crate) id: String,
    /// When it was made.
    pub(crate) created: i64,
    /// When it was last changed.
    pub(crate) updated: i64,
    /// Its name, as in `steady-tench`.
    pub(crate) name: String,
    /// Its flow.
    pub(crate) flow: String,
    /// The deployment it was made from.
    pub(crate) deployment: Option<String>,
    /// What the flow is called with.
    pub(crate) parameters: Value,
    /// Its tags, a list.
    pub(crate) tags: Value,
    /// The client's key that names it.
    pub(crate) idempotency_key: Option<String>,
    /// How often it was started.
    pub(crate) starts: i64,
    /// When it should have started.
    pub(crate) expected_start: i64,
    /// When it is to start next.
    pub(crate) next_start: Option<i64>,
    /// When it first started.
    pub(crate) started: Option<i64>,
    /// When it ended.
    pub(crate) ended: Option<i64>,
    /// Microseconds spent running in attempts that are over.
    pub(crate) worked: i64,
    /// `reschedule` after a retry by hand.
    pub(crate) retry_type: Option<String>,
    /// Its state.
    pub(crate) state: RunState,
    /// When the runner does its next step.
    pub(crate) due: Option<i64>,
    /// Which one.
    pub(crate) step: Option<String>,
}

const COLUMNS: &str = "id, created, updated, name, flow, deployment, parameters, tags, idempotency_key, run_count, \
     expected_start, next_start, started, ended, worked, retry_type, state_id, state_type, state_name, state_since, \
     state_message, state_details, due, step";

impl Run {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
        Ok(Run {
            id: row.get(0)?,
            created: row.get(1)?,
            updated: row.get(2)?,
            name: row.get(3)?,
            flow: row.get(4)?,
            deployment: row.get(5)?,
            parameters: json_of(row, 6)?,
            tags: json_of(row, 7)?,
            idempotency_key: row.get(8)?,
            starts: row.get(9)?,
            expected_start: row.get(10)?,
            next_start: row.get(11)?,
            started: row.get(12)?,
            ended: row.get(13)?,
            worked: row.get(14)?,
            retry_type: row.get(15)?,
            state: RunState {
                id: row.get(16)?,
                kind: row.get(17)?,
                name: row.get(18)?,
                since: row.get(19)?,
                message: row.get(20)?,
                details: json_of(row, 21)?,
            },
            due: row.get(22)?,
            step: row.get(23)?,
        })
    }

    /// Takes on a state, with all that follows for the run's times and counts.
    pub(crate) fn enter(&mut self, state: RunState) {
        let at = state.since;
        if self.state.kind == "RUNNING" {
            self.worked += at - self.state.since;
        }
        if state.kind == "RUNNING" {
            self.starts += 1;
        }
        if state.kind == "RUNNING" || state.is_final() {
            self.started.get_or_insert(at);
        }
        self.ended = state.is_final().then_some(at);
        self.next_start = match state.kind.as_str() {
            "SCHEDULED" => state.scheduled_time(),
            _ => None,
        };
        if state.name == "AwaitingRetry" {
            self.retry_type = Some("reschedule".to_owned());
        }
        self.updated = at;
        self.state = state;
    }

    /// As the API answers it at this moment.
    pub(crate) fn shown(&self, now: i64) -> Value {
        let running = if self.state.kind == "RUNNING" {
            now - self.state.since
        } else {
            0
        };
        let late = match self.started {
            Some(started) => started - self.expected_start,
            None if self.state.is_final() => 0,
            None => now - self.expected_start,
        };
        let instant = |at: Option<i64>| at.map(clock::rfc3339);
        let mut labels = json!({"prefect.flow.id": self.flow});
        if let Some(deployment) = &self.deployment {
            labels["prefect.deployment.id"] = json!(deployment);
        }
        let mut shown = json!({
            "id": self.id,
            "created": clock::rfc3339(self.created),
            "updated": clock::rfc3339(self.updated),
            "name": self.name,
            "flow_id": self.flow,
            "state_id": self.state.id,
            "deployment_id": self.deployment,
            "parameters": self.parameters,
            "idempotency_key": self.idempotency_key,
            "empirical_policy": {
                "max_retries": 0,
                "retry_delay_seconds": 0.0,
                "retries": null,
                "retry_delay": null,
                "pause_keys": [],
                "resuming": false,
                "retry_type": self.retry_type,
            },
            "tags": self.tags,
            "labels": labels,
            "state_type": self.state.kind,
            "state_name": self.state.name,
            "run_count": self.starts,
            "expected_start_time": clock::rfc3339(self.expected_start),
            "next_scheduled_start_time": instant(self.next_start),
            "start_time": instant(self.started),
            "end_time": instant(self.ended),
            "total_run_time": seconds(self.worked),
            "estimated_run_time": seconds(self.worked + running),
            "estimated_start_time_delta": seconds(late.max(0)),
            "auto_scheduled": false,
            "context": {},
            "job_variables": {},
            "state": self.state.shown(&self.id),
        });
        for absent in [
            "deployment_version",
            "work_queue_id",
            "work_queue_name",
            "flow_version",
            "parent_task_run_id",
            "infrastructure_document_id",
            "infrastructure_pid",
            "created_by",
            "work_pool_id",
            "work_pool_name",
        ] {
            shown[absent] = Value::Null;
        }
        shown
    }
}

/// Microseconds as Prefect's seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a run of 285 years is the first to lose a microsecond"
)]
pub(crate) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// The run with this id.
pub(crate) fn by_id(database: &Connection, id: &str) -> Result<Run, Refusal> {
    let text = format!("SELECT {COLUMNS} FROM flow_run WHERE id = ?1");
    let mut statement = database.prepare_cached(&text)?;
    let found = statement.query_row([id], Run::from_row).optional()?;
    found.ok_or(Refusal::NotFound("Flow run"))
}

/// Removes a run and its log.
pub(crate) fn remove(database: &Connection, id: &str) -> Result<(), Refusal> {
    for text in [
        "DELETE FROM flow_run_log WHERE flow_run = ?1",
        "DELETE FROM flow_run WHERE id = ?1",
    ] {
        database.prepare_cached(text)?.execute([id])?;
    }
    Ok(())
}

/// The runs that a query's tail (`WHERE …`) selects.
pub(crate) fn select(
    database: &Connection,
    tail: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Run>> {
    let text = format!("SELECT {COLUMNS} FROM flow_run {tail}");
    sql::select(database, &text, values, Run::from_row)
}

/// Writes a run that is not there yet.
pub(crate) fn insert(database: &Transaction<'_>, run: &Run) -> rusqlite::Result<()> {
    write(database, run, "INSERT")
}

/// Writes a run in the place of its older self.
pub(crate) fn update(database: &Transaction<'_>, run: &Run) -> rusqlite::Result<()> {
    write(database, run, "REPLACE")
}

fn write(database: &Transaction<'_>, run: &Run, how: &str) -> rusqlite::Result<()> {
    let text = format!(
        "{how} INTO flow_run ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
         ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)"
    );
    database.prepare_cached(&text)?.execute(params![
        run.id,
        run.created,
        run.updated,
        run.name,
        run.flow,
        run.deployment,
        run.parameters.to_string(),
        run.tags.to_string(),
        run.idempotency_key,
        run.starts,
        run.expected_start,
        run.next_start,
        run.started,
        run.ended,
        run.worked,
        run.retry_type,
        run.state.id,
        run.state.kind,
        run.state.name,
        run.state.since,
        run.state.message,
        run.state.details.to_string(),
        run.due,
        run.step,
    ])?;
    Ok(())
}

/// A column that holds JSON.
pub(crate) fn json_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Value> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}
