//! What the Prefect API answers when it refuses, as one error type, and when something was made.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::sandbox::reply;
use crate::sandbox::validation::Fault;

/// A refusal of the Prefect API.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// 404: `Deployment`, `Flow`, `Flow run` is not there.
    NotFound(&'static str),
    /// 422 for a body or path that breaks the schema: the faults and the body as it came.
    Schema(Vec<Fault>, Value),
    /// 422 with one sentence.
    Detail(String),
    /// The sandbox's own fault: its state cannot be read or written.
    State(String),
}

/// 201 with what was made, 200 with what was there before.
pub(crate) fn made(new: bool, body: &Value) -> Response {
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    reply::json(status, body)
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::State(error.to_string())
    }
}

impl From<crate::error::Error> for Refusal {
    fn from(error: crate::error::Error) -> Self {
        Refusal::State(error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::NotFound(what) => {
                let body = json!({"detail": format!("{what} not found")});
                reply::json(StatusCode::NOT_FOUND, &body)
            }
            Refusal::Schema(faults, body) => reply::json(
                StatusCode::UNPROCESSABLE_ENTITY,
                &json!({
                    "exception_message": "Invalid request received.",
                    "exception_detail": Fault::list(&faults),
                    "request_body": body,
                }),
            ),
            Refusal::Detail(detail) => reply::json(
                StatusCode::UNPROCESSABLE_ENTITY,
                &json!({ "detail": detail }),
            ),
            Refusal::State(error) => reply::json(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({"exception_message": format!("Internal Server Error: the sandbox's state: {error}")}),
            ),
        }
    }
}
