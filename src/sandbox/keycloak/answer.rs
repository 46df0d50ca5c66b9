//! What Keycloak answers when it refuses, where a page begins and ends, and when something was made.

use std::collections::BTreeMap;

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::PAGE;
use crate::sandbox::reply;

/// A refusal.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// 404, with these words.
    NotFound(&'static str),
    /// 409, with these words.
    Conflict(String),
    /// 400, with an error of OAuth 2.0 and these words.
    Invalid(&'static str, &'static str),
    /// 401: no token, or one that holds no more.
    Stranger,
    /// 401: a client that is not known, or by another secret.
    Client,
    /// The sandbox's own fault: its state cannot be read or written.
    State(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::State(error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Refusal::NotFound(words) => (StatusCode::NOT_FOUND, json!({"error": words})),
            Refusal::Conflict(words) => (StatusCode::CONFLICT, json!({"errorMessage": words})),
            Refusal::Invalid(error, words) => (
                StatusCode::BAD_REQUEST,
                json!({"error": error, "error_description": words}),
            ),
            Refusal::Stranger => (
                StatusCode::UNAUTHORIZED,
                json!({"error": "HTTP 401 Unauthorized"}),
            ),
            Refusal::Client => (
                StatusCode::UNAUTHORIZED,
                json!({"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"}),
            ),
            Refusal::State(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({"error": "unknown_error", "error_description": format!("the sandbox's state: {error}")}),
            ),
        };
        reply::json(status, &body)
    }
}

/// 201, where what was made is, and what it is where that is told.
pub(super) fn made(at: &str, body: Option<&Value>) -> Response {
    let mut response = match body {
        Some(body) => reply::json(StatusCode::CREATED, body),
        None => StatusCode::CREATED.into_response(),
    };
    if let Ok(at) = HeaderValue::from_str(at) {
        response.headers_mut().insert(LOCATION, at);
    }
    response
}

/// The first record of a page, and how many there are in it.
pub(super) fn window(query: &BTreeMap<String, String>) -> (i64, i64) {
    let number = |name: &str| query.get(name).and_then(|text| text.parse().ok());
    (number("first").unwrap_or(0), number("max").unwrap_or(PAGE))
}

/// The name that a body gives to what is to be made.
pub(super) fn named(body: &[u8], field: &str) -> Result<(String, Value), Refusal> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| Refusal::Invalid("invalid_request", "Cannot parse the JSON"))?;
    match body[field].as_str() {
        Some(name) if !name.is_empty() => Ok((name.to_owned(), body.clone())),
        _ => Err(Refusal::Invalid("invalid_request", "a name is missing")),
    }
}
