//! Flow runs of Prefect as targets: started, cancelled, tried again. A start carries an idempotency key, so that however
//! often it is asked for there is one run; where a script names none, the run of the program and the step make one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::hands::{Done, Number, Seen};
use super::{Change, Facts, Permit};
use crate::clients::away::Away;
use crate::clients::prefect::{ENDS, Prefect};
use crate::error::{Error, Kind, Result};
use crate::session::Session;
use crate::time;

/// What Prefect keeps as the reason of a state.
const BY: &str = "by dashictl";
/// It is looked so often whether there is room.
const LOOK: Duration = Duration::from_secs(1);
/// When none has ended for so long, it is told.
const STALLED: Duration = Duration::from_mins(2);

/// What the run is that a change is about. A start by a key that nobody has used is not there.
pub(super) async fn look(prefect: &Prefect, change: &Change) -> Result<Seen> {
    match change {
        Change::StartFlowRun { key: Some(key), .. } => by_key(prefect, key).await,
        Change::StartFlowRun { .. } => Ok(Seen::default()),
        Change::CancelFlowRun { id, .. } => Ok(seen(prefect.flow_run(id).await?, is_over)),
        Change::RetryFlowRun { id } => Ok(seen(prefect.flow_run(id).await?, state_of)),
        _ => Err(Error::internal("this is no change of a flow run")),
    }
}

/// The run that a step has started without saying so, by the key that it had.
pub(super) async fn look_for(
    prefect: &Prefect,
    number: Number<'_>,
    change: &Change,
) -> Result<Seen> {
    match change {
        Change::StartFlowRun { key, .. } => by_key(prefect, &key_of(key.as_ref(), number)).await,
        _ => look(prefect, change).await,
    }
}

/// Waits until fewer runs than so many with all of these tags are under way.
pub(super) async fn room(
    session: &Session,
    prefect: &Prefect,
    tags: &[String],
    most: usize,
) -> Result<()> {
    let (mut last, mut silent) = (None, Instant::now());
    let mut away = Away::default();
    loop {
        let count = match prefect.under_way(tags).await {
            Ok(count) => count,
            Err(error) => {
                if let Some(told) = away.bear(error)? {
                    session.warn(&told);
                }
                tokio::time::sleep(LOOK).await;
                continue;
            }
        };
        away.back();
        if count < most {
            return Ok(());
        }
        let console = session.console();
        if last.is_none() {
            console.note(&format!("{count} flow runs are under way, of at most {most}: the next is started when one has ended"));
        } else if last != Some(count) {
            silent = Instant::now();
        } else if silent.elapsed() > STALLED {
            silent = Instant::now();
            console.note(&format!("{count} flow runs are under way, and none has ended for {}: does a worker take them up?", time::spell(STALLED)));
        }
        last = Some(count);
        tokio::time::sleep(LOOK).await;
    }
}

/// Says to Prefect what the flow run has come to that this run of the program is: a type of state and its name.
pub async fn report_flow_run(
    prefect: &Prefect,
    id: &str,
    (kind, name): (&str, &str),
    message: &str,
) -> Result<()> {
    let state = json!({"type": kind, "name": name, "message": message});
    let said = prefect
        .set_state(Permit::granted(), id, state, false)
        .await?;
    match said["status"].as_str() {
        Some("ACCEPT") => Ok(()),
        _ => {
            Err(Error::new(Kind::Conflict, "it did not accept that")
                .cause(said["details"].to_string()))
        }
    }
}

/// Makes the change.
pub(super) async fn perform(
    session: &Session,
    prefect: &Prefect,
    permit: Permit,
    number: Number<'_>,
    change: &Change,
) -> Result<Done> {
    match change {
        Change::StartFlowRun {
            deployment_id,
            parameters,
            key,
            tags,
            name,
            at,
            ..
        } => {
            let mut body = json!({
                "parameters": parameters,
                "idempotency_key": key_of(key.as_ref(), number),
                "tags": tags,
            });
            if let Some(name) = name {
                body["name"] = name.as_str().into();
            }
            if let Some(at) = at {
                body["state"] =
                    json!({"type": "SCHEDULED", "state_details": {"scheduled_time": at}});
            }
            let run = prefect.start(permit, deployment_id, body).await?;
            Ok(done(run, identity))
        }
        Change::CancelFlowRun { id, force } => {
            let (kind, by) = if *force {
                ("CANCELLED", format!("forced {BY}"))
            } else {
                ("CANCELLING", format!("cancelled {BY}"))
            };
            let state = json!({"type": kind, "message": by});
            set(prefect, permit, (id, state, *force)).await?;
            Ok(done(prefect.flow_run(id).await?, is_over))
        }
        Change::RetryFlowRun { id } => {
            let now = session.now().to_string();
            let state = json!({
                "type": "SCHEDULED", "name": "AwaitingRetry", "message": format!("retried {BY}"),
                "state_details": {"scheduled_time": now},
            });
            set(prefect, permit, (id, state, false)).await?;
            Ok(done(prefect.flow_run(id).await?, state_of))
        }
        _ => Err(Error::internal("this is no change of a flow run")),
    }
}

/// Whether a run is what a change would make of it.
pub(super) fn is_made(change: &Change, run: &Value) -> bool {
    let state = run["state_type"].as_str().unwrap_or_default();
    match change {
        Change::StartFlowRun { .. } => true,
        Change::CancelFlowRun { .. } => matches!(state, "CANCELLED" | "CANCELLING"),
        Change::RetryFlowRun { .. } => !ENDS.contains(&state),
        _ => false,
    }
}

/// Asks for a state. What Prefect makes another state of is done all the same; what it refuses is not.
async fn set(
    prefect: &Prefect,
    permit: Permit,
    (id, state, force): (&str, Value, bool),
) -> Result<()> {
    let said = prefect.set_state(permit, id, state, force).await?;
    let reason = said["details"]["reason"]
        .as_str()
        .unwrap_or("it gave no reason");
    match said["status"].as_str() {
        Some("ACCEPT") => Ok(()),
        // A run that nobody has picked up is cancelled at once.
        Some("REJECT") if said["state"]["type"] == "CANCELLED" => Ok(()),
        Some(status) => Err(Error::new(
            Kind::Conflict,
            format!("Prefect does not change the state of flow run {id} ({status}): {reason}"),
        )),
        None => Err(Error::new(
            Kind::Protocol,
            format!("prefect gave no answer to a state of flow run {id}"),
        )),
    }
}

async fn by_key(prefect: &Prefect, key: &str) -> Result<Seen> {
    let runs = prefect.runs_by_keys(&[key.to_owned()]).await?;
    Ok(runs
        .into_iter()
        .next()
        .map_or_else(Seen::default, |run| seen(run, identity)))
}

fn key_of(key: Option<&String>, number: Number<'_>) -> String {
    key.cloned()
        .unwrap_or_else(|| format!("dashictl {} {}", number.run, number.effect))
}

fn seen(run: Value, facts: fn(&Value) -> Value) -> Seen {
    Seen {
        facts: Facts::of_record(&facts(&run)),
        image: Some(run),
        ..Seen::default()
    }
}

fn done(run: Value, facts: fn(&Value) -> Value) -> Done {
    Done {
        after: Facts::of_record(&facts(&run)),
        value: run,
        ..Done::default()
    }
}

/// All that matters of a run that was started.
fn identity(run: &Value) -> Value {
    json!({"flow_run": run["id"]})
}

/// All that matters to who cancels a run: that it goes on is no reason to leave it alone.
fn is_over(run: &Value) -> Value {
    let is_over = run["state_type"]
        .as_str()
        .is_some_and(|state| ENDS.contains(&state));
    json!({"flow_run": run["id"], "is_over": is_over})
}

/// All that matters to who tries a run again.
fn state_of(run: &Value) -> Value {
    json!({"flow_run": run["id"], "state": run["state_id"]})
}
