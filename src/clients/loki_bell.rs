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
use super::loki::{Loki, nanoseconds};
use super::retry;
use super::websocket::Socket;
use crate::error::{Error, Kind, Result};

/// A connection that held for so long is none that failed.
const STEADY: Duration = Duration::from_secs(5);
/// After so many connections that could not be opened or broke off at once, there is no bell.
const FAILURES: u32 = 4;
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

/// What is to be known of a bell.
pub enum News<'a> {
    /// It is not to be had, for now or at all.
    Away(&'a Error),
    /// It was not, and is again.
    Back,
}

impl Bell {
    /// Listens on the runtime. `say` is told when there is no bell to be had, and when there is one again.
    pub fn listen(
        loki: Loki,
        query: String,
        say: impl Fn(News<'_>) + Send + Sync + 'static,
    ) -> Bell {
        let rung = Arc::new(Rung::default());
        let ringing = Arc::clone(&rung);
        let listener = tokio::spawn(async move {
            let mut count = 0;
            loop {
                let began = tokio::time::Instant::now();
                let listened = listen_once(&loki, &query, &ringing, || {
                    if count >= FAILURES {
                        say(News::Back);
                    }
                });
                let ended = listened.await;
                count = if began.elapsed() > STEADY {
                    0
                } else {
                    count + 1
                };
                let error = ended.err().unwrap_or_else(closed);
                if is_refusal(&error) {
                    return say(News::Away(&error));
                }
                if count == FAILURES {
                    say(News::Away(&error));
                }
                tokio::time::sleep(retry::pause(count.min(DOUBLINGS))).await;
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

    /// The earliest time that was named since it was last asked, if it rang.
    #[must_use]
    pub fn rung(&self) -> Option<i64> {
        self.rung.take()
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

fn closed() -> Error {
    Error::new(Kind::Unavailable, "loki closes the websocket of its tail")
}

/// Rings until the connection ends.
async fn listen_once(loki: &Loki, query: &str, rung: &Rung, opened: impl FnOnce()) -> Result<()> {
    // A tail without a start begins an hour ago.
    let now = nanoseconds(Timestamp::now());
    let request = Request::get("/loki/api/v1/tail")
        .query("query", query)
        .query("start", now)
        .query("limit", 1);
    let mut socket = Socket::open(loki.sender(), request).await?;
    // What came while nobody listened is to be looked for.
    rung.ring(i64::MAX);
    let mut opened = Some(opened);
    while let Some(text) = socket.text().await? {
        // One that closes before it has said anything is none.
        if let Some(opened) = opened.take() {
            opened();
        }
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
