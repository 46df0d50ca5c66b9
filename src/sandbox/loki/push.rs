//! Taking lines in, as JSON. Protocol buffers, which agents send, are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Held;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;

use super::answer::Refusal;
use super::lines::{self, Labels};
use super::range::{self, HOUR};
use crate::sandbox::state::State;

/// Lines older than this are refused.
const OLDEST: i64 = 168 * HOUR;
/// Lines further in the future than this are refused.
const NEWEST: i64 = HOUR / 6;
/// The labels that name a stream's service, the first found wins.
const SERVICE: [&str; 10] = [
    "service",
    "app",
    "application",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "component",
    "workload",
    "job",
];

/// `POST /loki/api/v1/push`: good lines are kept even when others are refused.
pub(crate) async fn push(
    Held(state): Held<Arc<State>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refusal::Bad(
            "the sandbox takes application/json only\n".to_owned(),
        ));
    }
    let parcel = Parcel::parse(&body, range::now(state.clock()))?;
    let refused = parcel.refused;
    state
        .write(move |database| {
            parcel
                .kept
                .iter()
                .try_for_each(|(labels, at, text)| lines::insert(database, labels, *at, text))
        })
        .await?;
    if let Some(words) = refused {
        return Err(Refusal::Bad(words));
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// What a push brings.
#[derive(Default)]
struct Parcel {
    kept: Vec<(Labels, i64, String)>,
    /// The words for the last line that is refused.
    refused: Option<String>,
}

impl Parcel {
    fn parse(body: &[u8], now: i64) -> Result<Parcel, Refusal> {
        let wrong = |words: &str| Refusal::Bad(format!("{words}\n"));
        let body: Value =
            serde_json::from_slice(body).map_err(|error| wrong(&error.to_string()))?;
        let streams = body["streams"]
            .as_array()
            .ok_or_else(|| wrong("the body holds no streams"))?;
        let mut parcel = Parcel::default();
        for stream in streams {
            let labels = labels_of(&stream["stream"])
                .ok_or_else(|| wrong("error at least one label pair is required per stream"))?;
            for value in stream["values"].as_array().map_or(&[][..], Vec::as_slice) {
                let at = value[0].as_str().and_then(|at| at.parse::<i64>().ok());
                let (Some(at), Some(text)) = (at, value[1].as_str()) else {
                    return Err(wrong(
                        "a value is a timestamp in nanoseconds and a line, both strings",
                    ));
                };
                match refusal(&labels, at, now) {
                    Some(words) => parcel.refused = Some(words),
                    None => parcel.kept.push((labels.clone(), at, text.to_owned())),
                }
            }
        }
        Ok(parcel)
    }
}

/// A stream's labels with the service's name, which Loki adds.
fn labels_of(stream: &Value) -> Option<Labels> {
    let mut labels: Labels = BTreeMap::new();
    for (name, value) in stream.as_object()? {
        labels.insert(name.clone(), value.as_str()?.to_owned());
    }
    if labels.is_empty() {
        return None;
    }
    if !labels.contains_key("service_name") {
        let found = SERVICE.iter().find_map(|name| labels.get(*name));
        let service = found.map_or("unknown_service", String::as_str).to_owned();
        labels.insert("service_name".to_owned(), service);
    }
    Some(labels)
}

fn refusal(labels: &Labels, at: i64, now: i64) -> Option<String> {
    let (word, bound) = if at < now - OLDEST {
        let oldest = range::rfc3339(now - OLDEST);
        ("old", format!(", oldest acceptable timestamp is: {oldest}"))
    } else if at > now + NEWEST {
        ("new", String::new())
    } else {
        return None;
    };
    Some(format!(
        "entry for stream '{}' has timestamp too {word}: {}{bound}\n",
        written(labels),
        range::rfc3339(at)
    ))
}

/// Labels as a selector writes them.
fn written(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
