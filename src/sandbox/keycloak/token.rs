//! Tokens: what the client gets for its secret, and whether one still holds. A token says itself how long, by the sandbox's
//! clock, so that every program on one state knows those of the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State as Held};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::answer::Refusal;
use super::{CLIENT, CLIENT_SECRET, REALM};
use crate::sandbox::reply;
use crate::sandbox::state::State;

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
    let token = signed(now(&state) + LASTS, &Uuid::new_v4().simple().to_string());
    let told = json!({"access_token": token, "expires_in": LASTS, "refresh_expires_in": 0, "token_type": "Bearer",
        "not-before-policy": 0, "scope": "profile email"});
    Ok(reply::json(StatusCode::OK, &told))
}

/// Whether a request comes with a token that holds.
pub(super) fn holds(state: &State, headers: &HeaderMap) -> bool {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer "));
    let parts: Vec<&str> = token
        .into_iter()
        .flat_map(|token| token.split('.'))
        .collect();
    let [_, until, nonce, _] = parts[..] else {
        return false;
    };
    let until = until.parse().unwrap_or_default();
    until > now(state) && token == Some(&*signed(until, nonce))
}

fn now(state: &State) -> i64 {
    state.clock().micros() / 1_000_000
}

fn signed(until: i64, nonce: &str) -> String {
    let mark = Sha256::digest(format!("{until} {nonce} {CLIENT_SECRET}"));
    format!("sandbox.{until}.{nonce}.{}", hex::encode(&mark[..16]))
}
