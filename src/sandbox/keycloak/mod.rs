//! Keycloak 26.7's admin API as far as who may see what needs it: a token, users, the tree of groups, who is in which.
//!
//! The routes belong here, and who is let in; users and groups have a file of their own. One realm, one client with a
//! service account that may do all of it. Not there: roles, sessions, events, attributes of groups.

mod answer;
mod groups;
mod token;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State as Held};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};

use super::bearer;
use super::state::State;
use answer::Refusal;
pub(crate) use groups::{ensure as ensure_group, join};
pub(crate) use users::{Account, insert as insert_user};

/// The sandbox's realm.
pub(crate) const REALM: &str = "dashi";
/// Its client.
pub(crate) const CLIENT: &str = "dashictl";
/// That client's secret. It is made up and opens nothing else.
pub(crate) const CLIENT_SECRET: &str = "sandbox-secret-that-opens-nothing-else-0002";

/// So many records an answer has where nobody asks for another number.
const PAGE: i64 = 100;

/// The whole API over this state.
pub(crate) fn router(state: Arc<State>) -> Router {
    let admin = Router::new()
        .route("/users", get(users::list).post(users::create))
        .route("/users/count", get(users::count))
        .route("/users/{id}", get(users::read).delete(users::remove))
        .route("/users/{id}/groups", get(groups::of_user))
        .route(
            "/users/{id}/groups/{group}",
            put(groups::put_user).delete(groups::remove_user),
        )
        .route("/groups", get(groups::top).post(groups::create_top))
        .route("/groups/count", get(groups::count))
        .route(
            "/groups/{id}/children",
            get(groups::children).post(groups::create_child),
        )
        .route("/groups/{id}/members", get(groups::members))
        .route("/group-by-path/{*path}", get(groups::by_path))
        .layer(from_fn_with_state(state.clone(), let_in));
    Router::new()
        .route(
            "/realms/{realm}/protocol/openid-connect/token",
            post(token::create),
        )
        .nest("/admin/realms/{realm}", admin)
        .fallback(async || Refusal::NotFound("HTTP 404 Not Found"))
        .with_state(state)
}

/// Lets nobody in without a token that holds, and nobody into a realm that is not there.
async fn let_in(
    Held(state): Held<Arc<State>>,
    Path(names): Path<BTreeMap<String, String>>,
    request: Request,
    next: Next,
) -> Response {
    if !bearer::holds(&state, CLIENT_SECRET, request.headers()) {
        return Refusal::Stranger.into_response();
    }
    if names.get("realm").is_none_or(|realm| realm != REALM) {
        return Refusal::NotFound("Realm not found.").into_response();
    }
    next.run(request).await
}
