//! Answers of the JSON services: status, content type, body, and the base URL that links are built on.
//!
//! What every service's router needs belongs here. Which errors a service has, and how it words them, belongs to it.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

/// What FastAPI says for JSON.
pub(crate) const JSON: &str = "application/json";
/// What it says for GeoJSON.
pub(crate) const GEOJSON: &str = "application/geo+json";
/// What its servers say for text.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// The largest request body read into memory: a bulk load of items is the largest there is.
const BODY_LIMIT: usize = 256 << 20;

/// An answer with a body of this type.
pub(crate) fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response {
    reply(status, JSON, body.to_string())
}

/// An answer in plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Body>) -> Response {
    reply(status, TEXT, body)
}

/// A router that answers unknown paths and methods as FastAPI does.
pub(crate) fn fastapi<S: Clone + Send + Sync + 'static>(
    router: axum::Router<S>,
) -> axum::Router<S> {
    router
        .fallback(async || json(StatusCode::NOT_FOUND, &json!({"detail": "Not Found"})))
        .method_not_allowed_fallback(async || {
            json(
                StatusCode::METHOD_NOT_ALLOWED,
                &json!({"detail": "Method Not Allowed"}),
            )
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// The server's root as the client named it, with a slash at the end: what the links of an answer begin with.
#[derive(Debug, Clone)]
pub(crate) struct Base(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        Ok(Base(format!("http://{}/", host.unwrap_or("127.0.0.1"))))
    }
}
