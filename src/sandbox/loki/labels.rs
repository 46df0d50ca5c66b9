//! What streams there are: label names, their values, series, and how much they hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State as Held};
use axum::http::Uri;
use axum::response::Response;
use rusqlite::params;
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::lines::{self, Labels};
use super::logql::Query;
use super::range::{self, HOUR, Parameters, Span};
use crate::sandbox::state::State;

/// Without a range the last six hours are looked at.
const REACH: i64 = 6 * HOUR;

/// `GET` and `POST /loki/api/v1/labels`
pub(crate) async fn names(
    Held(state): Held<Arc<State>>,
    uri: Uri,
    form: Bytes,
) -> Result<Response, Refusal> {
    let streams = matching(&state, &Parameters::of(&uri, &form), "query").await?;
    let names: BTreeSet<&String> = streams.iter().flat_map(|labels| labels.keys()).collect();
    Ok(listed(names.into_iter().map(|name| json!(name)).collect()))
}

/// `GET /loki/api/v1/label/{name}/values`
pub(crate) async fn values(
    Held(state): Held<Arc<State>>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &Bytes::new());
    let streams = matching(&state, &parameters, "query").await?;
    let values: BTreeSet<&String> = streams
        .iter()
        .filter_map(|labels| labels.get(&name))
        .collect();
    Ok(listed(
        values.into_iter().map(|value| json!(value)).collect(),
    ))
}

/// `GET` and `POST /loki/api/v1/series`
pub(crate) async fn series(
    Held(state): Held<Arc<State>>,
    uri: Uri,
    form: Bytes,
) -> Result<Response, Refusal> {
    let streams = matching(&state, &Parameters::of(&uri, &form), "match[]").await?;
    let body = json!({"status": "success", "data": streams});
    Ok(answer::json(&body))
}

/// `GET /loki/api/v1/index/stats`
pub(crate) async fn stats(Held(state): Held<Arc<State>>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &Bytes::new());
    let span = Span::parse(&parameters, HOUR, range::now(state.clock()))?;
    let query = Query::parse(parameters.get("query").unwrap_or_default())?;
    if !query.is_selector() {
        return Err(Refusal::Bad("only label matchers are supported".to_owned()));
    }
    let body = state
        .read(move |database| -> Result<Value, Refusal> {
            let streams = lines::selected(database, &query, Some(span))?;
            let wanted: Vec<i64> = streams.keys().copied().collect();
            let (entries, bytes): (i64, i64) = database.query_row(
                "SELECT count(*), coalesce(sum(octet_length(text)), 0) FROM line
                 WHERE at >= ?1 AND at < ?2 AND stream IN (SELECT value FROM json_each(?3))",
                params![span.start, span.end, json!(wanted).to_string()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            // The sandbox has no chunks; each stream counts as one.
            let count = streams.len();
            Ok(json!({"streams": count, "chunks": count, "bytes": bytes, "entries": entries}))
        })
        .await?;
    Ok(answer::json(&body))
}

/// The label sets of the streams that any of the selectors selects; without a selector, of all.
async fn matching(
    state: &Arc<State>,
    parameters: &Parameters,
    name: &'static str,
) -> Result<Vec<Labels>, Refusal> {
    let span = Span::parse(parameters, REACH, range::now(state.clock()))?;
    let mut queries = Vec::new();
    for text in parameters.all(name).filter(|text| !text.is_empty()) {
        let query = Query::parse(text)?;
        if !query.is_selector() {
            return Err(Refusal::Bad("only label matchers are supported".to_owned()));
        }
        queries.push(query);
    }
    state
        .read(move |database| -> Result<Vec<Labels>, Refusal> {
            let all = lines::streams(database, Some(span))?;
            let wanted = |labels: &Labels| {
                queries.is_empty() || queries.iter().any(|query| query.selects(labels))
            };
            Ok(all.into_values().filter(wanted).collect())
        })
        .await
}

/// A list; Loki leaves an empty one out.
fn listed(values: Vec<Value>) -> Response {
    let mut body = json!({"status": "success"});
    if !values.is_empty() {
        body["data"] = Value::Array(values);
    }
    answer::json(&body)
}
