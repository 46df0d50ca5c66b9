//! What a flow run logs: read to its end, or followed until the run has ended. Prefect's own websocket for logs stays
//! silent on a server as it is delivered, so the API is asked again and again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Pages;
use super::prefect::{ENDS, PAGE, Prefect};
use crate::error::{Error, Kind, Result};

/// Lines of several processes come in no strict order: those of so long before the last are looked at again.
const LATE: SignedDuration = SignedDuration::from_secs(10);
/// A worker hands in its last lines after its run has ended: it has no more when it was silent for so many looks.
const SILENCE: u32 = 3;
/// Looks that may fail one after the other, each with its own tries, before following ends.
const FAILURES: u32 = 10;

/// Which lines.
#[derive(Clone)]
pub struct Wanted {
    /// Of which flow run.
    pub run: String,
    /// Of this level at least (10 debug, 20 info, 30 warning, 40 error, 50 critical).
    pub level: i64,
}

/// Whom an operator should hear of what.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

struct Reader {
    prefect: Prefect,
    wanted: Wanted,
    /// The lines that may come again, with their times.
    seen: HashMap<String, Timestamp>,
    last: Option<Timestamp>,
}

impl Prefect {
    /// All lines of a run, the oldest first.
    #[must_use]
    pub fn logs(&self, wanted: Wanted) -> Pages {
        let reader = Reader::new(self, wanted);
        let pages = stream::unfold(Some((reader, None, 0)), |state| async move {
            let (mut reader, from, offset) = state?;
            match reader.page(from, offset).await {
                Ok(page) => {
                    let next = page.next.map(|(from, offset)| (reader, Some(from), offset));
                    Some((Ok(page.lines), next))
                }
                Err(error) => Some((Err(error), None)),
            }
        });
        pages.boxed()
    }

    /// The lines of a run as they come, until it has ended and its worker has handed in the last.
    #[must_use]
    pub fn follow_logs(&self, wanted: Wanted, poll: Duration, say: Say) -> Pages {
        let following = Following {
            reader: Reader::new(self, wanted),
            poll,
            say,
            silence: 0,
            failures: 0,
            begun: false,
        };
        let pages = stream::unfold(Some(following), |following| async move {
            let mut following = following?;
            match following.next().await {
                Ok(Some(lines)) => Some((Ok(lines), Some(following))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        pages.boxed()
    }
}

/// A page of lines that were not given yet, and where it goes on.
struct Page {
    lines: Vec<Value>,
    next: Option<(Timestamp, usize)>,
}

impl Reader {
    fn new(prefect: &Prefect, wanted: Wanted) -> Reader {
        Reader {
            prefect: prefect.clone(),
            wanted,
            seen: HashMap::new(),
            last: None,
        }
    }

    async fn page(&mut self, from: Option<Timestamp>, offset: usize) -> Result<Page> {
        let mut filter = json!({
            "flow_run_id": {"any_": [self.wanted.run]},
            "level": {"ge_": self.wanted.level},
        });
        if let Some(from) = from {
            filter["timestamp"] = json!({"after_": from.to_string()});
        }
        let body =
            json!({"logs": filter, "sort": "TIMESTAMP_ASC", "limit": PAGE, "offset": offset});
        let lines = self.prefect.some_logs(body).await?;
        let is_full = lines.len() == PAGE;
        let times = lines.iter().map(time).collect::<Result<Vec<_>>>()?;
        let next = match (times.first(), times.last()) {
            // Lines of one moment fill the page: it goes on within it.
            (Some(first), Some(last)) if is_full && first == last => Some((*last, offset + PAGE)),
            (_, Some(last)) if is_full => Some((*last, 0)),
            _ => None,
        };
        let mut fresh = Vec::new();
        for (line, time) in lines.into_iter().zip(times) {
            let id = line["id"].as_str().unwrap_or_default().to_owned();
            if self.seen.insert(id, time).is_none() {
                fresh.push(line);
            }
            self.last = self.last.max(Some(time));
        }
        self.forget(next.map(|(from, _)| from));
        Ok(Page { lines: fresh, next })
    }

    /// Forgets what will not be read again.
    fn forget(&mut self, next: Option<Timestamp>) {
        let again = self.again();
        let from = next.map_or(again, |next| again.map(|again| again.min(next)));
        if let Some(from) = from {
            self.seen.retain(|_, time| *time >= from);
        }
    }

    /// Where the next look begins.
    fn again(&self) -> Option<Timestamp> {
        self.last.map(|last| last.checked_sub(LATE).unwrap_or(last))
    }
}

struct Following {
    reader: Reader,
    poll: Duration,
    say: Say,
    silence: u32,
    failures: u32,
    begun: bool,
}

impl Following {
    /// The next lines; none once all is said.
    async fn next(&mut self) -> Result<Option<Vec<Value>>> {
        loop {
            if std::mem::replace(&mut self.begun, true) {
                tokio::time::sleep(self.poll).await;
            }
            let (has_ended, lines) = match self.look().await {
                Ok(seen) => seen,
                Err(error) if is_passing(&error) && self.failures < FAILURES => {
                    self.failures += 1;
                    (self.say)(&format!("{error}; it is asked again"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.failures = 0;
            self.silence = if has_ended && lines.is_empty() {
                self.silence + 1
            } else {
                0
            };
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
            if self.silence >= SILENCE {
                return Ok(None);
            }
        }
    }

    /// Whether the run had ended, and what it has logged since the last look.
    async fn look(&mut self) -> Result<(bool, Vec<Value>)> {
        let run = self
            .reader
            .prefect
            .flow_run(&self.reader.wanted.run)
            .await?;
        let has_ended = run["state_type"]
            .as_str()
            .is_some_and(|state| ENDS.contains(&state));
        let mut next = Some((self.reader.again(), 0));
        let mut lines = Vec::new();
        while let Some((from, offset)) = next {
            let page = self.reader.page(from, offset).await?;
            lines.extend(page.lines);
            next = page.next.map(|(from, offset)| (Some(from), offset));
        }
        Ok((has_ended, lines))
    }
}

fn time(line: &Value) -> Result<Timestamp> {
    let time = line["timestamp"]
        .as_str()
        .and_then(|time| time.parse().ok());
    time.ok_or_else(|| Error::new(Kind::Protocol, "prefect gave a log line without a time"))
}

fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::Timeout)
}
