//! What the STAC API answers when it refuses: the recorded statuses and bodies, as one error type.
//!
//! The wording of single errors belongs to the handlers.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::sandbox::reply;
use crate::sandbox::validation::Fault;

/// A refusal of the STAC API.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// 404; the transaction extension gives no description.
    NotFound(String),
    /// 409: the id is taken.
    Conflict,
    /// 400 for a body or query that breaks the schema: pydantic's list of faults and the body as it came.
    Schema(Vec<Fault>, Value),
    /// 400 with one sentence.
    Detail(String),
    /// 400 for a parameter that cannot be evaluated.
    Parameter(String),
    /// 500 in plain text: what pgstac raises (an unknown operator, a token whose item is gone) is told to nobody.
    Raised,
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
        let coded = |status, code: &str, description: &str| {
            reply::json(status, &json!({"code": code, "description": description}))
        };
        match self {
            Refusal::NotFound(description) => {
                coded(StatusCode::NOT_FOUND, "NotFoundError", &description)
            }
            Refusal::Conflict => coded(StatusCode::CONFLICT, "ConflictError", ""),
            Refusal::Schema(faults, body) => reply::json(
                StatusCode::BAD_REQUEST,
                &json!({"detail": Fault::list(&faults), "body": body}),
            ),
            Refusal::Detail(detail) => {
                reply::json(StatusCode::BAD_REQUEST, &json!({ "detail": detail }))
            }
            Refusal::Parameter(description) => coded(
                StatusCode::BAD_REQUEST,
                "InvalidQueryParameter",
                &description,
            ),
            Refusal::Raised => {
                reply::text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
            Refusal::State(error) => reply::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("Internal Server Error: the sandbox's state: {error}"),
            ),
        }
    }
}

/// The JSON of a request's body.
pub(crate) fn body(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::Schema(vec![Fault::not_json(&error)], Value::Null))
}

/// JSON kept in the state; it was written by this program.
pub(crate) fn stored(text: &str) -> Result<Value, Refusal> {
    serde_json::from_str(text)
        .map_err(|error| Refusal::State(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))
}
