//! What the client gets for its secret: a token.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State as Held};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::answer::Refusal;
use super::{CLIENT, CLIENT_SECRET, REALM};
use crate::sandbox::state::State;
use crate::sandbox::{bearer, reply};

/// A token holds for so many seconds, as one of a new realm.
const LASTS: i64 = 300;

/// `POST /realms/{realm}/protocol/openid-connect/token`
pub(super) async fn create(
    Held(state): Held<Arc<State>>,
    Path(realm): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    if realm != REALM {
        return Err(Refusal::NotFound("Realm does not exist"));
    }
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(&body).into_owned().collect();
    let is = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
    if !is("client_id", CLIENT) || !is("client_secret", CLIENT_SECRET) {
        return Err(Refusal::Client);
    }
    if !is("grant_type", "client_credentials") {
        return Err(Refusal::Invalid(
            "invalid_grant",
            "Invalid user credentials",
        ));
    }
    let token = bearer::token(&state, CLIENT_SECRET, LASTS);
    let told = json!({"access_token": token, "expires_in": LASTS, "refresh_expires_in": 0, "token_type": "Bearer",
        "not-before-policy": 0, "scope": "profile email"});
    Ok(reply::json(StatusCode::OK, &told))
}
