//! Counts of runs by interval and state, for charts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Held;
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::run::{self, Run, seconds};
use super::{criteria, request, runner};
use crate::sandbox::clock::{self, SECOND};
use crate::sandbox::reply;
use crate::sandbox::sql::Condition;
use crate::sandbox::state::State;
use crate::sandbox::validation::{Fault, place};

/// More intervals than this are refused.
const MOST: i64 = 500;

/// `POST /api/flow_runs/history`
pub(crate) async fn history(
    Held(state): Held<Arc<State>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = request::body(&body)?;
    let scale = Scale::parse(&body)?;
    let within = Condition::new(
        "flow_run.expected_start >= ? AND flow_run.expected_start < ?",
        [scale.start, scale.end].map(Sql::Integer),
    );
    let condition = criteria::of_runs(&body)?.and(within);
    runner::catch_up(&state).await?;
    let runs = state
        .read(move |database| {
            let tail = format!("WHERE {}", condition.clause());
            run::select(database, &tail, params_from_iter(condition.values))
        })
        .await?;
    Ok(reply::json(
        StatusCode::OK,
        &scale.table(&runs, state.clock().micros()),
    ))
}

/// The intervals asked for.
struct Scale {
    start: i64,
    end: i64,
    step: i64,
}

#[derive(Default)]
struct Tally {
    count: i64,
    ran: i64,
    late: i64,
}

impl Scale {
    fn parse(body: &Value) -> Result<Scale, Refusal> {
        let instant = |name: &str| -> Result<i64, Refusal> {
            let text = request::text(body, name)?;
            clock::parse(text).ok_or_else(|| {
                let fault = Fault::no_datetime(&place(["body", name]), &body[name]);
                Refusal::Schema(vec![fault], body.clone())
            })
        };
        let (start, end) = (instant("history_start")?, instant("history_end")?);
        let interval = body
            .get("history_interval_seconds")
            .or_else(|| body.get("history_interval"));
        let step = interval.and_then(Value::as_i64).ok_or_else(|| {
            let at = place(["body", "history_interval_seconds"]);
            Refusal::Schema(vec![Fault::missing(&at, body)], body.clone())
        })?;
        if step < 1 {
            return Err(Refusal::Detail(
                "History interval must not be less than 1 second.".to_owned(),
            ));
        }
        let step = step * SECOND;
        if (end - start) / step > MOST {
            return Err(Refusal::Detail(format!(
                "Given interval would create more than {MOST} rows."
            )));
        }
        Ok(Scale { start, end, step })
    }

    fn table(&self, runs: &[Run], now: i64) -> Value {
        let mut cells: BTreeMap<(i64, &str, &str), Tally> = BTreeMap::new();
        for run in runs {
            let interval = (run.expected_start - self.start) / self.step;
            let cell = (interval, run.state.kind.as_str(), run.state.name.as_str());
            let tally = cells.entry(cell).or_default();
            tally.count += 1;
            tally.ran += run.worked;
            tally.late += (run.started.unwrap_or(now) - run.expected_start).max(0);
        }
        let mut rows = Vec::new();
        let mut begin = self.start;
        while begin < self.end {
            let interval = (begin - self.start) / self.step;
            let states: Vec<Value> = cells
                .iter()
                .filter(|((place, ..), _)| *place == interval)
                .map(|((_, kind, name), tally)| tally.shown(kind, name))
                .collect();
            rows.push(json!({
                "interval_start": clock::rfc3339(begin),
                "interval_end": clock::rfc3339(begin + self.step),
                "states": states,
            }));
            begin += self.step;
        }
        Value::Array(rows)
    }
}

impl Tally {
    fn shown(&self, kind: &str, name: &str) -> Value {
        json!({
            "state_type": kind,
            "state_name": name,
            "count_runs": self.count,
            "sum_estimated_run_time": seconds(self.ran),
            "sum_estimated_lateness": seconds(self.late),
        })
    }
}
