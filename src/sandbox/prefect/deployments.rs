//! Deployments: created or updated by flow and name, read, listed.
//!
//! A deployment made over the API has nobody who picks its runs up, as on a real server without a worker. The one the
//! lake is seeded with is served: its runs go on (see `runner`).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State as Held};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{self, Refusal};
use super::request::{self, Window};
use super::{criteria, run};
use crate::sandbox::clock::Clock;
use crate::sandbox::state::State;
use crate::sandbox::validation::{Fault, place};
use crate::sandbox::{clock, reply, sql};

const COLUMNS: &str = "deployment.id, deployment.created, deployment.updated, deployment.flow, \
                       deployment.name, deployment.served, deployment.body";

/// A deployment.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    /// Its id.
    pub(crate) id: String,
    /// When it was made, in microseconds since 1970.
    pub(crate) created: i64,
    /// When it was last changed.
    pub(crate) updated: i64,
    /// The flow it deploys.
    pub(crate) flow: String,
    /// Its name, unique within the flow.
    pub(crate) name: String,
    /// Whether somebody picks its runs up.
    pub(crate) served: bool,
    /// What a client may set.
    pub(crate) body: Value,
}

/// `POST /api/deployments/`: 201 for a new one, 200 for an update.
pub(crate) async fn create(
    Held(state): Held<Arc<State>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = request::body(&body)?;
    let name = request::text(&body, "name")?.to_owned();
    request::text(&body, "flow_id")?;
    let flow = request::uuid(&body["flow_id"], &place(["body", "flow_id"]))
        .map_err(|fault: Fault| Refusal::Schema(vec![fault], body.clone()))?;
    let (deployment, new) = state
        .write(move |database| -> Result<(Deployment, bool), Refusal> {
            let known: Option<i64> = database
                .query_row("SELECT 1 FROM flow WHERE id = ?1", [&flow], |row| {
                    row.get(0)
                })
                .optional()?;
            known.ok_or(Refusal::NotFound("Flow"))?;
            let now = Clock::beside(database).micros();
            Ok(store(database, &flow, &name, &body, false, now)?)
        })
        .await?;
    Ok(answer::made(new, &deployment.shown()))
}

/// `GET /api/deployments/name/{flow}/{name}`
pub(crate) async fn read_by_name(
    Held(state): Held<Arc<State>>,
    Path((flow, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let found = state
        .read(move |database| by_name(database, &flow, &name))
        .await?;
    let deployment = found.ok_or(Refusal::NotFound("Deployment"))?;
    Ok(reply::json(StatusCode::OK, &deployment.shown()))
}

/// `GET /api/deployments/{id}`
pub(crate) async fn read(
    Held(state): Held<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let id = request::id_in_path(&id)?;
    let deployment = state.read(move |database| by_id(database, &id)).await?;
    Ok(reply::json(StatusCode::OK, &deployment.shown()))
}

/// `DELETE /api/deployments/{id}`: its flow runs stay.
pub(crate) async fn delete(
    Held(state): Held<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let id = request::id_in_path(&id)?;
    let gone = state
        .write(move |database| -> rusqlite::Result<usize> {
            database.execute("DELETE FROM deployment WHERE id = ?1", [&id])
        })
        .await?;
    if gone == 0 {
        return Err(Refusal::NotFound("Deployment"));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /api/deployments/filter`
pub(crate) async fn filter(
    Held(state): Held<Arc<State>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = request::body(&body)?;
    let condition = criteria::of_deployments(&body)?;
    let window = Window::parse(&body)?;
    let order = request::order(
        &body,
        &[
            ("NAME_ASC", "deployment.name"),
            ("NAME_DESC", "deployment.name DESC"),
            ("CREATED_DESC", "deployment.created DESC"),
            ("UPDATED_DESC", "deployment.updated DESC"),
            ("CONCURRENCY_LIMIT_ASC", "deployment.id"),
            ("CONCURRENCY_LIMIT_DESC", "deployment.id DESC"),
        ],
    )?;
    let found = state
        .read(move |database| {
            let query = format!(
                "SELECT {COLUMNS} FROM deployment JOIN flow ON flow.id = deployment.flow
                 WHERE {} ORDER BY {order}, deployment.id LIMIT ? OFFSET ?",
                condition.clause()
            );
            let values = window.after(condition);
            sql::select(database, &query, values, Deployment::from_row)
        })
        .await?;
    let shown = found.iter().map(Deployment::shown).collect();
    Ok(reply::json(StatusCode::OK, &Value::Array(shown)))
}

/// The deployment with this id.
pub(crate) fn by_id(database: &Connection, id: &str) -> Result<Deployment, Refusal> {
    let text = format!("SELECT {COLUMNS} FROM deployment WHERE id = ?1");
    let found = database
        .query_row(&text, [id], Deployment::from_row)
        .optional()?;
    found.ok_or(Refusal::NotFound("Deployment"))
}

/// The deployment with this name of the flow with that name.
pub(crate) fn by_name(
    database: &Connection,
    flow: &str,
    name: &str,
) -> rusqlite::Result<Option<Deployment>> {
    let text = format!(
        "SELECT {COLUMNS} FROM deployment JOIN flow ON flow.id = deployment.flow
         WHERE flow.name = ?1 AND deployment.name = ?2"
    );
    database
        .query_row(&text, [flow, name], Deployment::from_row)
        .optional()
}

/// Makes a deployment, or updates the one with this flow and name; and whether it was made.
pub(crate) fn store(
    database: &Transaction<'_>,
    flow: &str,
    name: &str,
    body: &Value,
    served: bool,
    at: i64,
) -> rusqlite::Result<(Deployment, bool)> {
    let text = format!("SELECT {COLUMNS} FROM deployment WHERE flow = ?1 AND name = ?2");
    let found = database
        .query_row(&text, [flow, name], Deployment::from_row)
        .optional()?;
    let new = found.is_none();
    let mut deployment = found.unwrap_or_else(|| Deployment {
        id: Uuid::new_v4().to_string(),
        created: at,
        updated: at,
        flow: flow.to_owned(),
        name: name.to_owned(),
        served,
        body: unset(),
    });
    deployment.updated = at;
    if let Value::Object(kept) = &mut deployment.body {
        for (member, value) in kept.iter_mut() {
            if let Some(sent) = body.get(member) {
                *value = sent.clone();
            }
        }
    }
    database.execute(
        "INSERT INTO deployment (id, created, updated, flow, name, served, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET updated = excluded.updated, body = excluded.body",
        params![
            deployment.id,
            deployment.created,
            deployment.updated,
            deployment.flow,
            deployment.name,
            deployment.served,
            deployment.body.to_string(),
        ],
    )?;
    Ok((deployment, new))
}

/// What a deployment holds of which nothing was said.
fn unset() -> Value {
    json!({
        "version": null,
        "description": null,
        "paused": false,
        "schedules": [],
        "concurrency_limit": null,
        "global_concurrency_limit": null,
        "concurrency_options": null,
        "job_variables": {},
        "parameters": {},
        "tags": [],
        "work_queue_name": null,
        "work_queue_id": null,
        "last_polled": null,
        "parameter_openapi_schema": {},
        "path": null,
        "pull_steps": [],
        "entrypoint": null,
        "storage_document_id": null,
        "infrastructure_document_id": null,
        "work_pool_name": null,
        "enforce_parameter_schema": true,
    })
}

impl Deployment {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Deployment> {
        Ok(Deployment {
            id: row.get(0)?,
            created: row.get(1)?,
            updated: row.get(2)?,
            flow: row.get(3)?,
            name: row.get(4)?,
            served: row.get(5)?,
            body: run::json_of(row, 6)?,
        })
    }

    /// As the API answers it.
    fn shown(&self) -> Value {
        let mut shown = self.body.clone();
        let own = json!({
            "id": self.id,
            "created": clock::rfc3339(self.created),
            "updated": clock::rfc3339(self.updated),
            "name": self.name,
            "flow_id": self.flow,
            "labels": {"prefect.flow.id": self.flow},
            "created_by": null,
            "updated_by": null,
            "status": if self.served { "READY" } else { "NOT_READY" },
        });
        if let (Value::Object(shown), Value::Object(own)) = (&mut shown, own) {
            shown.extend(own);
        }
        shown
    }
}
