//! The Prefect 3.9 API as far as operating flows needs it: flows, deployments, runs with their states, logs.
//!
//! The routes belong here; each resource has a file of its own. Nothing runs in the background: what a worker would have
//! done by now is worked out, from the clock alone, when somebody asks (`runner`). Not there: task runs, work pools and
//! queues, schedules, events, websockets.

mod answer;
mod criteria;
mod deployments;
mod flow_runs;
mod flows;
mod history;
mod ingestion;
mod logs;
mod names;
mod request;
mod run;
mod runner;
mod transition;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::json;

use super::reply;
use super::state::State;
pub(crate) use answer::Refusal;
pub(crate) use deployments::{Deployment, store as store_deployment};
pub(crate) use flow_runs::{Ask, create as create_run};
pub(crate) use flows::ensure as ensure_flow;
pub(crate) use ingestion::STORE;
pub(crate) use logs::{Line, insert as insert_log};
pub(crate) use run::{Run, RunState, update as update_run};

/// The whole API over this state, below `/api`.
pub(crate) fn router(state: Arc<State>) -> Router {
    let routes = Router::new()
        .route(
            "/api/health",
            get(async || reply::json(StatusCode::OK, &json!(true))),
        )
        .route(
            "/api/version",
            get(async || reply::json(StatusCode::OK, &json!("0.8.4"))),
        )
        .route("/api/flows/", post(flows::create))
        .route("/api/flows/filter", post(flows::filter))
        .route("/api/flows/{id}", get(flows::read))
        .route("/api/deployments/", post(deployments::create))
        .route("/api/deployments/filter", post(deployments::filter))
        .route(
            "/api/deployments/name/{flow}/{name}",
            get(deployments::read_by_name),
        )
        .route(
            "/api/deployments/{id}",
            get(deployments::read).delete(deployments::delete),
        )
        .route(
            "/api/deployments/{id}/create_flow_run",
            post(flow_runs::create_from_deployment),
        )
        .route("/api/flow_runs/filter", post(flow_runs::filter))
        .route("/api/flow_runs/count", post(flow_runs::count))
        .route("/api/flow_runs/history", post(history::history))
        .route(
            "/api/flow_runs/{id}",
            get(flow_runs::read).delete(flow_runs::remove),
        )
        .route("/api/flow_runs/{id}/set_state", post(transition::set_state))
        .route("/api/logs/", post(logs::create))
        .route("/api/logs/filter", post(logs::filter))
        // The recorded server has none: its deployments are served without a pool.
        .route(
            "/api/work_pools/filter",
            post(async || reply::json(StatusCode::OK, &json!([]))),
        );
    reply::fastapi(routes).with_state(state)
}
