//! Health, who is asking, and the domains that can be uploaded to.

use axum::extract::State as Held;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::wanted::User;
use super::{Desk, services};
use crate::sandbox::reply;

/// `GET /healthz`
pub(crate) async fn healthz() -> Response {
    let body = json!({"status": "ok", "service": "dashi-ingest-api", "version": "0.1.0"});
    reply::json(StatusCode::OK, &body)
}

/// `GET /me`
pub(crate) async fn me(user: User) -> Response {
    let body = json!({"user": user.name, "groups": user.groups});
    reply::json(StatusCode::OK, &body)
}

/// `GET /domains`: the catalogue's collections.
pub(crate) async fn domains(Held(desk): Held<Desk>, _: User) -> Result<Response, Refusal> {
    let collections = services::collections(&desk).await?;
    let domains: Vec<Value> = collections.iter().map(domain).collect();
    Ok(reply::json(StatusCode::OK, &json!({ "domains": domains })))
}

fn domain(collection: &Value) -> Value {
    let text =
        |name: &str, otherwise: &str| collection[name].as_str().unwrap_or(otherwise).to_owned();
    let id = text("id", "");
    json!({
        "title": text("title", &id),
        "id": id,
        "description": collection["description"],
        "max_classification": text("dashi:max_classification", "int"),
        "retention": text("dashi:retention", "indefinite"),
    })
}
