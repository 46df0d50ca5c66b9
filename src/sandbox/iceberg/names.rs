//! Namespaces: made, listed, removed. One within another is a name with a separator in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State as Held};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use crate::sandbox::state::State;
use crate::sandbox::{reply, sql};

/// What stands between the levels of a namespace in a path.
const LEVEL: char = '\u{1f}';

/// `GET /v1/namespaces`: those at the top, or right within `parent`.
pub(super) async fn list(
    Held(state): Held<Arc<State>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let parent = query
        .get("parent")
        .filter(|parent| !parent.is_empty())
        .cloned();
    let above = parent.as_ref().map_or(0, |parent| levels(parent).len());
    let names: Vec<String> = state
        .read(move |database| -> Result<Vec<String>, Refusal> {
            if let Some(parent) = &parent {
                demanded(database, parent)?;
            }
            let below = parent.map(|parent| format!("{parent}{LEVEL}")).unwrap_or_default();
            let found = "SELECT name FROM ice_namespace WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name";
            Ok(sql::select(database, found, [below], |row| row.get(0))?)
        })
        .await?;
    let right_within = names
        .iter()
        .map(|name| levels(name))
        .filter(|levels| levels.len() == above + 1);
    let all = right_within.map(Value::from).collect();
    Ok(reply::json(
        StatusCode::OK,
        &answer::page("namespaces", all, &query),
    ))
}

/// `POST /v1/namespaces`
pub(super) async fn create(
    Held(state): Held<Arc<State>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = answer::body(&body)?;
    let levels: Vec<String> = serde_json::from_value(body["namespace"].clone()).unwrap_or_default();
    if levels.is_empty() {
        return Err(Refusal::Invalid("a namespace without a name".to_owned()));
    }
    let name = levels.join(&LEVEL.to_string());
    let properties = if body["properties"].is_object() {
        body["properties"].clone()
    } else {
        json!({})
    };
    let made = json!({"namespace": levels, "properties": properties});
    state
        .write(move |database| -> Result<(), Refusal> {
            let put = "INSERT OR IGNORE INTO ice_namespace (name, properties) VALUES (?1, ?2)";
            match database.execute(put, params![name, properties.to_string()])? {
                0 => Err(Refusal::Conflict(
                    "AlreadyExistsException",
                    format!("Namespace already exists: {}", shown(&name)),
                )),
                _ => Ok(()),
            }
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &made))
}

/// `GET /v1/namespaces/{namespace}`
pub(super) async fn read(
    Held(state): Held<Arc<State>>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let read = state
        .read(move |database| demanded(database, &name))
        .await?;
    Ok(reply::json(StatusCode::OK, &read))
}

/// `DELETE /v1/namespaces/{namespace}`: of one without tables.
pub(super) async fn remove(
    Held(state): Held<Arc<State>>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    state
        .write(move |database| -> Result<(), Refusal> {
            demanded(database, &name)?;
            let tables: i64 = database.query_row(
                "SELECT count(*) FROM ice_table WHERE namespace = ?1",
                [&name],
                |row| row.get(0),
            )?;
            if tables > 0 {
                return Err(Refusal::Conflict(
                    "NamespaceNotEmptyException",
                    format!("Namespace is not empty: {}", shown(&name)),
                ));
            }
            database.execute("DELETE FROM ice_namespace WHERE name = ?1", [&name])?;
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A namespace, which must be there.
pub(super) fn demanded(database: &Connection, name: &str) -> Result<Value, Refusal> {
    let found = "SELECT properties FROM ice_namespace WHERE name = ?1";
    let properties: Option<String> = database
        .query_row(found, [name], |row| row.get(0))
        .optional()?;
    let properties = properties.ok_or_else(|| {
        Refusal::NotFound(
            "NoSuchNamespaceException",
            format!("Namespace does not exist: {}", shown(name)),
        )
    })?;
    let properties: Value = serde_json::from_str(&properties).unwrap_or_default();
    Ok(json!({"namespace": levels(name), "properties": properties}))
}

/// The levels of a namespace.
pub(super) fn levels(name: &str) -> Vec<&str> {
    name.split(LEVEL).collect()
}

/// A namespace as people write it.
pub(super) fn shown(name: &str) -> String {
    levels(name).join(".")
}
