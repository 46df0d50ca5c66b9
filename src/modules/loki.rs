//! `loki::` — the logs: lines of a span of time, lines as they come, what streams there are, a line of one's own.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rhai::{ImmutableString, Map};
use serde_json::Value;

use crate::clients::Pages;
use crate::clients::loki::{Line, Span, nanoseconds};
use crate::clients::loki_follow::{Following, Say, follow};
use crate::clients::loki_lines::Reading;
use crate::effects::Change;
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::to_json;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::time;

/// Without a beginning, lines of the last hour are looked at.
const REACH: SignedDuration = SignedDuration::from_hours(1);
/// Without an end, so much of what is to come belongs to it.
const AHEAD: SignedDuration = SignedDuration::from_mins(30);
/// Lines that come later than this after others are not followed.
const LATE: Duration = Duration::from_mins(10);
/// Without a ring of the tail it is looked so often.
const POLL: Duration = Duration::from_secs(1);
/// A shorter time between two looks would be a burden on Loki.
const SHORTEST: Duration = Duration::from_millis(50);

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "loki", "Loki: the logs of the lake.");
    reading(&mut namespace);
    looking_up(&mut namespace);
    writing(&mut namespace);
    namespace
}

fn reading(ns: &mut Namespace) {
    native! { ns,
        /// Throws unless Loki is ready to take queries; while it starts up, the error says what it waits for.
        ///
        /// ```rhai
        /// loki::ready(#{timeout: "5s"})
        /// //=> true
        /// ```
        read fn ready(call) -> "bool"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                call.wait(call.session().loki()?.within(options.duration("timeout")?).ready())?;
                true
            }

        /// The lines of a log query in a span of time, the oldest first: `ts` (RFC 3339 to the nanosecond, UTC), `labels`,
        /// `line`. However many there are: they are read as they are wanted, 5,000 at a time. With `limit`, the newest so
        /// many of the span.
        ///
        /// ```rhai
        /// let lines = loki::query("{namespace=\"dashi-ops\"} |= \"dump\"", #{from: "7d", limit: 2}).collect();
        /// [lines.len(), lines[0].labels.app, lines[0].ts < lines[1].ts]
        /// //=> [2, "backup", true]
        /// ```
        read fn query(call, query: ImmutableString) -> "Stream"
            options as options {
                /// The first moment.
                from: Time = "1h",
                /// The first moment after it.
                to: Time = "now",
                /// Only the newest so many.
                limit: Int,
                /// A bound on each request, retries included.
                timeout: Duration = "as configured"
            }
            {
                let (mut reading, span) = (reading_of(call, &query)?, span(call, &options)?);
                reading.loki = reading.loki.within(options.duration("timeout")?);
                match options.count("limit")? {
                    Some(limit) => call.stream("log lines", newest(reading, span, limit)),
                    None => call.stream("log lines", all(reading, span)),
                }
            }

        /// The lines of a log query as they come, without an end: `ts`, `labels`, `line`, and `late: true` on one that is
        /// older than another of its stream that came before it. Each line comes once, however fast they are written.
        ///
        /// ```rhai
        /// for entry in loki::tail("{namespace=\"dashi-ops\"}", #{history: 1, from: "7d"}) {
        ///     print(entry.labels.namespace);
        ///     break;
        /// }
        /// ```
        read fn tail(call, query: ImmutableString) -> "Stream"
            options as options {
                /// So many lines that are there already come first; -1: all of them.
                history: Int = "0",
                /// None that is older.
                from: Time = "1h",
                /// One that comes by so much later than a newer one is not looked for.
                late: Duration = "10m",
                /// The time between two looks, where Loki's tail does not say that there is something new.
                poll: Duration = "1s"
            }
            {
                let following = Following {
                    reading: reading_of(call, &query)?,
                    limit: history(&options)?,
                    from: span(call, &options)?.start,
                    late: options.duration("late")?.unwrap_or(LATE),
                    poll: poll(&options)?,
                };
                let session = call.session().clone();
                let say: Say = Arc::new(move |text| session.warn(text));
                call.stream("log lines", follow(following, say))
            }
    }
}

fn looking_up(ns: &mut Namespace) {
    native! { ns,
        /// The names of the labels that streams have.
        ///
        /// ```rhai
        /// loki::labels(#{from: "7d"}).contains("namespace")
        /// //=> true
        /// ```
        read fn labels(call) -> "array"
            options as options {
                /// Only of streams that this selects, as in `{namespace="dashi-web"}`.
                query: Text,
                /// Only of streams with lines from then on.
                from: Time = "1h",
                /// And before this.
                to: Time = "now",
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                let (query, span) = (options.text("query"), span(call, &options)?);
                let loki = call.session().loki()?.within(options.duration("timeout")?);
                call.wait(loki.labels(query.as_deref(), span))?
            }

        /// The values that a label has.
        ///
        /// ```rhai
        /// loki::label_values("namespace", #{from: "7d"})
        /// //=> ["dashi-data", "dashi-ops", "dashi-web"]
        /// ```
        read fn label_values(call, name: ImmutableString) -> "array"
            options as options {
                /// Only of streams that this selects.
                query: Text,
                /// Only of streams with lines from then on.
                from: Time = "1h",
                /// And before this.
                to: Time = "now"
            }
            {
                let (query, span) = (options.text("query"), span(call, &options)?);
                call.wait(call.session().loki()?.label_values(&name, query.as_deref(), span))?
            }

        /// The label sets of the streams that a selector selects.
        ///
        /// ```rhai
        /// loki::series("{namespace=\"dashi-web\"}", #{from: "7d"})[0].app
        /// //=> "ingest-api"
        /// ```
        read fn series(call, selector: ImmutableString) -> "array"
            options as options {
                /// Only streams with lines from then on.
                from: Time = "1h",
                /// And before this.
                to: Time = "now"
            }
            { call.wait(call.session().loki()?.series(&selector, span(call, &options)?))? }

        /// What Loki's index knows of the streams that a selector selects: `streams`, `chunks`, `entries`, `bytes`. Lines
        /// of the last minutes may not be in it yet.
        ///
        /// ```rhai
        /// loki::stats("{namespace=\"dashi-ops\"}", #{from: "7d"}).entries > 0
        /// //=> true
        /// ```
        read fn stats(call, selector: ImmutableString) -> "map"
            options as options {
                /// Only lines from then on.
                from: Time = "1h",
                /// And before this.
                to: Time = "now"
            }
            { call.wait(call.session().loki()?.stats(&selector, span(call, &options)?))? }
    }
}

fn writing(ns: &mut Namespace) {
    native! { ns,
        /// Pushes a line to the stream of these labels. What Loki has taken stays.
        ///
        /// ```rhai
        /// loki::push(#{job: "runbook", namespace: "dashi-ops"}, "level=info msg=\"swept\"");
        /// loki::query("{job=\"runbook\"}").collect()[0].line
        /// //=> "level=info msg=\"swept\""
        /// ```
        write fn push(call, labels: Map, line: ImmutableString) -> "map"
            options as options {
                /// The time of the line.
                at: Time = "when the run began",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let labels = to_json(&labels.into())?;
                refuse_labels(&labels)?;
                let at = call.moment(&options, "at")?.unwrap_or_else(|| began(call));
                let at = nanoseconds(at);
                call.change(Change::PushLine { labels, at, line: line.to_string() }, &options)?
            }
    }
}

/// How many lines come first; none for all.
fn history(options: &Options) -> Result<Option<usize>> {
    match options.int("history").unwrap_or(0) {
        -1 => Ok(None),
        count => usize::try_from(count).map(Some).map_err(|_| {
            Error::usage(format!("{count} lines cannot come first")).hint("-1 is all of them")
        }),
    }
}

fn poll(options: &Options) -> Result<Duration> {
    let poll = options.duration("poll")?.unwrap_or(POLL);
    if poll >= SHORTEST {
        return Ok(poll);
    }
    let message = format!(
        "{} is too short a time between two looks",
        time::spell(poll)
    );
    Err(Error::usage(message).hint("it is 50ms at least"))
}

/// The same in both passes of a run that plans first.
fn began(call: &Call) -> Timestamp {
    call.session().gate().order().began
}

/// A stream has labels, each a text.
fn refuse_labels(labels: &Value) -> Result<()> {
    let fields = labels.as_object().filter(|fields| !fields.is_empty());
    if fields.is_some_and(|fields| fields.values().all(Value::is_string)) {
        return Ok(());
    }
    Err(Error::usage(format!("{labels} are no labels of a stream"))
        .hint("a stream has one label at least, and each is a text: #{job: \"runbook\"}"))
}

fn reading_of(call: &Call, query: &str) -> Result<Reading> {
    Ok(Reading {
        loki: call.session().loki()?.clone(),
        query: query.to_owned(),
    })
}

/// The span that the options `from` and `to` name.
fn span(call: &Call, options: &Options) -> Result<Span> {
    let now = call.session().now();
    // Clocks differ, and Loki takes lines of the next minutes.
    let to = call.moment_at(options, "to", now)?.unwrap_or(now + AHEAD);
    let from = call.moment_at(options, "from", now)?.unwrap_or(now - REACH);
    if from >= to {
        return Err(
            Error::usage(format!("there is no time from {from} to {to}")).hint(
                "'from' (--from, --since) is the first moment, 'to' the first one after the span",
            ),
        );
    }
    Ok(Span {
        start: nanoseconds(from),
        end: nanoseconds(to),
    })
}

fn newest(reading: Reading, span: Span, limit: usize) -> Pages {
    let lines = async move { reading.last(span, limit).await.map(values) };
    Box::pin(futures::stream::once(lines))
}

fn all(reading: Reading, span: Span) -> Pages {
    use futures::StreamExt;
    reading.forward(span).map(|page| page.map(values)).boxed()
}

fn values(lines: Vec<Line>) -> Vec<Value> {
    lines.iter().map(Line::value).collect()
}
