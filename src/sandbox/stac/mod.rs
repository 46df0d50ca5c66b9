//! The STAC API as stac-fastapi 7.2 on pgstac 0.10 speaks it, with the transaction, fields, sort and filter extensions.
//!
//! The routes belong here; each resource has a file of its own. Not there: `intersects`, free text, `query`, CQL2 text,
//! PATCH. They are refused, never ignored.

mod answer;
mod collections;
mod features;
mod fields;
mod filter;
mod interval;
mod items;
mod landing;
mod links;
mod page;
mod schema;
mod search;
mod sort;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::reply;
use super::state::State;
pub(crate) use answer::Refusal;
pub(crate) use collections::insert as insert_collection;
pub(crate) use features::{insert as insert_item, put as put_item};

/// The whole API over this state.
pub(crate) fn router(state: Arc<State>) -> Router {
    let routes = Router::new()
        .route("/", get(landing::catalogue))
        .route("/_mgmt/ping", get(landing::ping))
        .route("/_mgmt/health", get(landing::health))
        .route("/conformance", get(landing::conformance))
        .route("/queryables", get(landing::queryables))
        .route(
            "/collections",
            get(collections::list).post(collections::create),
        )
        .route(
            "/collections/{collection}",
            get(collections::read)
                .put(collections::update)
                .delete(collections::delete),
        )
        .route(
            "/collections/{collection}/queryables",
            get(landing::queryables),
        )
        .route(
            "/collections/{collection}/items",
            get(search::items_of_collection).post(items::create),
        )
        .route(
            "/collections/{collection}/items/{item}",
            get(items::read).put(items::update).delete(items::delete),
        )
        .route("/search", get(search::by_query).post(search::by_body));
    reply::fastapi(routes).with_state(state)
}
