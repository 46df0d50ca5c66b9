//! What a flow run logs: read to its end, or followed until the run has ended. Prefect's own websocket for logs stays
//! silent on a server as it is delivered, so the API is asked again and again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Pages;
use super::away::Away;
use super::prefect::{ENDS, PAGE, Prefect};
use crate::error::{Error, Kind, Result};

/// Lines of several processes come in no strict order: those of so long before the last are looked at each time.
const LATE: SignedDuration = SignedDuration::from_secs(10);
/// All are looked at again with every so many looks, and at the end.
const WHOLE: u32 = 20;
/// A worker hands in its last lines after its run has ended: it has no more when it was silent for so many looks.
const SILENCE: u32 = 3;

/// Which lines.
#[derive(Clone)]
pub struct Wanted {
    /// Of which flow run.
    pub run: String,
    /// Of this level at least (10 debug, 20 info, 30 warning, 40 error, 50 critical).
    pub level: i64,
}

/// Whom an operator should hear of what: how the run goes, and what is amiss.
#[derive(Clone)]
pub struct Say {
    /// How the run goes.
    pub note: Arc<dyn Fn(&str) + Send + Sync>,
    /// What is amiss.
    pub warn: Arc<dyn Fn(&str) + Send + Sync>,
}

struct Reader {
    prefect: Prefect,
    wanted: Wanted,
    /// The lines that may come again, with their times.
    seen: HashMap<u128, Timestamp>,
    last: Option<Timestamp>,
    /// Whether all may come again.
    is_followed: bool,
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
            reader: Reader {
                is_followed: true,
                ..Reader::new(self, wanted)
            },
            poll,
            say,
            silence: 0,
            looks: 0,
            state: String::new(),
            away: Away::default(),
            lines: Vec::new(),
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
            is_followed: false,
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
            if self.seen.insert(known_as(&line), time).is_none() {
                fresh.push(line);
            }
            self.last = self.last.max(Some(time));
        }
        if let Some((from, _)) = next.filter(|_| !self.is_followed) {
            self.seen.retain(|_, time| *time >= from);
        }
        Ok(Page { lines: fresh, next })
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
    looks: u32,
    state: String,
    away: Away,
    /// What was read and not given yet: a look that fails after its first pages has read them all the same.
    lines: Vec<Value>,
}

impl Following {
    /// The next lines; none once all is said.
    async fn next(&mut self) -> Result<Option<Vec<Value>>> {
        loop {
            if self.looks > 0 {
                tokio::time::sleep(self.poll).await;
            }
            self.looks += 1;
            let has_ended = match self.look().await {
                Ok(has_ended) => {
                    self.away.back();
                    has_ended
                }
                Err(error) if self.lines.is_empty() => {
                    if let Some(told) = self.away.bear(error)? {
                        (self.say.warn)(&told);
                    }
                    false
                }
                // What failed once fails again.
                Err(_) => false,
            };
            if !self.lines.is_empty() {
                self.silence = 0;
                return Ok(Some(std::mem::take(&mut self.lines)));
            }
            self.silence = if has_ended { self.silence + 1 } else { 0 };
            if self.silence >= SILENCE {
                return Ok(None);
            }
        }
    }

    /// Reads what the run has logged since the last look; whether it had ended by then.
    async fn look(&mut self) -> Result<bool> {
        let run = self
            .reader
            .prefect
            .flow_run(&self.reader.wanted.run)
            .await
            .map_err(gone)?;
        self.tell(&run);
        let has_ended = run["state_type"]
            .as_str()
            .is_some_and(|state| ENDS.contains(&state));
        let is_whole = self.looks.is_multiple_of(WHOLE) || self.silence + 1 == SILENCE;
        let again = self.reader.again().filter(|_| !is_whole);
        let mut next = Some((again, 0));
        while let Some((from, offset)) = next {
            let page = self.reader.page(from, offset).await?;
            self.lines.extend(page.lines);
            next = page.next.map(|(from, offset)| (Some(from), offset));
        }
        Ok(has_ended)
    }

    fn tell(&mut self, run: &Value) {
        let text = |name: &str| run[name].as_str().unwrap_or_default();
        if self.state != text("state_name") {
            text("state_name").clone_into(&mut self.state);
            (self.say.note)(&format!("flow run {}: {}", text("name"), self.state));
        }
    }
}

/// A line by its id, which is a UUID.
fn known_as(line: &Value) -> u128 {
    let id = line["id"].as_str().unwrap_or_default();
    match id.parse::<uuid::Uuid>() {
        Ok(id) => id.as_u128(),
        Err(_) => u128::from(xxhash_rust::xxh3::xxh3_64(id.as_bytes())),
    }
}

/// A run that somebody has removed meanwhile.
fn gone(mut error: Error) -> Error {
    if error.kind() == Kind::NotFound {
        error.detail_mut().message = "the flow run is gone from Prefect".into();
    }
    error
}

fn time(line: &Value) -> Result<Timestamp> {
    let time = line["timestamp"]
        .as_str()
        .and_then(|time| time.parse().ok());
    time.ok_or_else(|| Error::new(Kind::Protocol, "prefect gave a log line without a time"))
}
