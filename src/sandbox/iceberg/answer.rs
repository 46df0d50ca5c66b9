//! What the catalogue answers when it refuses, and how a list is cut into pages.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::sandbox::reply;
use crate::sandbox::s3::Failure;

/// A refusal.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// 404, with a kind and a sentence.
    NotFound(&'static str, String),
    /// 409, with a kind and a sentence.
    Conflict(&'static str, String),
    /// 400, with a sentence.
    Invalid(String),
    /// 401: no token, or one that holds no more.
    Stranger,
    /// The sandbox's own fault: its state cannot be read or written.
    State(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::State(error.to_string())
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Refusal::State(error.to_string())
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal::Invalid(format!("the metadata cannot be written: {failure:?}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, kind, message) = match self {
            Refusal::NotFound(kind, message) => (StatusCode::NOT_FOUND, kind, message),
            Refusal::Conflict(kind, message) => (StatusCode::CONFLICT, kind, message),
            Refusal::Invalid(message) => (StatusCode::BAD_REQUEST, "BadRequestException", message),
            Refusal::Stranger => (
                StatusCode::UNAUTHORIZED,
                "NotAuthorizedException",
                "no token, or one that holds no more".to_owned(),
            ),
            Refusal::State(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "ServiceFailureException",
                format!("the sandbox's state: {error}"),
            ),
        };
        let code = status.as_u16();
        reply::json(
            status,
            &json!({"error": {"message": message, "type": kind, "code": code}}),
        )
    }
}

/// A page of a list under its name, with the token of the next where there is one. Who asks for no size gets all.
pub(super) fn page(field: &str, all: Vec<Value>, query: &BTreeMap<String, String>) -> Value {
    let number = |name: &str| query.get(name).and_then(|text| text.parse().ok());
    let from: usize = number("pageToken").unwrap_or(0).min(all.len());
    let size: usize = number("pageSize").unwrap_or(all.len());
    let end = from.saturating_add(size).min(all.len());
    let mut page = json!({field: all[from..end]});
    if end < all.len() {
        page["next-page-token"] = end.to_string().into();
    }
    page
}

/// The body of a request.
pub(super) fn body(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::Invalid(format!("no JSON: {error}")))
}
