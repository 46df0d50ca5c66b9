//! What ingest-api answers when it refuses: FastAPI's `{"detail": …}`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::sandbox::reply;
use crate::sandbox::validation::Fault;
use crate::sandbox::{prefect, s3};

/// A refusal of ingest-api.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A status with one sentence.
    Detail(StatusCode, String),
    /// 422 for a body that breaks the schema.
    Schema(Vec<Fault>),
}

impl Refusal {
    /// 400 with one sentence.
    pub(crate) fn bad(detail: impl Into<String>) -> Refusal {
        Refusal::Detail(StatusCode::BAD_REQUEST, detail.into())
    }

    /// 404 with one sentence.
    pub(crate) fn missing(detail: impl Into<String>) -> Refusal {
        Refusal::Detail(StatusCode::NOT_FOUND, detail.into())
    }

    /// 404 for an object, in boto3's words.
    pub(crate) fn no_object() -> Refusal {
        Refusal::missing(
            "s3 object not found: An error occurred (404) when calling the HeadObject operation: Not Found",
        )
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        let detail = format!("the sandbox's state: {error}");
        Refusal::Detail(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        let detail = format!("the sandbox's files: {error}");
        Refusal::Detail(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

impl From<s3::Failure> for Refusal {
    fn from(failure: s3::Failure) -> Self {
        let error = s3s::S3Error::from(failure);
        let said = error.message().unwrap_or_default().to_owned();
        let detail = format!("s3 error: {} ({said})", error.code().as_str());
        Refusal::Detail(StatusCode::BAD_GATEWAY, detail)
    }
}

impl From<prefect::Refusal> for Refusal {
    fn from(refusal: prefect::Refusal) -> Self {
        Refusal::Detail(
            StatusCode::BAD_GATEWAY,
            format!("prefect error: {refusal:?}"),
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Refusal::Detail(status, detail) => (status, Value::String(detail)),
            Refusal::Schema(faults) => (StatusCode::UNPROCESSABLE_ENTITY, Fault::list(&faults)),
        };
        reply::json(status, &json!({ "detail": detail }))
    }
}
