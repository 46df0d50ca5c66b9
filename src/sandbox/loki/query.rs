//! Log queries over a range of time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Held;
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::lines::{self, Found, Labels};
use super::logql::Query;
use super::range::{self, HOUR, Parameters, Span};
use crate::sandbox::state::State;

/// An answer holds at most so many lines; more is refused, not cropped.
const MOST: i64 = 5000;
/// And so many unless `limit` says otherwise.
const USUAL: i64 = 100;

/// `GET` and `POST /loki/api/v1/query_range`
pub(crate) async fn range(
    Held(state): Held<Arc<State>>,
    uri: Uri,
    form: Bytes,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &form);
    let span = Span::parse(&parameters, HOUR, range::now(state.clock()))?;
    let limit = limit(&parameters)?;
    let forward = is_forward(&parameters)?;
    let query = Query::parse(parameters.get("query").unwrap_or_default())?;
    let (streams, found) = state
        .read(move |database| -> Result<_, Refusal> {
            let streams = lines::selected(database, &query, None)?;
            let found = lines::read(database, &query, &streams, span, forward, limit)?;
            Ok((streams, found))
        })
        .await?;
    let read = found.len();
    let body = json!({
        "status": "success",
        "data": {
            "resultType": "streams",
            "result": grouped(&streams, found),
            "stats": {"summary": {"totalEntriesReturned": read, "splits": 0, "shards": 0}},
        },
    });
    Ok(answer::json(&body))
}

/// `GET` and `POST /loki/api/v1/query`: an instant has no lines, and metrics are not evaluated.
pub(crate) async fn instant(uri: Uri, form: Bytes) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &form);
    Query::parse(parameters.get("query").unwrap_or_default())?;
    Err(Refusal::Bad(
        "log queries are not supported as an instant query type, please change your query to a range query type"
            .to_owned(),
    ))
}

/// How many lines are asked for.
pub(super) fn limit(parameters: &Parameters) -> Result<usize, Refusal> {
    let text = parameters.get("limit");
    let limit: i64 = match text {
        None => USUAL,
        Some(text) => text.parse().map_err(|_| {
            Refusal::Bad(format!("strconv.Atoi: parsing \"{text}\": invalid syntax"))
        })?,
    };
    if limit > MOST {
        return Err(Refusal::Bad(format!(
            "max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {MOST})"
        )));
    }
    match usize::try_from(limit) {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(Refusal::Bad("limit must be a positive value".to_owned())),
    }
}

fn is_forward(parameters: &Parameters) -> Result<bool, Refusal> {
    match parameters.get("direction").unwrap_or("backward") {
        way if way.eq_ignore_ascii_case("backward") => Ok(false),
        way if way.eq_ignore_ascii_case("forward") => Ok(true),
        other => Err(Refusal::Bad(format!("invalid direction '{other}'"))),
    }
}

/// Lines under their stream's labels, to which Loki adds the level it reads out of each line.
fn grouped(streams: &BTreeMap<i64, Labels>, found: Vec<Found>) -> Vec<Value> {
    let mut groups: BTreeMap<Labels, Vec<Value>> = BTreeMap::new();
    for line in found {
        let mut labels = streams.get(&line.stream).cloned().unwrap_or_default();
        labels.insert("detected_level".to_owned(), level(&line.text).to_owned());
        let value = json!([line.at.to_string(), line.text]);
        groups.entry(labels).or_default().push(value);
    }
    groups
        .into_iter()
        .map(|(labels, values)| json!({"stream": labels, "values": values}))
        .collect()
}

/// The level a line names: by a `level=…` or `"level":"…"`, else by a word in it.
pub(super) fn level(line: &str) -> &'static str {
    let lower = line.to_lowercase();
    let named = ["level=", "level\":\"", "level\": \"", "severity="]
        .iter()
        .find_map(|key| lower.split_once(key))
        .map(|(_, rest)| rest.trim_start_matches('"'));
    let levels = [
        ("info", "info"),
        ("err", "error"),
        ("warn", "warn"),
        ("crit", "critical"),
        ("fatal", "fatal"),
        ("debug", "debug"),
        ("trace", "trace"),
    ];
    let by_name = levels
        .iter()
        .find(|(word, _)| named.is_some_and(|named| named.starts_with(word)));
    let by_word = || {
        let words = ["info", "error", "warn", "critical", "debug"];
        words.into_iter().find(|word| lower.contains(word))
    };
    match by_name {
        Some((_, level)) => level,
        None => by_word().unwrap_or("unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lines_level_is_read_out_of_it() {
        let levels = [
            "level=warn x",
            "{\"level\":\"error\"}",
            "INFO ready",
            "three",
        ]
        .map(level);
        assert_eq!(levels, ["warn", "error", "info", "unknown"]);
    }
}
