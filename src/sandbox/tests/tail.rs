//! The tail, as it was recorded: its frames, and what it loses.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;

use super::Lake;
use super::contract::{compare, exchange};
use crate::sandbox::clock;

type Socket = WebSocketStream<TcpStream>;

async fn tail(lake: &Lake, parameters: &str) -> Socket {
    let base = lake.sandbox.loki_url().replace("http://", "ws://");
    let address = base.trim_start_matches("ws://").to_owned();
    let connection = TcpStream::connect(address).await.expect("a connection");
    let url = format!("{base}/loki/api/v1/tail?{parameters}");
    let (socket, _) = tokio_tungstenite::client_async(url, connection)
        .await
        .expect("a websocket");
    socket
}

async fn push(lake: &Lake, app: &str, values: Vec<(i64, String)>) {
    let values: Vec<Value> = values
        .iter()
        .map(|(at, line)| json!([at.to_string(), line]))
        .collect();
    let stream = json!({"stream": {"app": app, "namespace": "dashi-data"}, "values": values});
    let pushed = lake
        .post(
            lake.sandbox.loki_url(),
            "/loki/api/v1/push",
            &json!({"streams": [stream]}),
        )
        .await;
    assert_eq!(pushed.0, 204);
}

/// The next frame; none when nothing comes for two seconds.
async fn frame(socket: &mut Socket) -> Option<Value> {
    let next = tokio::time::timeout(Duration::from_secs(2), socket.next())
        .await
        .ok()??;
    let text = next.expect("a message").into_text().expect("text");
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn texts(frame: &Value) -> Vec<&str> {
    let streams = frame["streams"].as_array().expect("streams");
    let values = streams.iter().map(|stream| &stream["values"]);
    values
        .map(|values| values[0][1].as_str().expect("a line"))
        .collect()
}

#[tokio::test]
async fn history_and_lines_that_come_are_framed_as_recorded() {
    let recorded = exchange(
        "loki.json",
        "tail: history, a live line, two lines with one timestamp",
    );
    let lake = Lake::start().await;
    let now = clock::now() * 1000;
    push(
        &lake,
        "old",
        (0..5)
            .map(|at| (now - 1000 + at, format!("line {at}")))
            .collect(),
    )
    .await;
    let mut socket = tail(&lake, "query=%7Bapp%3D%22old%22%7D&limit=5&delay_for=0").await;
    let mut frames = vec![frame(&mut socket).await.expect("history")];
    push(&lake, "old", vec![(now + 1, "live".to_owned())]).await;
    frames.push(frame(&mut socket).await.expect("a line"));
    push(
        &lake,
        "old",
        vec![(now + 2, "a".to_owned()), (now + 2, "b".to_owned())],
    )
    .await;
    frames.push(frame(&mut socket).await.expect("two lines"));
    let shown: Vec<Vec<&str>> = frames.iter().map(texts).collect();
    assert_eq!(
        shown,
        [
            &["line 0", "line 1", "line 2", "line 3", "line 4"][..],
            &["live"],
            &["a", "b"]
        ]
    );
    let mut faults = Vec::new();
    for (recorded, ours) in recorded["response"]["frames"]
        .as_array()
        .expect("frames")
        .iter()
        .zip(&frames)
    {
        compare(recorded, ours, "tail", &mut faults);
    }
    assert!(faults.is_empty(), "{faults:?}");
}

#[tokio::test]
async fn of_a_burst_a_part_is_dropped_mostly_without_a_word() {
    let recorded = exchange(
        "loki.json",
        "tail: 1,500 lines pushed at once, 10 more soon after",
    );
    let lake = Lake::start().await;
    let mut socket = tail(&lake, "query=%7Bapp%3D%22burst%22%7D&delay_for=0").await;
    let now = clock::now() * 1000;
    push(
        &lake,
        "burst",
        (0..3000)
            .map(|at| (now + at, format!("line {at}")))
            .collect(),
    )
    .await;
    let (mut came, mut named) = (BTreeSet::new(), 0);
    let mut faults = Vec::new();
    while let Some(frame) = frame(&mut socket).await {
        let shown = texts(&frame);
        assert!(shown.len() <= 100);
        came.extend(shown.into_iter().map(str::to_owned));
        if let Some(dropped) = frame["dropped_entries"].as_array() {
            named += dropped.len();
            compare(
                &recorded["response"]["frames"][0],
                &frame,
                "tail",
                &mut faults,
            );
        }
    }
    assert_eq!((came.len(), named), (1100, 400));
    assert!(faults.is_empty(), "{faults:?}");
}
