//! Loki's HTTP API (3.x): whether it is ready, what streams there are, lines of a span of time, pushing one. A span longer
//! than an answer is `loki_lines`, the tail `loki_bell`, and both together `loki_follow`. Errors of Loki are plain text,
//! which the sender quotes as it is; where one names a column of the query, the query is shown with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::http::{Request, Sender, path};
use super::loki_error;
use crate::effects::Permit;
use crate::error::{Error, Result};

/// An answer of a Loki as it is delivered holds at most so many lines (`max_entries_limit_per_query`).
const MOST: usize = 5000;
/// An answer is held in memory: one that is larger is asked for in smaller parts.
const LARGEST: usize = 64 << 20;

/// A stream's labels.
pub type Labels = BTreeMap<String, String>;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, in nanoseconds since 1970.
    pub at: i64,
    /// The labels of its stream, with those that Loki reads out of the line (`detected_level`).
    pub labels: Arc<Labels>,
    /// The line.
    pub text: String,
}

impl Line {
    /// It as a script sees it: `ts` (RFC 3339, to the nanosecond, UTC), `labels`, `line`.
    #[must_use]
    pub fn value(&self) -> Value {
        json!({"ts": time(self.at), "labels": *self.labels, "line": self.text})
    }
}

/// A time in nanoseconds since 1970 as RFC 3339 in UTC, with all nine digits: as text, times are in order.
#[must_use]
pub fn time(at: i64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(at)).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}

/// A time as Loki counts: nanoseconds since 1970. There is no log before, and none after what they can count.
#[must_use]
pub fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond().max(0)).unwrap_or(i64::MAX)
}

/// A span of time in nanoseconds since 1970; the start belongs to it, the end does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first nanosecond.
    pub start: i64,
    /// The first nanosecond after it.
    pub end: i64,
}

/// Which lines of a span come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The oldest.
    Forward,
    /// The newest.
    Backward,
}

/// An answer to a log query: its lines in the order that was asked for, and what the server's clock said.
#[derive(Debug)]
pub struct Lines {
    /// The lines.
    pub lines: Vec<Line>,
    /// How many were asked for in the end: where there are as many, there may be more.
    pub limit: usize,
    /// The server's clock.
    pub clock: Option<SystemTime>,
}

/// The client of Loki.
#[derive(Clone)]
pub struct Loki {
    sender: Sender,
    /// The most lines that this server gives at once.
    most: Arc<AtomicUsize>,
    /// The most that are asked for at once: fewer where lines are long.
    now: Arc<AtomicUsize>,
}

impl Loki {
    /// A client that sends through `sender`.
    #[must_use]
    pub fn new(sender: Sender) -> Loki {
        Loki {
            sender,
            most: Arc::new(AtomicUsize::new(MOST)),
            now: Arc::new(AtomicUsize::new(MOST)),
        }
    }

    /// The same client, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Loki {
        Loki {
            sender: self.sender.within(bound),
            most: Arc::clone(&self.most),
            now: Arc::clone(&self.now),
        }
    }

    /// What it sends through.
    #[must_use]
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Asks whether it takes queries. A Loki that starts up answers 503 with the reason.
    pub async fn ready(&self) -> Result<()> {
        let answer = self.sender.send(Request::get("/ready")).await?;
        if answer.body.trim_ascii() == b"ready" {
            Ok(())
        } else {
            Err(answer.fault("something else than 'ready'"))
        }
    }

    /// The most lines that this server gives at once, as far as it has told.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// At most so many lines of a span, in this direction. More than the server gives at once is cut to that.
    pub async fn lines(
        &self,
        query: &str,
        span: Span,
        limit: usize,
        direction: Direction,
    ) -> Result<Lines> {
        loop {
            let limit = limit.min(self.most()).min(self.now.load(Ordering::Relaxed));
            let request = range(query, span, limit, direction).at_most(LARGEST);
            let failed = match self.sender.send(request).await {
                Ok(answer) => {
                    self.grow(limit, answer.body.len());
                    return lines_of(&answer, span, limit, direction);
                }
                Err(error) => error,
            };
            // A server of less patience says how much it gives; one that says no less than that has another reason.
            let told = loki_error::most_lines(&failed);
            if let Some(most) = told.filter(|most| (1..limit).contains(most)) {
                self.most.store(most, Ordering::Relaxed);
            } else if loki_error::is_too_large(&failed) && limit > 1 {
                self.now.store(limit / 2, Ordering::Relaxed);
            } else {
                return Err(loki_error::explained(failed, query));
            }
        }
    }

    /// After an answer that was far from too large, more is asked for again.
    fn grow(&self, limit: usize, bytes: usize) {
        if bytes < LARGEST / 8 && limit < MOST {
            let more = |now: usize| (now == limit).then_some((now * 2).min(MOST));
            let _ = self
                .now
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }

    /// The names of the labels of streams that have lines in a span, and fit a selector, if there is one.
    pub async fn labels(&self, selector: Option<&str>, span: Span) -> Result<Vec<Value>> {
        self.listed("/loki/api/v1/labels".to_owned(), selector, span)
            .await
    }

    /// The values that a label has there.
    pub async fn label_values(
        &self,
        name: &str,
        selector: Option<&str>,
        span: Span,
    ) -> Result<Vec<Value>> {
        let at = path(&["loki", "api", "v1", "label", name, "values"])?;
        self.listed(at, selector, span).await
    }

    /// The label sets of the streams that fit a selector and have lines in a span.
    pub async fn series(&self, selector: &str, span: Span) -> Result<Vec<Value>> {
        let request = spanned(Request::get("/loki/api/v1/series"), span).query("match[]", selector);
        self.list(request, selector).await
    }

    /// What Loki's index knows of the streams that fit a selector: `streams`, `chunks`, `entries`, `bytes`.
    pub async fn stats(&self, selector: &str, span: Span) -> Result<Value> {
        let request =
            spanned(Request::get("/loki/api/v1/index/stats"), span).query("query", selector);
        let answer = self.sender.send(request).await;
        let answer = answer.map_err(|error| loki_error::explained(error, selector))?;
        let stats = answer.json()?;
        if ["streams", "chunks", "entries", "bytes"]
            .iter()
            .all(|name| stats[name].is_u64())
        {
            Ok(stats)
        } else {
            Err(answer.fault("something else than the counts of an index"))
        }
    }

    /// Pushes one line to the stream of these labels.
    pub async fn push(
        &self,
        permit: Permit,
        labels: Value,
        at: Timestamp,
        line: &str,
    ) -> Result<()> {
        let stream = json!({"stream": labels, "values": [[at.as_nanosecond().to_string(), line]]});
        let body = json!({"streams": [stream]});
        self.sender
            .send(Request::post(permit, "/loki/api/v1/push", body))
            .await
            .map(drop)
    }

    async fn listed(&self, at: String, selector: Option<&str>, span: Span) -> Result<Vec<Value>> {
        let request = spanned(Request::get(at), span);
        match selector {
            Some(selector) => self.list(request.query("query", selector), selector).await,
            None => self.list(request, "").await,
        }
    }

    /// A list, which Loki leaves out of its answer where it is empty.
    async fn list(&self, request: Request, query: &str) -> Result<Vec<Value>> {
        let answer = self.sender.send(request).await;
        let answer = answer.map_err(|error| loki_error::explained(error, query))?;
        let mut body = succeeded(&answer)?;
        match body["data"].take() {
            Value::Array(list) => Ok(list),
            Value::Null => Ok(Vec::new()),
            _ => Err(answer.fault("something else than a list")),
        }
    }
}

/// `GET /loki/api/v1/query_range`
fn range(query: &str, span: Span, limit: usize, direction: Direction) -> Request {
    let direction = match direction {
        Direction::Forward => "forward",
        Direction::Backward => "backward",
    };
    spanned(Request::get("/loki/api/v1/query_range"), span)
        .query("query", query)
        .query("limit", limit)
        .query("direction", direction)
}

fn spanned(request: Request, span: Span) -> Request {
    request.query("start", span.start).query("end", span.end)
}

/// The body of an answer that says it is a success.
fn succeeded(answer: &Answer) -> Result<Value> {
    let body = answer.json()?;
    if body["status"] == "success" {
        Ok(body)
    } else {
        Err(no_success(answer))
    }
}

fn no_success(answer: &Answer) -> Error {
    let said = super::answer::own_words(&answer.body).unwrap_or_default();
    answer.fault("no success").cause(said)
}

/// What is wrong with an answer that holds no lines.
const NO_STREAMS: &str = "an answer that is no list of streams";

/// What `query_range` answers.
#[derive(Deserialize)]
struct Ranged {
    status: String,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

#[derive(Deserialize)]
struct Streamed {
    stream: Labels,
    values: Vec<(String, String)>,
}

/// The lines of an answer, in one order over all streams. What cannot be of this span, or is more than was asked for, is
/// no answer to build on.
fn lines_of(answer: &Answer, span: Span, limit: usize, direction: Direction) -> Result<Lines> {
    let odd = |_| {
        answer
            .json()
            .err()
            .unwrap_or_else(|| answer.fault(NO_STREAMS))
    };
    let ranged: Ranged = serde_json::from_slice(&answer.body).map_err(odd)?;
    let Some(data) = ranged.data.filter(|_| ranged.status == "success") else {
        return Err(no_success(answer));
    };
    if data.kind != "streams" {
        return Err(no_log_query(answer, &data.kind));
    }
    let streams: Vec<Streamed> =
        serde_json::from_value(data.result).map_err(|_| answer.fault(NO_STREAMS))?;
    let mut lines = Vec::new();
    for Streamed { stream, values } in streams {
        let labels = Arc::new(stream);
        for (at, text) in values {
            let at = at
                .parse()
                .map_err(|_| answer.fault("a line without a time"))?;
            if !(span.start..span.end).contains(&at) {
                return Err(answer.fault("a line of another time than was asked for"));
            }
            lines.push(Line {
                at,
                labels: Arc::clone(&labels),
                text,
            });
        }
    }
    if lines.len() > limit {
        return Err(answer.fault(&format!("more than the {limit} lines that were asked for")));
    }
    // Within a stream the server's order stays.
    match direction {
        Direction::Forward => lines.sort_by(|a, b| (a.at, &a.labels).cmp(&(b.at, &b.labels))),
        Direction::Backward => lines.sort_by(|a, b| (b.at, &b.labels).cmp(&(a.at, &a.labels))),
    }
    Ok(Lines {
        lines,
        limit,
        clock: answer.date(),
    })
}

fn no_log_query(answer: &Answer, kind: &str) -> Error {
    Error::new(
        crate::error::Kind::Invalid,
        format!("the query gives no lines but a {kind}: it is a metric query"),
    )
    .request(answer.service, answer.method.as_str(), answer.url.as_str())
    .hint("ask for lines, as in {namespace=\"dashi-web\"} |= \"error\"")
}
