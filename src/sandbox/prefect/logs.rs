//! Log lines of runs: written by workers, read in pages.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Held;
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::{Row, Transaction, params};
use serde_json::{Value, json};

use super::answer::Refusal;
use super::request::{self, Window};
use super::{criteria, run, runner};
use crate::sandbox::clock::Clock;
use crate::sandbox::state::State;
use crate::sandbox::validation::{Fault, below, place};
use crate::sandbox::{clock, reply, sql};

/// A log line about to be written.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The run it belongs to.
    pub(crate) flow_run: Option<String>,
    /// The task run it belongs to.
    pub(crate) task_run: Option<String>,
    /// The logger's name.
    pub(crate) name: String,
    /// Python's level: 20 for information, 30 for a warning, 40 for an error.
    pub(crate) level: i64,
    /// The text.
    pub(crate) message: String,
    /// When, in microseconds since 1970.
    pub(crate) at: i64,
}

impl Line {
    /// A line of a flow run's own logger.
    pub(crate) fn of_run(run: &str, at: i64, level: i64, message: String) -> Line {
        Line {
            flow_run: Some(run.to_owned()),
            task_run: None,
            name: "prefect.flow_runs".to_owned(),
            level,
            message,
            at,
        }
    }

    fn parse(line: &Value, at: &[Value]) -> Result<Line, Fault> {
        let below = |name: &str| below(at, name);
        let text = |name: &str| {
            let value = line
                .get(name)
                .ok_or_else(|| Fault::missing(&below(name), line))?;
            value
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| Fault::of_type(&below(name), "string", value))
        };
        let id = |name: &str| match line.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => request::uuid(value, &below(name)).map(Some),
        };
        let level = line
            .get("level")
            .ok_or_else(|| Fault::missing(&below("level"), line))?;
        Ok(Line {
            flow_run: id("flow_run_id")?,
            task_run: id("task_run_id")?,
            name: text("name")?,
            level: level
                .as_i64()
                .ok_or_else(|| Fault::of_type(&below("level"), "int", level))?,
            message: text("message")?,
            at: clock::parse(&text("timestamp")?)
                .ok_or_else(|| Fault::no_datetime(&below("timestamp"), &line["timestamp"]))?,
        })
    }
}

/// `POST /api/logs/`
pub(crate) async fn create(
    Held(state): Held<Arc<State>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = request::body(&body)?;
    let refuse = |fault| Refusal::Schema(vec![fault], body.clone());
    let listed = body
        .as_array()
        .ok_or_else(|| refuse(Fault::of_type(&place(["body"]), "list", &body)))?;
    let mut lines = Vec::with_capacity(listed.len());
    for (number, line) in listed.iter().enumerate() {
        let at = [json!("body"), json!(number)];
        lines.push(Line::parse(line, &at).map_err(refuse)?);
    }
    state
        .write(move |database| lines.iter().try_for_each(|line| insert(database, line)))
        .await?;
    Ok(reply::json(StatusCode::CREATED, &Value::Null))
}

/// `POST /api/logs/filter`
pub(crate) async fn filter(
    Held(state): Held<Arc<State>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = request::body(&body)?;
    let condition = criteria::of_logs(&body)?;
    let window = Window::parse(&body)?;
    let order = request::order(
        &body,
        &[
            ("TIMESTAMP_ASC", "at, seq"),
            ("TIMESTAMP_DESC", "at DESC, seq DESC"),
        ],
    )?;
    runner::catch_up(&state).await?;
    let lines = state
        .read(move |database| {
            let query = format!(
                "SELECT id, created, name, level, message, at, flow_run, task_run FROM flow_run_log
                 WHERE {} ORDER BY {order} LIMIT ? OFFSET ?",
                condition.clause()
            );
            sql::select(database, &query, window.after(condition), shown)
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &Value::Array(lines)))
}

/// Writes a line. Its id sorts by its time.
pub(crate) fn insert(database: &Transaction<'_>, line: &Line) -> rusqlite::Result<()> {
    let mut statement = database.prepare_cached(
        "INSERT INTO flow_run_log (id, created, flow_run, task_run, name, level, message, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let now = Clock::beside(database).micros();
    statement.execute(params![
        run::id_at(now),
        now,
        line.flow_run,
        line.task_run,
        line.name,
        line.level,
        line.message,
        line.at,
    ])?;
    Ok(())
}

fn shown(row: &Row<'_>) -> rusqlite::Result<Value> {
    let created = clock::rfc3339(row.get(1)?);
    Ok(json!({
        "id": row.get::<_, String>(0)?,
        "created": created,
        "updated": created,
        "name": row.get::<_, String>(2)?,
        "level": row.get::<_, i64>(3)?,
        "message": row.get::<_, String>(4)?,
        "timestamp": clock::rfc3339(row.get(5)?),
        "flow_run_id": row.get::<_, Option<String>>(6)?,
        "task_run_id": row.get::<_, Option<String>>(7)?,
    }))
}
