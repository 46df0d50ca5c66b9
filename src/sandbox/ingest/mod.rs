//! dashi's ingest-api: uploads into the landing bucket and the flow run that ingests them, as the web form uses it.
//!
//! The routes belong here. It reads and writes the same state as the other services: presigned URLs point to the
//! sandbox's own S3, a trigger makes a run in its Prefect. `/catalog/items` and `/runs`, which serve the web pages only,
//! are not there.

mod answer;
mod front;
mod scan;
mod signature;
mod trigger;
mod upload;
mod wanted;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::reply;
use super::state::State;

/// The other services of the lake, as their clients reach them.
#[derive(Debug, Clone)]
pub(crate) struct Lake {
    /// The S3 endpoint.
    pub(crate) s3: String,
    /// Prefect's root.
    pub(crate) prefect: String,
}

/// What every handler works on.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    state: Arc<State>,
    lake: Arc<Lake>,
}

/// The whole API over this state.
pub(crate) fn router(state: Arc<State>, lake: Lake) -> Router {
    let routes = Router::new()
        .route("/healthz", get(front::healthz))
        .route("/me", get(front::me))
        .route("/domains", get(front::domains))
        .route("/presign", post(upload::presign))
        .route("/multipart/start", post(upload::start))
        .route("/multipart/complete", post(upload::complete))
        .route("/multipart/abort", post(upload::abort))
        .route("/register", post(upload::register))
        .route("/scan", post(scan::scan))
        .route("/trigger", post(trigger::trigger));
    let lake = Arc::new(lake);
    reply::fastapi(routes).with_state(Desk { state, lake })
}
