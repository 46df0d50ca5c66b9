//! Collections: list, read, create, update, delete, with dashi's own members kept as they came.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State as Held};
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::answer::{self, Refusal};
use super::{links, schema};
use crate::sandbox::reply::{self, Base};
use crate::sandbox::state::State;
use crate::sandbox::{clock, sql};

/// A page holds this many unless `limit` says otherwise.
const PAGE: i64 = 10;

/// `GET /collections`
pub(crate) async fn list(
    Held(state): Held<Arc<State>>,
    base: Base,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let window = Window::parse(query.as_deref())?;
    let (stored, matched) = state.read(move |database| page(database, window)).await?;
    let returned = stored.len();
    let mut collections = Vec::with_capacity(returned);
    for text in stored {
        collections.push(shown(&base, answer::stored(&text)?));
    }
    let body = json!({
        "links": page_links(&base, query.as_deref(), window, matched),
        "collections": collections,
        "numberMatched": matched,
        "numberReturned": returned,
    });
    Ok(reply::json(StatusCode::OK, &body))
}

/// `GET /collections/{id}`
pub(crate) async fn read(
    Held(state): Held<Arc<State>>,
    base: Base,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let stored = state.read(move |database| find(database, &id)).await?;
    Ok(reply::json(
        StatusCode::OK,
        &shown(&base, answer::stored(&stored)?),
    ))
}

/// `POST /collections`
pub(crate) async fn create(
    Held(state): Held<Arc<State>>,
    base: Base,
    body: Bytes,
) -> Result<Response, Refusal> {
    let collection = schema::collection(answer::body(&body)?)?;
    let answer = written(&base, &collection);
    state
        .write(move |database| insert(database, &collection))
        .await?;
    Ok(reply::json(StatusCode::CREATED, &answer))
}

/// `PUT /collections/{id}`; the id in the body decides, as in the real server.
pub(crate) async fn update(
    Held(state): Held<Arc<State>>,
    base: Base,
    body: Bytes,
) -> Result<Response, Refusal> {
    let collection = schema::collection(answer::body(&body)?)?;
    let answer = written(&base, &collection);
    state
        .write(move |database| -> Result<(), Refusal> {
            let changed = database.execute(
                "UPDATE collection SET begins = ?2, body = ?3 WHERE id = ?1",
                params![
                    id_of(&collection),
                    begins(&collection),
                    collection.to_string()
                ],
            )?;
            gone_unless(changed)
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `DELETE /collections/{id}`; its items go with it.
pub(crate) async fn delete(
    Held(state): Held<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let answer = json!({"deleted collection": id});
    state
        .write(move |database| -> Result<(), Refusal> {
            gone_unless(database.execute("DELETE FROM collection WHERE id = ?1", [&id])?)
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &answer))
}

/// Adds a collection whose shape has been checked; 409 when the id is taken.
pub(crate) fn insert(database: &Transaction<'_>, collection: &Value) -> Result<(), Refusal> {
    let added = database.execute(
        "INSERT INTO collection (id, begins, body) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![
            id_of(collection),
            begins(collection),
            collection.to_string()
        ],
    )?;
    if added == 0 {
        return Err(Refusal::Conflict);
    }
    Ok(())
}

/// The stored text of a collection, or the recorded 404.
pub(crate) fn find(database: &Connection, id: &str) -> Result<String, Refusal> {
    database
        .query_row("SELECT body FROM collection WHERE id = ?1", [id], |row| {
            row.get(0)
        })
        .optional()?
        .ok_or_else(|| Refusal::NotFound(format!("Collection {id} does not exist.")))
}

/// What the transaction extension says when there was nothing to change.
pub(crate) fn gone_unless(changed: usize) -> Result<(), Refusal> {
    if changed == 0 {
        return Err(Refusal::NotFound(String::new()));
    }
    Ok(())
}

/// Which part of the list is asked for.
#[derive(Debug, Clone, Copy)]
struct Window {
    limit: i64,
    offset: i64,
}

impl Window {
    fn parse(query: Option<&str>) -> Result<Window, Refusal> {
        let mut window = Window {
            limit: PAGE,
            offset: 0,
        };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "limit" => window.limit = schema::limit_in_query(&value)?,
                "offset" => window.offset = schema::count_in_query("offset", &value)?,
                "bbox" | "datetime" | "query" | "filter" | "filter-lang" | "fields" | "sortby"
                | "q" => {
                    return Err(Refusal::Parameter(format!(
                        "the sandbox does not evaluate '{name}' on /collections"
                    )));
                }
                _ => {}
            }
        }
        Ok(window)
    }
}

fn page(database: &Connection, window: Window) -> rusqlite::Result<(Vec<String>, i64)> {
    let matched = database.query_row("SELECT count(*) FROM collection", [], |row| row.get(0))?;
    let query = "SELECT body FROM collection ORDER BY begins DESC, id DESC LIMIT ?1 OFFSET ?2";
    let values = [window.limit, window.offset];
    Ok((
        sql::select(database, query, values, |row| row.get(0))?,
        matched,
    ))
}

fn page_links(base: &Base, query: Option<&str>, window: Window, matched: i64) -> Vec<Value> {
    let with_offset = |offset: i64| {
        let offset = (offset > 0).then(|| offset.to_string());
        links::with_parameter(base, "/collections", query, "offset", offset.as_deref())
    };
    let mut made = Vec::new();
    if window.offset + window.limit < matched {
        let href = with_offset(window.offset + window.limit);
        made.push(links::page_by_query("next", &href));
    }
    if window.offset > 0 {
        let back = (window.offset.min(matched) - window.limit).max(0);
        made.push(links::page_by_query("previous", &with_offset(back)));
    }
    made.push(links::link("root", reply::JSON, &base.0));
    let here = links::here(base, "/collections", query);
    made.push(links::link("self", reply::JSON, &here));
    made
}

/// A collection as reading shows it.
fn shown(base: &Base, mut collection: Value) -> Value {
    let id = id_of(&collection).to_owned();
    let mut made = links::of_collection(base, &id, collection.get("links"));
    if let Value::Array(made) = &mut made {
        made.push(links::queryables(base, &id));
    }
    collection["links"] = made;
    collection
}

/// A collection as creating and updating answer it.
fn written(base: &Base, collection: &Value) -> Value {
    let mut answer = collection.clone();
    answer["links"] = links::of_collection(base, id_of(collection), collection.get("links"));
    answer
}

fn id_of(collection: &Value) -> &str {
    collection["id"].as_str().unwrap_or_default()
}

/// The start of the temporal extent; an open one sorts last.
fn begins(collection: &Value) -> i64 {
    collection["extent"]["temporal"]["interval"][0][0]
        .as_str()
        .and_then(clock::parse)
        .unwrap_or(i64::MIN)
}
