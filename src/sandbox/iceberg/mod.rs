//! The Iceberg REST catalogue as far as tables need it: namespaces, tables, and commits with their requirements. What a
//! commit makes of a table's metadata is a file in the store, as every catalogue does it.
//!
//! The routes belong here, and who is let in. Not there: views, transactions over several tables, credentials for the
//! store, scans planned by the server.

mod answer;
mod commit;
mod metadata;
mod names;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State as Held};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::state::State;
use super::{bearer, reply, s3};
use answer::Refusal;
pub(crate) use tables::keep;

/// Where tables lie whose creator names no place.
pub(crate) const WAREHOUSE: &str = "s3://curated/iceberg";
/// A token holds for so many seconds.
const LASTS: i64 = 3600;

/// The whole API over this state.
pub(crate) fn router(state: Arc<State>) -> Router {
    let tables = Router::new()
        .route("/namespaces", get(names::list).post(names::create))
        .route(
            "/namespaces/{namespace}",
            get(names::read).delete(names::remove),
        )
        .route(
            "/namespaces/{namespace}/tables",
            get(tables::list).post(tables::create),
        )
        .route(
            "/namespaces/{namespace}/tables/{table}",
            get(tables::read)
                .post(tables::commit)
                .delete(tables::remove),
        )
        .layer(from_fn_with_state(state.clone(), let_in));
    Router::new()
        .route(
            "/v1/config",
            get(async || reply::json(StatusCode::OK, &json!({"defaults": {}, "overrides": {}}))),
        )
        .route("/v1/oauth/tokens", post(token))
        .nest("/v1", tables)
        .fallback(async || Refusal::NotFound("NotFoundException", "no such path".to_owned()))
        .with_state(state)
}

/// `POST /v1/oauth/tokens`: for the store's own keys, as SeaweedFS has it.
async fn token(Held(state): Held<Arc<State>>, body: Bytes) -> Response {
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(&body).into_owned().collect();
    let is = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
    if !is("client_id", s3::ACCESS_KEY) || !is("client_secret", s3::SECRET_KEY) {
        let refused =
            json!({"error": "invalid_client", "error_description": "Invalid client credentials"});
        return reply::json(StatusCode::UNAUTHORIZED, &refused);
    }
    let token = bearer::token(&state, s3::SECRET_KEY, LASTS);
    let told = json!({"access_token": token, "token_type": "bearer", "expires_in": LASTS,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"});
    reply::json(StatusCode::OK, &told)
}

/// Lets nobody in without a token that holds.
async fn let_in(Held(state): Held<Arc<State>>, request: Request, next: Next) -> Response {
    if !bearer::holds(&state, s3::SECRET_KEY, request.headers()) {
        return Refusal::Stranger.into_response();
    }
    next.run(request).await
}
