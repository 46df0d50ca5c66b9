//! Flows: created by name, read, listed.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State as Held};
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{self, Refusal};
use super::request::{self, Window};
use super::{criteria, run};
use crate::sandbox::clock::{self, Clock};
use crate::sandbox::state::State;
use crate::sandbox::{reply, sql};

const COLUMNS: &str = "flow.id, flow.created, flow.updated, flow.name, flow.tags";

/// `POST /api/flows/`: 201 for a new one, 200 for one that is there.
pub(crate) async fn create(
    Held(state): Held<Arc<State>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = request::body(&body)?;
    let name = request::text(&body, "name")?.to_owned();
    let tags = body["tags"].as_array().cloned().unwrap_or_default();
    let (flow, new) = state
        .write(move |database| -> Result<(Value, bool), Refusal> {
            let (id, new) = ensure(
                database,
                &name,
                &Value::Array(tags),
                Clock::beside(database).micros(),
            )?;
            let text = format!("SELECT {COLUMNS} FROM flow WHERE id = ?1");
            Ok((database.query_row(&text, [id], shown)?, new))
        })
        .await?;
    Ok(answer::made(new, &flow))
}

/// `GET /api/flows/{id}`
pub(crate) async fn read(
    Held(state): Held<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let id = request::id_in_path(&id)?;
    let flow = state
        .read(move |database| -> Result<Option<Value>, Refusal> {
            let text = format!("SELECT {COLUMNS} FROM flow WHERE id = ?1");
            Ok(database.query_row(&text, [id], shown).optional()?)
        })
        .await?;
    let flow = flow.ok_or(Refusal::NotFound("Flow"))?;
    Ok(reply::json(StatusCode::OK, &flow))
}

/// `POST /api/flows/filter`
pub(crate) async fn filter(
    Held(state): Held<Arc<State>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = request::body(&body)?;
    let condition = criteria::of_flows(&body)?;
    let window = Window::parse(&body)?;
    let order = request::order(
        &body,
        &[
            ("NAME_ASC", "flow.name"),
            ("NAME_DESC", "flow.name DESC"),
            ("CREATED_DESC", "flow.created DESC"),
            ("UPDATED_DESC", "flow.updated DESC"),
        ],
    )?;
    let flows = state
        .read(move |database| {
            let query = format!(
                "SELECT {COLUMNS} FROM flow WHERE {} ORDER BY {order}, flow.id LIMIT ? OFFSET ?",
                condition.clause()
            );
            sql::select(database, &query, window.after(condition), shown)
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &Value::Array(flows)))
}

/// The id of the flow with this name, made when there is none; and whether it was made.
pub(crate) fn ensure(
    database: &Transaction<'_>,
    name: &str,
    tags: &Value,
    at: i64,
) -> rusqlite::Result<(String, bool)> {
    let found: Option<String> = database
        .query_row("SELECT id FROM flow WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(id) = found {
        return Ok((id, false));
    }
    let id = Uuid::new_v4().to_string();
    database.execute(
        "INSERT INTO flow (id, created, updated, name, tags) VALUES (?1, ?2, ?2, ?3, ?4)",
        params![id, at, name, tags.to_string()],
    )?;
    Ok((id, true))
}

fn shown(row: &Row<'_>) -> rusqlite::Result<Value> {
    Ok(json!({
        "id": row.get::<_, String>(0)?,
        "created": clock::rfc3339(row.get(1)?),
        "updated": clock::rfc3339(row.get(2)?),
        "name": row.get::<_, String>(3)?,
        "tags": run::json_of(row, 4)?,
        "labels": {},
    }))
}
