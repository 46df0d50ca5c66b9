//! What Loki answers: success wrapped in JSON, refusals as one line of text.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::sandbox::reply;

/// What Loki says for JSON.
const JSON: &str = "application/json; charset=UTF-8";

/// A refusal of Loki.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// 400 with these words.
    Bad(String),
    /// The sandbox's own fault: its state cannot be read or written.
    State(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::State(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Bad(words) => reply::text(StatusCode::BAD_REQUEST, words),
            Refusal::State(error) => reply::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("the sandbox's state: {error}"),
            ),
        }
    }
}

/// A success in JSON.
pub(crate) fn json(body: &Value) -> Response {
    reply::reply(StatusCode::OK, JSON, body.to_string())
}
