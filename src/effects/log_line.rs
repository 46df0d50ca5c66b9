//! A line of the log as a target: pushed, and never taken back.

use serde_json::{Value, json};

use super::hands::Done;
use super::{Change, Permit};
use crate::clients::loki::{Loki, time};
use crate::error::{Error, Result};

/// Pushes it. Loki keeps one of two equal lines of one moment, so that a step that is done again does no harm.
pub(super) async fn perform(loki: &Loki, permit: Permit, change: &Change) -> Result<Done> {
    let Change::PushLine { labels, at, line } = change else {
        return Err(Error::internal("this is no line of a log"));
    };
    let moment = jiff::Timestamp::from_nanosecond(i128::from(*at));
    let moment = moment.map_err(|_| Error::usage("a line of a time beyond the calendar"))?;
    loki.push(permit, labels.clone(), moment, line).await?;
    Ok(Done {
        value: value(labels, *at, line),
        ..Done::default()
    })
}

fn value(labels: &Value, at: i64, line: &str) -> Value {
    json!({"ts": time(at), "labels": labels, "line": line})
}

/// A stream's labels as a selector writes them.
pub(super) fn selector(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
