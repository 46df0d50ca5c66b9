//! What a worker would have done by now. There is none: a run's next step and its time stand in its row, and whoever asks
//! next does all steps that are due, with the times they were due at. So it does not matter who looks, or when.
//!
//! The rules:
//! - A run of a *served* deployment is picked up (PENDING) half a second after it is scheduled for, starts (RUNNING) half
//!   a second later, and ends two seconds after that.
//! - It ends FAILED when its `source_path` is an `s3://` place that holds nothing, else COMPLETED. What it makes of the
//!   source is in `ingestion`.
//! - CANCELLING becomes CANCELLED after one second.
//! - A run that nobody picks up is called Late 15 seconds after its time.
//! - Where the sandbox's clock stands, who looks lets it go on to the next step within a few seconds: else nobody who
//!   waits for a run would see its end.
//! - The beginning and the end of a run are lines in Loki too, where the worker's pod would have written them.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction};

use super::answer::Refusal;
use super::ingestion;
use super::logs::{self, Line};
use super::run::{self, Run, RunState};
use crate::sandbox::clock::SECOND;
use crate::sandbox::loki::{self, Labels};
use crate::sandbox::state::State;

/// From its time to PENDING, and from there to RUNNING.
const HALF: i64 = SECOND / 2;
/// From RUNNING to the end.
const WORK: i64 = 2 * SECOND;
/// From CANCELLING to CANCELLED.
const CANCEL: i64 = SECOND;
/// From a run's time to its being late.
const LATE: i64 = 15 * SECOND;

/// A clock that stands goes on to a step that is so near: the longest of those between the states of a run that is picked up.
const PATIENCE: i64 = 3 * SECOND;

/// Does every step that is due. Call before reading runs or their logs.
pub(crate) async fn catch_up(state: &Arc<State>) -> Result<(), Refusal> {
    let clock = state.clock().clone();
    let now = clock.micros();
    let reach = clock.stands_at().map_or(now, |_| now + PATIENCE);
    let due = state
        .read(move |database| next_due(database, reach))
        .await?;
    if let Some(due) = due {
        if due > now {
            let ahead = Duration::from_micros(u64::try_from(due - now).unwrap_or(0));
            clock.advance(ahead)?;
        }
        state
            .write(move |database| advance(database, clock.micros()))
            .await?;
    }
    Ok(())
}

/// Sets what comes next for a run that has just entered its state.
pub(crate) fn plan(run: &mut Run, served: bool) {
    let at = run.state.scheduled_time().unwrap_or(run.state.since);
    // A retry may be scheduled for a time that is past: nobody picks a run up before it is there.
    let begin = at.max(run.state.since);
    let next = match (run.state.kind.as_str(), served) {
        ("SCHEDULED", true) => Some((begin + HALF, "pick up")),
        ("SCHEDULED", false) if run.state.name != "Late" => Some((begin + LATE, "late")),
        ("PENDING", true) => Some((begin + HALF, "start")),
        ("RUNNING", true) => Some((begin + WORK, "end")),
        ("CANCELLING", _) => Some((begin + CANCEL, "cancelled")),
        _ => None,
    };
    run.due = next.map(|(due, _)| due);
    run.step = next.map(|(_, step)| step.to_owned());
}

/// When the next step is due that is so by this moment.
fn next_due(database: &Connection, by: i64) -> rusqlite::Result<Option<i64>> {
    database
        .prepare_cached("SELECT min(due) FROM flow_run WHERE due <= ?1")?
        .query_row([by], |row| row.get(0))
}

/// Does every step that is due at this moment, in the order of their times.
pub(crate) fn advance(database: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    loop {
        let tail = "WHERE due <= ?1 ORDER BY due, id LIMIT 1";
        let Some(mut run) = run::select(database, tail, [now])?.pop() else {
            return Ok(());
        };
        step(database, &mut run)?;
        tell(database, &run)?;
        run::update(database, &run)?;
    }
}

/// What the worker's pod would have logged of this step.
fn tell(database: &Transaction<'_>, run: &Run) -> rusqlite::Result<()> {
    let (level, what) = match run.state.kind.as_str() {
        "RUNNING" => ("info", "flow run started"),
        "COMPLETED" => ("info", "flow run finished"),
        "FAILED" => ("error", "flow run failed"),
        "CANCELLED" => ("warn", "flow run cancelled"),
        _ => return Ok(()),
    };
    let labels = [
        ("namespace", "dashi-data"),
        ("app", "prefect-worker"),
        ("service_name", "prefect-worker"),
        ("pod", "prefect-worker-7c9d5b6f4-x2v8k"),
    ];
    let labels = Labels::from(labels.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let line = format!(
        "level={level} msg=\"{what}\" flow_run={} name={}",
        run.id, run.name
    );
    loki::insert_line(database, &labels, run.state.since * 1000, &line)
}

fn step(database: &Transaction<'_>, run: &mut Run) -> rusqlite::Result<()> {
    let at = run.due.unwrap_or(run.state.since);
    let said = |text: String, level: i64| Line::of_run(&run.id, at, level, text);
    match run.step.as_deref() {
        Some("late") => {
            let mut late = RunState::new("SCHEDULED", at).named("Late");
            late.details = run.state.details.clone();
            run.enter(late);
            plan(run, false);
        }
        Some("pick up") => {
            run.enter(RunState::new("PENDING", at));
            plan(run, true);
        }
        Some("start") => {
            let line = said(
                format!("Beginning flow run '{}' for flow 'dashi-ingest'", run.name),
                20,
            );
            logs::insert(database, &line)?;
            run.enter(RunState::new("RUNNING", at));
            plan(run, true);
        }
        Some("cancelled") => {
            logs::insert(database, &said("Flow run was cancelled.".to_owned(), 30))?;
            run.enter(RunState::new("CANCELLED", at));
            plan(run, false);
        }
        _ => {
            let state = match ingestion::ingest(database, run, at)? {
                Ok(made) => {
                    logs::insert(database, &said(made, 20))?;
                    logs::insert(
                        database,
                        &said("Finished in state Completed()".to_owned(), 20),
                    )?;
                    RunState::new("COMPLETED", at)
                }
                Err(why) => {
                    logs::insert(
                        database,
                        &said(format!("Encountered an exception: {why}"), 40),
                    )?;
                    RunState::new("FAILED", at)
                        .saying(format!("Flow run encountered an exception: {why}"))
                }
            };
            run.enter(state);
            plan(run, false);
        }
    }
    Ok(())
}
