//! Streams and lines as rows: written once each, read along time.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::logql::Query;
use super::range::Span;

/// A stream's labels.
pub(crate) type Labels = BTreeMap<String, String>;

/// A line that a query found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its stream.
    pub(crate) stream: i64,
    /// When, in nanoseconds since 1970.
    pub(crate) at: i64,
    /// The line.
    pub(crate) text: String,
}

/// Writes a line into the stream with these labels, which is made when it is new. Of equal lines one is kept.
pub(crate) fn insert(
    database: &Transaction<'_>,
    labels: &Labels,
    at: i64,
    text: &str,
) -> rusqlite::Result<()> {
    let key = serde_json::to_string(labels).unwrap_or_default();
    let known: Option<i64> = database
        .prepare_cached("SELECT id FROM stream WHERE labels = ?1")?
        .query_row([&key], |row| row.get(0))
        .optional()?;
    let stream = match known {
        Some(stream) => stream,
        None => database
            .prepare_cached("INSERT INTO stream (labels) VALUES (?1) RETURNING id")?
            .query_row([&key], |row| row.get(0))?,
    };
    database
        .prepare_cached(
            "INSERT INTO line (stream, at, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![stream, at, text])?;
    Ok(())
}

/// All streams with a line in this span, or all there are.
pub(crate) fn streams(
    database: &Connection,
    span: Option<Span>,
) -> rusqlite::Result<BTreeMap<i64, Labels>> {
    let mut statement = database.prepare_cached(
        "SELECT id, labels FROM stream WHERE ?1 IS NULL
         OR EXISTS (SELECT 1 FROM line WHERE stream = stream.id AND at >= ?1 AND at < ?2)",
    )?;
    let (start, end) = (span.map(|span| span.start), span.map(|span| span.end));
    let rows = statement.query_map(params![start, end], |row| {
        let labels: String = row.get(1)?;
        Ok((
            row.get(0)?,
            serde_json::from_str(&labels).unwrap_or_default(),
        ))
    })?;
    rows.collect()
}

/// The streams that a query selects.
pub(crate) fn selected(
    database: &Connection,
    query: &Query,
    span: Option<Span>,
) -> rusqlite::Result<BTreeMap<i64, Labels>> {
    let mut all = streams(database, span)?;
    all.retain(|_, labels| query.selects(labels));
    Ok(all)
}

/// Lines of these streams that pass the query's filters: at most so many, the oldest or the newest first.
pub(crate) fn read(
    database: &Connection,
    query: &Query,
    streams: &BTreeMap<i64, Labels>,
    span: Span,
    forward: bool,
    limit: usize,
) -> rusqlite::Result<Vec<Found>> {
    let way = if forward { "ASC" } else { "DESC" };
    let mut statement = database.prepare_cached(&format!(
        "SELECT stream, at, text FROM line INDEXED BY line_at
         WHERE at >= ?1 AND at < ?2 AND stream IN (SELECT value FROM json_each(?3))
         ORDER BY at {way}, seq {way}"
    ))?;
    let wanted: Vec<i64> = streams.keys().copied().collect();
    let wanted = serde_json::to_string(&wanted).unwrap_or_default();
    let mut rows = statement.query(params![span.start, span.end, wanted])?;
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(row) = rows.next()? else { break };
        let line = Found {
            stream: row.get(0)?,
            at: row.get(1)?,
            text: row.get(2)?,
        };
        if query.passes(&line.text) {
            found.push(line);
        }
    }
    Ok(found)
}

/// A line as it arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Its stream's labels.
    pub(crate) labels: Labels,
    /// When, in nanoseconds since 1970.
    pub(crate) at: i64,
    /// The line.
    pub(crate) text: String,
}

/// The number of the line that arrived last; 0 where there is none.
pub(crate) fn last(database: &Connection) -> rusqlite::Result<i64> {
    let mut statement = database.prepare_cached("SELECT coalesce(max(seq), 0) FROM line")?;
    statement.query_row([], |row| row.get(0))
}

/// The lines of a query that arrived after this one, as they did.
pub(crate) fn arrived(
    database: &Connection,
    query: &Query,
    after: i64,
) -> rusqlite::Result<Vec<Arrived>> {
    let mut statement =
        database.prepare_cached("SELECT stream, at, text FROM line WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = statement.query([after])?;
    let (mut streams, mut arrived) = (None, Vec::new());
    while let Some(row) = rows.next()? {
        // Most ticks bring nothing.
        if streams.is_none() {
            streams = Some(selected(database, query, None)?);
        }
        let stream: i64 = row.get(0)?;
        let Some(labels) = streams.as_ref().and_then(|streams| streams.get(&stream)) else {
            continue;
        };
        let text: String = row.get(2)?;
        if query.passes(&text) {
            arrived.push(Arrived {
                labels: labels.clone(),
                at: row.get(1)?,
                text,
            });
        }
    }
    Ok(arrived)
}
