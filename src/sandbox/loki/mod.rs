//! Loki 3.4 as far as reading logs needs it: push, log queries over a range, labels, series, stats, the tail.
//!
//! The routes belong here. LogQL is stream selectors and line filters; parsers, label filters, formats and metric queries
//! are refused in Loki's words.

mod answer;
mod labels;
mod lines;
mod logql;
mod pattern;
mod push;
mod query;
mod range;
mod tail;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};

use super::reply;
use super::state::State;
pub(crate) use lines::{Labels, insert as insert_line};

/// The whole API over this state.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route(
            "/ready",
            get(async || reply::text(StatusCode::OK, "ready\n")),
        )
        .route("/loki/api/v1/push", post(push::push))
        .route(
            "/loki/api/v1/query_range",
            get(query::range).post(query::range),
        )
        .route(
            "/loki/api/v1/query",
            get(query::instant).post(query::instant),
        )
        .route(
            "/loki/api/v1/labels",
            get(labels::names).post(labels::names),
        )
        .route("/loki/api/v1/label/{name}/values", get(labels::values))
        .route(
            "/loki/api/v1/series",
            get(labels::series).post(labels::series),
        )
        .route("/loki/api/v1/index/stats", get(labels::stats))
        .route("/loki/api/v1/tail", get(tail::tail))
        .fallback(async || reply::text(StatusCode::NOT_FOUND, "404 page not found\n"))
        .layer(DefaultBodyLimit::max(64 << 20))
        .with_state(state)
}
