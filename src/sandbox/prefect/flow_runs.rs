//! Flow runs: made from a deployment, read, listed, counted.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State as Held};
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::{Transaction, params_from_iter};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{self, Refusal};
use super::deployments::{self, Deployment};
use super::request::{self, Window};
use super::run::{self, Run, RunState};
use super::{criteria, names, runner};
use crate::sandbox::state::State;
use crate::sandbox::{clock, reply};

/// What is asked of a deployment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    /// The run's name; one is drawn when there is none.
    pub(crate) name: Option<String>,
    /// Parameters that go over the deployment's.
    pub(crate) parameters: Value,
    /// Tags that come before the deployment's.
    pub(crate) tags: Vec<Value>,
    /// The key under which asking again answers the same run.
    pub(crate) idempotency_key: Option<String>,
    /// When to start, in microseconds since 1970; now when not said.
    pub(crate) scheduled: Option<i64>,
}

/// `POST /api/deployments/{id}/create_flow_run`: 201 for a new run, 200 for the one its key names.
pub(crate) async fn create_from_deployment(
    Held(state): Held<Arc<State>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let id = request::id_in_path(&id)?;
    let body = request::body(&body)?;
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let ask = Ask {
        name: text("name"),
        parameters: body["parameters"].clone(),
        tags: body["tags"].as_array().cloned().unwrap_or_default(),
        idempotency_key: text("idempotency_key"),
        scheduled: body["state"]["state_details"]["scheduled_time"]
            .as_str()
            .and_then(clock::parse),
    };
    runner::catch_up(&state).await?;
    let now = state.clock().micros();
    let (run, new) = state
        .write(move |database| {
            let deployment = deployments::by_id(database, &id)?;
            create(database, &deployment, &ask, now)
        })
        .await?;
    Ok(answer::made(new, &run.shown(now)))
}

/// Makes a run of a deployment; and whether it was made, not found by its key.
pub(crate) fn create(
    database: &Transaction<'_>,
    deployment: &Deployment,
    ask: &Ask,
    now: i64,
) -> Result<(Run, bool), Refusal> {
    if let Some(key) = &ask.idempotency_key {
        let tail = "WHERE flow = ?1 AND idempotency_key = ?2";
        let mut found = run::select(database, tail, [&deployment.flow, key])?;
        if let Some(run) = found.pop() {
            return Ok((run, false));
        }
    }
    let id = Uuid::new_v4();
    let begin = ask.scheduled.unwrap_or(now);
    let mut run = Run {
        id: id.to_string(),
        created: now,
        updated: now,
        name: ask.name.clone().unwrap_or_else(|| names::of(id)),
        flow: deployment.flow.clone(),
        deployment: Some(deployment.id.clone()),
        parameters: over(&deployment.body["parameters"], &ask.parameters),
        tags: Value::Array(joined(&ask.tags, &deployment.body["tags"])),
        idempotency_key: ask.idempotency_key.clone(),
        starts: 0,
        expected_start: begin,
        next_start: Some(begin),
        started: None,
        ended: None,
        worked: 0,
        retry_type: None,
        state: RunState::new("SCHEDULED", now).scheduled_for(begin),
        due: None,
        step: None,
    };
    runner::plan(&mut run, deployment.served);
    run::insert(database, &run)?;
    Ok((run, true))
}

/// `GET /api/flow_runs/{id}`
pub(crate) async fn read(
    Held(state): Held<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let id = request::id_in_path(&id)?;
    runner::catch_up(&state).await?;
    let run = state
        .read(move |database| run::by_id(database, &id))
        .await?;
    Ok(reply::json(
        StatusCode::OK,
        &run.shown(state.clock().micros()),
    ))
}

/// `DELETE /api/flow_runs/{id}`: 204, with its log.
pub(crate) async fn remove(
    Held(state): Held<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let id = request::id_in_path(&id)?;
    state
        .write(move |database| {
            run::by_id(database, &id)?;
            run::remove(database, &id)
        })
        .await?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// `POST /api/flow_runs/filter`
pub(crate) async fn filter(
    Held(state): Held<Arc<State>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = request::body(&body)?;
    let window = Window::parse(&body)?;
    let order = request::order(
        &body,
        &[
            ("ID_DESC", "id DESC"),
            ("START_TIME_ASC", "coalesce(started, expected_start) ASC"),
            ("START_TIME_DESC", "coalesce(started, expected_start) DESC"),
            ("EXPECTED_START_TIME_ASC", "expected_start ASC"),
            ("EXPECTED_START_TIME_DESC", "expected_start DESC"),
            ("NAME_ASC", "name ASC"),
            ("NAME_DESC", "name DESC"),
            ("NEXT_SCHEDULED_START_TIME_ASC", "next_start ASC NULLS LAST"),
            ("END_TIME_DESC", "ended DESC NULLS LAST"),
        ],
    )?;
    let condition = criteria::of_runs(&body)?;
    runner::catch_up(&state).await?;
    let runs = state
        .read(move |database| {
            let tail = format!(
                "WHERE {} ORDER BY {order}, id DESC LIMIT ? OFFSET ?",
                condition.clause()
            );
            run::select(database, &tail, window.after(condition))
        })
        .await?;
    let now = state.clock().micros();
    let shown = runs.iter().map(|run| run.shown(now)).collect();
    Ok(reply::json(StatusCode::OK, &Value::Array(shown)))
}

/// `POST /api/flow_runs/count`
pub(crate) async fn count(Held(state): Held<Arc<State>>, body: Bytes) -> Result<Response, Refusal> {
    let body = request::body(&body)?;
    let condition = criteria::of_runs(&body)?;
    runner::catch_up(&state).await?;
    let count = state
        .read(move |database| -> Result<i64, Refusal> {
            let text = format!("SELECT count(*) FROM flow_run WHERE {}", condition.clause());
            let mut statement = database.prepare_cached(&text)?;
            Ok(statement.query_row(params_from_iter(condition.values), |row| row.get(0))?)
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &json!(count)))
}

/// An object's members with those of another over them.
fn over(under: &Value, above: &Value) -> Value {
    let mut joined = under.as_object().cloned().unwrap_or_default();
    if let Some(above) = above.as_object() {
        joined.extend(above.clone());
    }
    Value::Object(joined)
}

/// Two lists of tags as one, each tag once.
fn joined(first: &[Value], second: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let second = second.as_array().map_or(&[][..], Vec::as_slice);
    for tag in first.iter().chain(second) {
        if !all.contains(tag) {
            all.push(tag.clone());
        }
    }
    all
}
