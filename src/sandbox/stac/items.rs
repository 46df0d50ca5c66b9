//! Single items: create (also many in one FeatureCollection), read, update, delete.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State as Held};
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::OptionalExtension;
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::schema::{self, Posted};
use super::{collections, features, links};
use crate::sandbox::reply::{self, Base, GEOJSON};
use crate::sandbox::state::State;

/// `POST /collections/{id}/items`. All items of a FeatureCollection are added, or none.
pub(crate) async fn create(
    Held(state): Held<Arc<State>>,
    base: Base,
    Path(collection): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    match schema::posted(answer::body(&body)?, &collection)? {
        Posted::Item(item) => {
            let answer = linked(&base, &collection, item.clone());
            state
                .write(move |database| features::insert(database, &item))
                .await?;
            Ok(reply::json(StatusCode::CREATED, &answer))
        }
        Posted::Items(items) => {
            state
                .write(move |database| {
                    items
                        .iter()
                        .try_for_each(|item| features::insert(database, item))
                })
                .await?;
            let mut response = Response::default();
            *response.status_mut() = StatusCode::CREATED;
            Ok(response)
        }
    }
}

/// `GET /collections/{id}/items/{id}`
pub(crate) async fn read(
    Held(state): Held<Arc<State>>,
    base: Base,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (within, wanted) = (collection.clone(), id.clone());
    let stored = state
        .read(move |database| -> Result<Option<String>, Refusal> {
            collections::find(database, &within)?;
            let mut statement = database
                .prepare_cached("SELECT body FROM item WHERE collection = ?1 AND id = ?2")?;
            let found = statement.query_row([within, wanted], |row| row.get(0));
            Ok(found.optional()?)
        })
        .await?;
    let Some(stored) = stored else {
        return Err(Refusal::NotFound(format!(
            "Item {id} in Collection {collection} does not exist."
        )));
    };
    let item = linked(&base, &collection, answer::stored(&stored)?);
    Ok(reply::reply(StatusCode::OK, GEOJSON, item.to_string()))
}

/// `PUT /collections/{id}/items/{id}`
pub(crate) async fn update(
    Held(state): Held<Arc<State>>,
    base: Base,
    Path((collection, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let item = schema::item(answer::body(&body)?, &collection, &id)?;
    let answer = linked(&base, &collection, item.clone());
    state
        .write(move |database| features::replace(database, &item))
        .await?;
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `DELETE /collections/{id}/items/{id}`
pub(crate) async fn delete(
    Held(state): Held<Arc<State>>,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let answer = json!({"deleted item": id});
    state
        .write(move |database| features::delete(database, &collection, &id))
        .await?;
    Ok(reply::json(StatusCode::OK, &answer))
}

/// An item with its links.
pub(crate) fn linked(base: &Base, collection: &str, mut item: Value) -> Value {
    let id = item["id"].as_str().unwrap_or_default().to_owned();
    item["links"] = links::of_item(base, collection, &id, item.get("links"));
    item
}
