//! Tables: made, listed, read, changed by commits, removed. Of two commits at once one is the first, and the other is held
//! against what that has made.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State as Held};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::{WAREHOUSE, commit, metadata, names};
use crate::sandbox::clock::Clock;
use crate::sandbox::state::State;
use crate::sandbox::{reply, sql};

type Named = Path<(String, String)>;

/// `GET /v1/namespaces/{namespace}/tables`
pub(super) async fn list(
    Held(state): Held<Arc<State>>,
    Path(namespace): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let levels = json!(names::levels(&namespace));
    let tables: Vec<String> = state
        .read(move |database| -> Result<Vec<String>, Refusal> {
            names::demanded(database, &namespace)?;
            let found = "SELECT name FROM ice_table WHERE namespace = ?1 ORDER BY name";
            Ok(sql::select(database, found, [&namespace], |row| {
                row.get(0)
            })?)
        })
        .await?;
    let all = tables
        .iter()
        .map(|name| json!({"namespace": levels, "name": name}))
        .collect();
    Ok(reply::json(
        StatusCode::OK,
        &answer::page("identifiers", all, &query),
    ))
}

/// `POST /v1/namespaces/{namespace}/tables`
pub(super) async fn create(
    Held(state): Held<Arc<State>>,
    Path(namespace): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = answer::body(&body)?;
    let Some(name) = body["name"].as_str().map(str::to_owned) else {
        return Err(Refusal::Invalid("a table without a name".to_owned()));
    };
    let made = state
        .write(move |database| -> Result<Value, Refusal> {
            names::demanded(database, &namespace)?;
            if found(database, &namespace, &name)?.is_some() {
                let message = format!("Table already exists: {name}");
                return Err(Refusal::Conflict("AlreadyExistsException", message));
            }
            let own = format!("{WAREHOUSE}/{}/{name}", names::levels(&namespace).join("/"));
            let location = body["location"].as_str().unwrap_or(&own);
            let now = milliseconds(database);
            let metadata = metadata::created(&body, location, now)?;
            let at = metadata::write(database, &metadata, 0, now)?;
            keep(database, (&namespace, &name), &at, &metadata)?;
            Ok(told(&at, &metadata))
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &made))
}

/// `GET /v1/namespaces/{namespace}/tables/{table}`
pub(super) async fn read(
    Held(state): Held<Arc<State>>,
    Path((namespace, name)): Named,
) -> Result<Response, Refusal> {
    let table = state
        .read(move |database| demanded(database, &namespace, &name))
        .await?;
    Ok(reply::json(StatusCode::OK, &told(&table.0, &table.1)))
}

/// `POST /v1/namespaces/{namespace}/tables/{table}`: a commit.
pub(super) async fn commit(
    Held(state): Held<Arc<State>>,
    Path((namespace, name)): Named,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = answer::body(&body)?;
    let made = state
        .write(move |database| -> Result<Value, Refusal> {
            let (before, mut metadata) = demanded(database, &namespace, &name)?;
            let now = milliseconds(database);
            commit::apply(&mut metadata, &body, (&before, now))?;
            let version = metadata["metadata-log"].as_array().map_or(0, Vec::len);
            let at = metadata::write(database, &metadata, version, now)?;
            keep(database, (&namespace, &name), &at, &metadata)?;
            Ok(json!({"metadata-location": at, "metadata": metadata}))
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &made))
}

/// `DELETE /v1/namespaces/{namespace}/tables/{table}`: its files stay.
pub(super) async fn remove(
    Held(state): Held<Arc<State>>,
    Path((namespace, name)): Named,
) -> Result<Response, Refusal> {
    state
        .write(move |database| -> Result<(), Refusal> {
            demanded(database, &namespace, &name)?;
            database.execute(
                "DELETE FROM ice_table WHERE namespace = ?1 AND name = ?2",
                [namespace, name],
            )?;
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Where a table's metadata is, and what it is.
type Table = (String, Value);

fn found(database: &Connection, namespace: &str, name: &str) -> Result<Option<Table>, Refusal> {
    let found = "SELECT location, metadata FROM ice_table WHERE namespace = ?1 AND name = ?2";
    let row: Option<(String, String)> = database
        .query_row(found, [namespace, name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    row.map(|(at, text)| {
        let metadata = serde_json::from_str(&text);
        metadata
            .map(|metadata| (at, metadata))
            .map_err(|error| Refusal::State(error.to_string()))
    })
    .transpose()
}

fn demanded(database: &Connection, namespace: &str, name: &str) -> Result<Table, Refusal> {
    names::demanded(database, namespace)?;
    found(database, namespace, name)?.ok_or_else(|| {
        let message = format!("Table does not exist: {}.{name}", names::shown(namespace));
        Refusal::NotFound("NoSuchTableException", message)
    })
}

/// Makes metadata the table's.
pub(crate) fn keep(
    database: &Transaction<'_>,
    (namespace, name): (&str, &str),
    at: &str,
    metadata: &Value,
) -> rusqlite::Result<()> {
    let put = "INSERT OR REPLACE INTO ice_table (namespace, name, location, metadata) VALUES (?1, ?2, ?3, ?4)";
    database
        .execute(put, params![namespace, name, at, metadata.to_string()])
        .map(drop)
}

fn told(at: &str, metadata: &Value) -> Value {
    json!({"metadata-location": at, "metadata": metadata, "config": {}})
}

fn milliseconds(database: &Transaction<'_>) -> i64 {
    Clock::beside(database).micros() / 1000
}
