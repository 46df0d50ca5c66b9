//! What ingest-api answers when it refuses: FastAPI's `{"detail": …}`.

use std::error::Error;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::sandbox::reply;
use crate::sandbox::validation::Fault;

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

    /// 502 for a service that refuses: its code or status, and its own words.
    pub(crate) fn of_service(service: &str, code: &str, said: &str) -> Refusal {
        let detail = format!("{service} error: {code} ({said})");
        Refusal::Detail(StatusCode::BAD_GATEWAY, detail)
    }

    /// 502 for a service that gives no answer, or breaks off in one.
    pub(crate) fn unreached(service: &str, error: reqwest::Error) -> Refusal {
        let origin = error.url().map(|url| url.origin().ascii_serialization());
        let origin = origin.unwrap_or_default();
        // Only the innermost cause is told: what lies around it names the whole URL, signature included.
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let detail = format!("no answer from {service} at {origin}: {cause}");
        Refusal::Detail(StatusCode::BAD_GATEWAY, detail)
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
