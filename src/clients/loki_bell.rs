//! Loki's tail as a bell: a frame of it says that there is something new, and from when. It loses lines in a burst, mostly
//! without a word, so what is shown is read by `query_range`; nothing is ever taken from a frame but times.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::http::Request;
use super::loki::Loki;
use super::retry;
use super::websocket::Socket;
use crate::error::{Error, Kind, Result};

/// A connection that held for so long begins its pauses anew.
const STEADY: Duration = Duration::from_secs(30);
/// Pauses between two connections grow up to this many doublings.
const DOUBLINGS: u32 = 5;

/// A bell that rings for a query. It is silenced when it is dropped.
pub struct Bell {
    rung: Arc<Rung>,
    listener: JoinHandle<()>,
}

#[derive(Default)]
struct Rung {
    notify: Notify,
    /// The earliest time that a frame has named since it was last looked at, if any came.
    earliest: Mutex<Option<i64>>,
}

impl Bell {
    /// Listens on the runtime. `say` is told once where there is no bell to be had.
    pub fn listen(loki: Loki, query: String, say: impl Fn(&Error) + Send + 'static) -> Bell {
        let rung = Arc::new(Rung::default());
        let ringing = Arc::clone(&rung);
        let listener = tokio::spawn(async move {
            let mut count = 0;
            loop {
                let began = tokio::time::Instant::now();
                match listen_once(&loki, &query, &ringing).await {
                    Err(error) if is_refusal(&error) => return say(&error),
                    _ if began.elapsed() > STEADY => count = 0,
                    _ => count = DOUBLINGS.min(count + 1),
                }
                tokio::time::sleep(retry::pause(count)).await;
            }
        });
        Bell { rung, listener }
    }

    /// Waits until it rings: the earliest time that was named since.
    pub async fn ring(&self) -> i64 {
        loop {
            if let Some(earliest) = self.rung.take() {
                return earliest;
            }
            self.rung.notify.notified().await;
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Rung {
    fn ring(&self, at: i64) {
        let mut earliest = self.earliest.lock().unwrap_or_else(PoisonError::into_inner);
        *earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
        drop(earliest);
        self.notify.notify_one();
    }

    fn take(&self) -> Option<i64> {
        self.earliest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Whether the server, or what stands before it, will not have this websocket however often it is asked.
fn is_refusal(error: &Error) -> bool {
    matches!(error.detail().status, Some(400..=499 | 501)) && error.kind() != Kind::Unavailable
}

/// Rings until the connection ends.
async fn listen_once(loki: &Loki, query: &str, rung: &Rung) -> Result<()> {
    // A tail without a start begins an hour ago.
    let now = Timestamp::now().as_nanosecond();
    let request = Request::get("/loki/api/v1/tail")
        .query("query", query)
        .query("start", now)
        .query("limit", 1);
    let mut socket = Socket::open(loki.sender(), request).await?;
    // What came while nobody listened is to be looked for.
    rung.ring(i64::MAX);
    while let Some(text) = socket.text().await? {
        // What is no frame of a tail rings all the same.
        let frame = serde_json::from_str::<Frame>(&text).unwrap_or_default();
        rung.ring(frame.earliest().unwrap_or(i64::MAX));
    }
    Ok(())
}

/// A frame, of which only times matter.
#[derive(Default, Deserialize)]
struct Frame {
    #[serde(default)]
    streams: Option<Vec<Streamed>>,
    #[serde(default)]
    dropped_entries: Option<Vec<Dropped>>,
}

#[derive(Deserialize)]
struct Streamed {
    values: Vec<(String, IgnoredAny)>,
}

#[derive(Deserialize)]
struct Dropped {
    timestamp: String,
}

impl Frame {
    fn earliest(&self) -> Option<i64> {
        let streams = self.streams.iter().flatten();
        let shown = streams.flat_map(|stream| stream.values.iter().map(|(at, _)| at));
        let dropped = self
            .dropped_entries
            .iter()
            .flatten()
            .map(|entry| &entry.timestamp);
        shown.chain(dropped).filter_map(|at| at.parse().ok()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_the_earliest_time_in_it() {
        let frame = r#"{"streams":[{"stream":{"app":"x"},"values":[["9","a"],["8","b"]]}],
            "dropped_entries":[{"timestamp":"7","labels":{}}]}"#;
        let read = |text: &str| serde_json::from_str::<Frame>(text).map(|frame| frame.earliest());
        assert_eq!(read(frame).unwrap(), Some(7));
        assert_eq!(read(r#"{"streams":null}"#).unwrap(), None);
    }

    #[test]
    fn rings_are_put_together() {
        let rung = Rung::default();
        for at in [5, 3, 4] {
            rung.ring(at);
        }
        assert_eq!((rung.take(), rung.take()), (Some(3), None));
    }
}
