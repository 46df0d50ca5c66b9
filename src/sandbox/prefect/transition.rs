//! Setting a run's state by hand: what is accepted, what the server makes something else of, what it refuses.
//!
//! The rules are Prefect's, as recorded: a run that has not started is CANCELLED at once, a running one is CANCELLING
//! until its worker stops it, a finished one stays as it is unless it is scheduled again or `force` is set.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State as Held};
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::Transaction;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::run::{self, Run, RunState};
use super::{deployments, request, runner};
use crate::sandbox::state::State;
use crate::sandbox::validation::{Fault, place};
use crate::sandbox::{clock, reply};

const KINDS: [&str; 9] = [
    "SCHEDULED",
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "CRASHED",
    "PAUSED",
    "CANCELLING",
];

/// `POST /api/flow_runs/{id}/set_state`
pub(crate) async fn set_state(
    Held(state): Held<Arc<State>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let id = request::id_in_path(&id)?;
    let body = request::body(&body)?;
    let wanted = wanted(&body, state.clock().micros())?;
    let force = body["force"] == json!(true);
    runner::catch_up(&state).await?;
    let (verdict, run) = state
        .write(move |database| settle(database, &id, wanted, force))
        .await?;
    let (status, word, details) = match verdict {
        Verdict::Accept => (
            StatusCode::CREATED,
            "ACCEPT",
            json!({"type": "accept_details"}),
        ),
        Verdict::Reject(reason) => (
            StatusCode::CREATED,
            "REJECT",
            json!({"type": "reject_details", "reason": reason}),
        ),
        Verdict::Abort(reason) => (
            StatusCode::OK,
            "ABORT",
            json!({"type": "abort_details", "reason": reason}),
        ),
    };
    let answer = json!({"state": run.state.shown(&run.id), "status": word, "details": details});
    Ok(reply::json(status, &answer))
}

enum Verdict {
    Accept,
    Reject(String),
    Abort(String),
}

fn settle(
    database: &Transaction<'_>,
    id: &str,
    wanted: RunState,
    force: bool,
) -> Result<(Verdict, Run), Refusal> {
    let mut run = run::by_id(database, id)?;
    let (verdict, next) = judge(&run.state, wanted, force);
    if let Some(next) = next {
        run.enter(next);
        let served = match &run.deployment {
            Some(deployment) => deployments::by_id(database, deployment)?.served,
            None => false,
        };
        runner::plan(&mut run, served);
        run::update(database, &run)?;
    }
    Ok((verdict, run))
}

/// What becomes of a wish: the verdict, and the state the run enters, if it enters one.
fn judge(now: &RunState, wanted: RunState, force: bool) -> (Verdict, Option<RunState>) {
    let onto = (now.kind.as_str(), wanted.kind.as_str());
    if force {
        return (Verdict::Accept, Some(wanted));
    }
    match onto {
        ("SCHEDULED", "CANCELLING") => (
            Verdict::Reject("Scheduled flow run has no infrastructure to terminate.".to_owned()),
            Some(RunState::new("CANCELLED", wanted.since)),
        ),
        ("CANCELLING", other) if other != "CANCELLED" => (
            Verdict::Reject(
                "Cannot transition flows that are cancelling to a state other than Cancelled."
                    .to_owned(),
            ),
            None,
        ),
        (_, other) if now.is_final() && other != "SCHEDULED" => (
            Verdict::Abort(format!("Run is already in terminal state {}.", now.kind)),
            None,
        ),
        ("PENDING" | "RUNNING", "PENDING") => (
            Verdict::Abort(format!(
                "This run is in a {} state and cannot transition to a PENDING state.",
                now.kind
            )),
            None,
        ),
        _ => (Verdict::Accept, Some(wanted)),
    }
}

fn wanted(body: &Value, now: i64) -> Result<RunState, Refusal> {
    let refuse = |fault| Refusal::Schema(vec![fault], body.clone());
    let Some(state) = body.get("state") else {
        return Err(refuse(Fault::missing(&place(["body", "state"]), body)));
    };
    let at = place(["body", "state", "type"]);
    let Some(kind) = state.get("type") else {
        return Err(refuse(Fault::missing(&at, state)));
    };
    let Some(kind) = kind.as_str().filter(|kind| KINDS.contains(kind)) else {
        return Err(refuse(Fault::not_among(&at, KINDS, kind)));
    };
    let mut made = RunState::new(kind, now);
    if let Some(name) = state["name"].as_str() {
        made = made.named(name);
    }
    made.message = state["message"].as_str().map(str::to_owned);
    if state["state_details"].is_object() {
        made.details = state["state_details"].clone();
    }
    if kind == "SCHEDULED" && made.scheduled_time().is_none() {
        made.details["scheduled_time"] = json!(clock::rfc3339(made.since));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn becomes(from: &str, to: &str, force: bool) -> Option<String> {
        let (_, next) = judge(&RunState::new(from, 0), RunState::new(to, 1), force);
        next.map(|state| state.kind)
    }

    #[test]
    fn a_run_that_has_not_started_is_cancelled_at_once() {
        assert_eq!(
            becomes("SCHEDULED", "CANCELLING", false).as_deref(),
            Some("CANCELLED")
        );
        assert_eq!(
            becomes("RUNNING", "CANCELLING", false).as_deref(),
            Some("CANCELLING")
        );
    }

    #[test]
    fn a_finished_run_changes_only_by_force_or_by_being_scheduled_again() {
        assert_eq!(becomes("COMPLETED", "CANCELLED", false), None);
        assert_eq!(
            becomes("FAILED", "SCHEDULED", false).as_deref(),
            Some("SCHEDULED")
        );
        assert_eq!(
            becomes("COMPLETED", "FAILED", true).as_deref(),
            Some("FAILED")
        );
    }
}
