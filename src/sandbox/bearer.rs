//! Bearer tokens of the sandbox's services: what a client gets for its secret, and whether one still holds. A token says
//! itself how long, by the sandbox's clock, so that every program on one state knows those of the others.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::state::State;

/// A token that holds for so many seconds, for a service with this secret.
pub(crate) fn token(state: &State, secret: &str, lasts: i64) -> String {
    signed(
        now(state) + lasts,
        &Uuid::new_v4().simple().to_string(),
        secret,
    )
}

/// Whether a request comes with a token that holds.
pub(crate) fn holds(state: &State, secret: &str, headers: &HeaderMap) -> bool {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    // The scheme's name has no case (RFC 9110, 11.1).
    let token = token
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else {
        return false;
    };
    let parts: Vec<&str> = token.split('.').collect();
    let [_, until, nonce, _] = parts[..] else {
        return false;
    };
    let until = until.parse().unwrap_or_default();
    until > now(state) && token == signed(until, nonce, secret)
}

fn now(state: &State) -> i64 {
    state.clock().micros() / 1_000_000
}

fn signed(until: i64, nonce: &str, secret: &str) -> String {
    let mark = Sha256::digest(format!("{until} {nonce} {secret}"));
    format!("sandbox.{until}.{nonce}.{}", hex::encode(&mark[..16]))
}
