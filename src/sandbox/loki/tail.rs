//! The tail over a websocket, with the losses of the real one: a frame every half second, of at most 100 lines, and of
//! what comes faster most is dropped, the smaller part of it by name. What is wrong is refused at the handshake.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State as Held;
use axum::extract::ws::{
    Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection,
};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::lines::{self, Arrived};
use super::logql::Query;
use super::query::{level, limit};
use super::range::{self, HOUR, Parameters, Span};
use crate::sandbox::state::State;

/// The longest delay Loki takes, in seconds.
const LONGEST_DELAY: i64 = 5;
/// Frames come so often.
const TICK: Duration = Duration::from_millis(500);
/// Lines of a frame.
const FRAME: usize = 100;
/// Lines that are sent of what came between two ticks: what a real Loki was measured to send.
const SENT: usize = 1100;
/// Of what is dropped between two ticks, so much is named.
const NAMED: usize = 400;

/// `GET /loki/api/v1/tail`
pub(crate) async fn tail(
    Held(state): Held<Arc<State>>,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &Bytes::new());
    let query = Query::parse(parameters.get("query").unwrap_or_default())?;
    let delay = parameters.get("delay_for").unwrap_or("0");
    let delay: i64 = delay
        .parse()
        .map_err(|_| Refusal::Bad(format!("strconv.Atoi: parsing \"{delay}\": invalid syntax")))?;
    if delay > LONGEST_DELAY {
        return Err(Refusal::Bad(format!(
            "delay_for can't be greater than {LONGEST_DELAY}"
        )));
    }
    let (span, limit) = (
        Span::parse(&parameters, HOUR, range::now(state.clock()))?,
        limit(&parameters)?,
    );
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Ok(rejection.into_response()),
    };
    let tail = Tail {
        state,
        query: Arc::new(query),
    };
    Ok(upgrade.on_upgrade(async move |socket| tail.run(socket, span, limit).await))
}

struct Tail {
    state: Arc<State>,
    query: Arc<Query>,
}

impl Tail {
    /// Sends what was there, and what comes, until the other side goes.
    async fn run(self, mut socket: WebSocket, span: Span, limit: usize) {
        let Ok((mut last, history)) = self.begin(span, limit).await else {
            return;
        };
        let mut ticks = tokio::time::interval(TICK);
        let mut frames = framed(&history, &[]);
        loop {
            for frame in frames.drain(..) {
                if socket
                    .send(Message::Text(frame.to_string().into()))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            tokio::select! {
                _ = ticks.tick() => match self.since(last).await {
                    Ok((seq, came)) => (last, frames) = (seq, came),
                    Err(_) => return,
                },
                came = socket.recv() => match came {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
            }
        }
    }

    /// The newest lines of a span, and the last line that has arrived.
    async fn begin(&self, span: Span, limit: usize) -> rusqlite::Result<(i64, Vec<Value>)> {
        let query = Arc::clone(&self.query);
        self.state
            .read(move |database| {
                let last = lines::last(database)?;
                let streams = lines::selected(database, &query, None)?;
                let mut found = lines::read(database, &query, &streams, span, false, limit)?;
                found.reverse();
                let shown = found.iter().map(|line| {
                    let mut labels = streams.get(&line.stream).cloned().unwrap_or_default();
                    labels.insert("detected_level".to_owned(), level(&line.text).to_owned());
                    json!({"stream": labels, "values": [[line.at.to_string(), line.text]]})
                });
                Ok((last, shown.collect()))
            })
            .await
    }

    /// The frames of what has arrived since, and the last of it.
    async fn since(&self, seq: i64) -> rusqlite::Result<(i64, Vec<Value>)> {
        let query = Arc::clone(&self.query);
        let (last, arrived) = self
            .state
            .read(move |database: &Connection| {
                Ok::<_, rusqlite::Error>((
                    lines::last(database)?,
                    lines::arrived(database, &query, seq)?,
                ))
            })
            .await?;
        let sent: Vec<Value> = arrived.iter().take(SENT).map(live).collect();
        let dropped = arrived.iter().skip(SENT).take(NAMED);
        let dropped: Vec<Value> = dropped
            .map(|line| json!({"timestamp": line.at.to_string(), "labels": line.labels}))
            .collect();
        Ok((last, framed(&sent, &dropped)))
    }
}

/// A line as it comes: an entry of its own, without the level that is read out of it.
fn live(line: &Arrived) -> Value {
    json!({"stream": line.labels, "values": [[line.at.to_string(), line.text]]})
}

/// Frames of these lines; what was dropped is named in the last.
fn framed(sent: &[Value], dropped: &[Value]) -> Vec<Value> {
    let mut frames: Vec<Value> = sent
        .chunks(FRAME)
        .map(|some| json!({"streams": some}))
        .collect();
    if let Some(last) = frames.last_mut().filter(|_| !dropped.is_empty()) {
        last["dropped_entries"] = dropped.into();
    }
    frames
}
