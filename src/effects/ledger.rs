//! The steps of one run, in order, on disk: what is planned, what is done, what was left alone and why. In the plan pass
//! it becomes the plan; in the second pass it is the guard; when a run is resumed it tells what is left.
//!
//! SQLite's private temporary database: it spills to a file that nobody else sees and that is gone with the process, so
//! that a plan of a million deletes costs no memory.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::Fingerprint;
use super::{Change, Effect, Facts};
use crate::error::{Error, Kind, Result};

const TABLES: &str = "
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;
CREATE TABLE effect (
    number INTEGER PRIMARY KEY, part INTEGER NOT NULL, step INTEGER NOT NULL, known BLOB NOT NULL,
    function TEXT NOT NULL, effect TEXT NOT NULL, target TEXT NOT NULL, place TEXT NOT NULL, bytes INTEGER,
    detail TEXT NOT NULL, state TEXT NOT NULL, why TEXT, value TEXT, asked INTEGER NOT NULL
);
CREATE INDEX effect_known ON effect (known, number);
CREATE INDEX effect_target ON effect (target);";

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Planned.
    Open,
    /// Begun; whether it was done is not known.
    Begun,
    /// Done.
    Done,
    /// Nothing was left to do: the target was gone already.
    Gone,
    /// Left alone: it was not as planned.
    Left,
    /// Held back: what must come before it was not wholly done. When that is, it can be done.
    Held,
    /// Tried in vain.
    Failed,
}

impl State {
    /// Its name in plans, journals and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Begun => "begun",
            State::Done => "done",
            State::Gone => "gone",
            State::Left => "left",
            State::Held => "held",
            State::Failed => "failed",
        }
    }

    fn from_name(name: &str) -> State {
        [
            State::Begun,
            State::Done,
            State::Gone,
            State::Left,
            State::Held,
            State::Failed,
        ]
        .into_iter()
        .find(|state| state.name() == name)
        .unwrap_or(State::Open)
    }

    /// Whether it has come as far as it comes in this run.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, State::Open | State::Begun)
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, State::Done | State::Gone)
    }
}

/// One step on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its number in the run, from 1.
    pub number: i64,
    /// The call of the script that asked for it, from 1. A call with many targets is one step.
    pub step: usize,
    /// The function that was called.
    pub function: String,
    /// What it does to the world.
    pub effect: Effect,
    /// What it is done to.
    pub target: String,
    /// The change.
    pub change: Change,
    /// What the target was seen to be when it was planned.
    pub facts: Facts,
    /// The steps that must be wholly done before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<usize>,
    /// How far it has come.
    #[serde(skip, default = "open")]
    pub state: State,
    /// Why it was left alone or failed.
    #[serde(skip)]
    pub why: Option<String>,
    /// What it gave back.
    #[serde(skip)]
    pub value: Value,
}

fn open() -> State {
    State::Open
}

impl Row {
    /// The bytes at stake: what is written, or what the target holds.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.change.writes().or(self.facts.size())
    }

    /// Where its target is: a bucket, the catalogue, or this machine.
    #[must_use]
    pub fn place(&self) -> String {
        match self.change.object() {
            Some(at) => at.bucket.clone(),
            None if self.change.is_record() => super::lock::CATALOGUE.to_owned(),
            None => String::new(),
        }
    }
}

/// The steps of one call, added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// The call of the script.
    pub step: usize,
    /// The function.
    pub function: String,
    /// What it does to the world.
    pub effect: String,
    /// How many targets.
    pub targets: u64,
    /// How many bytes they hold, or are written.
    pub bytes: u64,
    /// The first target.
    pub first: String,
    /// The last target.
    pub last: String,
    /// How many are settled, left and failed.
    pub done: u64,
    /// How many were left alone.
    pub left: u64,
    /// How many failed.
    pub failed: u64,
}

/// The steps of a run.
pub struct Ledger {
    database: Connection,
    part: i64,
    pass: i64,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Result<Ledger> {
        let database = Connection::open("").map_err(broken)?;
        database.execute_batch(TABLES).map_err(broken)?;
        Ok(Ledger {
            database,
            part: 1,
            pass: 0,
        })
    }

    /// Begins a pass of the script: every step can be asked for once more.
    pub fn begin_pass(&mut self) {
        self.pass += 1;
    }

    /// Begins the next part of a plan whose rest depended on results.
    pub fn begin_part(&mut self) {
        self.part += 1;
    }

    /// Adds a step; gives its number.
    pub fn add(&mut self, known: &Fingerprint, row: &Row) -> Result<i64> {
        let detail = serde_json::to_string(row).map_err(|error| unreadable(&error))?;
        let add = "INSERT INTO effect (number, part, step, known, function, effect, target, place, bytes, detail, state, why, value, asked)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
        let number = (row.number > 0).then_some(row.number);
        let value = (!row.value.is_null()).then(|| row.value.to_string());
        self.database
            .prepare_cached(add)
            .and_then(|mut add| {
                add.insert(params![
                    number,
                    self.part,
                    row.step,
                    known.as_slice(),
                    row.function,
                    row.effect.name(),
                    row.target,
                    row.place(),
                    row.bytes().and_then(|bytes| i64::try_from(bytes).ok()),
                    detail,
                    row.state.name(),
                    row.why,
                    value,
                    self.pass
                ])
            })
            .map_err(broken)
    }

    /// Adds a step that was settled before the part that is being planned, so that it answers and is not planned again.
    pub fn add_earlier(&mut self, known: &Fingerprint, row: &Row) -> Result<()> {
        let part = std::mem::replace(&mut self.part, 0);
        let added = self.add(known, row);
        self.part = part;
        added.map(drop)
    }

    /// The next step of this fingerprint that this pass has not asked for; it counts as asked for now.
    pub fn ask(&mut self, known: &Fingerprint) -> Result<Option<Row>> {
        let find = "SELECT number, detail, state, why, value FROM effect WHERE known = ?1 AND asked < ?2 ORDER BY number LIMIT 1";
        let found = self
            .database
            .prepare_cached(find)
            .and_then(|mut find| {
                find.query_row(params![known.as_slice(), self.pass], columns)
                    .optional()
            })
            .map_err(broken)?;
        let Some(row) = found.map(Columns::row).transpose()? else {
            return Ok(None);
        };
        self.database
            .prepare_cached("UPDATE effect SET asked = ?2 WHERE number = ?1")
            .and_then(|mut update| update.execute(params![row.number, self.pass]))
            .map_err(broken)?;
        Ok(Some(row))
    }

    /// Notes how far a step has come.
    pub fn note(
        &mut self,
        number: i64,
        state: State,
        why: Option<&str>,
        value: &Value,
    ) -> Result<()> {
        let value = (!value.is_null()).then(|| value.to_string());
        self.database
            .prepare_cached("UPDATE effect SET state = ?2, why = ?3, value = ?4 WHERE number = ?1")
            .and_then(|mut update| update.execute(params![number, state.name(), why, value]))
            .map(drop)
            .map_err(broken)
    }

    /// The steps in order: of the part that is being planned, or all.
    pub fn rows(&self, all: bool, mut each: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let part = if all { 0 } else { self.part };
        let mut find = self
            .database
            .prepare_cached("SELECT number, detail, state, why, value FROM effect WHERE part >= ?1 ORDER BY number")
            .map_err(broken)?;
        let rows = find.query_map(params![part], columns).map_err(broken)?;
        for row in rows {
            each(row.map_err(broken)?.row()?)?;
        }
        Ok(())
    }

    /// The next steps in order after `number` that are not settled, so many at most.
    pub fn unsettled_after(&self, number: i64, most: usize) -> Result<Vec<Row>> {
        let find = "SELECT number, detail, state, why, value FROM effect
                    WHERE number > ?1 AND state NOT IN ('done', 'gone', 'left') ORDER BY number LIMIT ?2";
        let mut find = self.database.prepare_cached(find).map_err(broken)?;
        let rows = find
            .query_map(params![number, most], columns)
            .map_err(broken)?;
        rows.map(|row| row.map_err(broken)?.row()).collect()
    }

    /// The steps of each call, added up, in order: of the part that is being planned, or of all.
    pub fn totals(&self, all: bool) -> Result<Vec<Totals>> {
        let part = if all { 0 } else { self.part };
        let sum = "SELECT step, function, effect, count(*), coalesce(sum(bytes), 0), min(number), max(number),
                          sum(state IN ('done', 'gone')), sum(state IN ('left', 'held')), sum(state = 'failed')
                   FROM effect WHERE part >= ?1 GROUP BY step, function, place ORDER BY min(number)";
        let mut sum = self.database.prepare_cached(sum).map_err(broken)?;
        let rows = sum
            .query_map(params![part], |row| {
                Ok((
                    Totals {
                        step: row.get(0)?,
                        function: row.get(1)?,
                        effect: row.get(2)?,
                        targets: row.get(3)?,
                        bytes: row.get(4)?,
                        first: String::new(),
                        last: String::new(),
                        done: row.get(7)?,
                        left: row.get(8)?,
                        failed: row.get(9)?,
                    },
                    row.get::<_, i64>(5)?,
                    row.get::<_, i64>(6)?,
                ))
            })
            .map_err(broken)?;
        let mut totals = Vec::new();
        for row in rows {
            let (total, first, last) = row.map_err(broken)?;
            totals.push(Totals {
                first: self.target(first)?,
                last: self.target(last)?,
                ..total
            });
        }
        Ok(totals)
    }

    fn target(&self, number: i64) -> Result<String> {
        self.database
            .prepare_cached("SELECT target FROM effect WHERE number = ?1")
            .and_then(|mut find| find.query_row(params![number], |row| row.get(0)))
            .map_err(broken)
    }

    /// How many steps there are in a state, in the part that is being planned or in all.
    pub fn count(&self, all: bool, state: Option<State>) -> Result<u64> {
        let part = if all { 0 } else { self.part };
        self.database
            .prepare_cached(
                "SELECT count(*) FROM effect WHERE part >= ?1 AND (?2 IS NULL OR state = ?2)",
            )
            .and_then(|mut count| {
                count.query_row(params![part, state.map(State::name)], |row| row.get(0))
            })
            .map_err(broken)
    }

    /// How many steps that are still to be done lose something.
    pub fn left_to_destroy(&self) -> Result<u64> {
        let count = "SELECT count(*) FROM effect
                     WHERE effect = 'destroy' AND state NOT IN ('done', 'gone', 'left')";
        self.database
            .query_row(count, [], |row| row.get(0))
            .map_err(broken)
    }

    /// How many steps lose something, of all parts that this process has planned.
    pub fn destroyed(&self) -> Result<u64> {
        self.database
            .query_row(
                "SELECT count(*) FROM effect WHERE part > 0 AND effect = 'destroy'",
                [],
                |row| row.get(0),
            )
            .map_err(broken)
    }

    /// Where the targets are: buckets, and the catalogue.
    pub fn places(&self) -> Result<Vec<String>> {
        let mut find = self
            .database
            .prepare("SELECT DISTINCT place FROM effect WHERE place <> '' ORDER BY place")
            .map_err(broken)?;
        let places = find.query_map([], |row| row.get(0)).map_err(broken)?;
        places
            .collect::<std::result::Result<_, _>>()
            .map_err(broken)
    }

    /// The last step that changes a target, if one does.
    pub fn last_of(&self, target: &str) -> Result<Option<Row>> {
        let find = "SELECT number, detail, state, why, value FROM effect WHERE target = ?1 ORDER BY number DESC LIMIT 1";
        let found = self
            .database
            .prepare_cached(find)
            .and_then(|mut find| find.query_row(params![target], columns).optional())
            .map_err(broken)?;
        found.map(Columns::row).transpose()
    }

    /// Whether a call of the script has steps that are not settled.
    pub fn is_incomplete(&self, step: usize) -> Result<bool> {
        self.database
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM effect WHERE step = ?1 AND state NOT IN ('done', 'gone'))")
            .and_then(|mut find| find.query_row(params![step], |row| row.get(0)))
            .map_err(broken)
    }
}

/// The columns a row is read from.
struct Columns {
    number: i64,
    detail: String,
    state: String,
    why: Option<String>,
    value: Option<String>,
}

fn columns(row: &rusqlite::Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        number: row.get(0)?,
        detail: row.get(1)?,
        state: row.get(2)?,
        why: row.get(3)?,
        value: row.get(4)?,
    })
}

impl Columns {
    fn row(self) -> Result<Row> {
        let row: Row = serde_json::from_str(&self.detail).map_err(|error| unreadable(&error))?;
        let value = self.value.as_deref().map(serde_json::from_str).transpose();
        Ok(Row {
            number: self.number,
            state: State::from_name(&self.state),
            why: self.why,
            value: value
                .map_err(|error| unreadable(&error))?
                .unwrap_or_default(),
            ..row
        })
    }
}

fn broken(error: rusqlite::Error) -> Error {
    Error::new(Kind::Io, "the steps of this run could not be kept on disk")
        .cause(error.to_string())
        .hint("make room in the folder for temporary files (TMPDIR or SQLITE_TMPDIR)")
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::internal("a step of this run cannot be read back").cause(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::ObjectRef;

    fn row(step: usize, key: &str) -> Row {
        let at = ObjectRef {
            bucket: "b".to_owned(),
            key: key.to_owned(),
        };
        let change = Change::DeleteObject { at };
        Row {
            number: 0,
            step,
            function: change.function().to_owned(),
            effect: change.effect(),
            target: change.target(),
            facts: Facts::of_object(&serde_json::json!({"size": 10})),
            change,
            after: Vec::new(),
            state: State::Open,
            why: None,
            value: Value::Null,
        }
    }

    fn add(ledger: &mut Ledger, row: &Row) -> i64 {
        ledger
            .add(&row.change.fingerprint(&row.function), row)
            .unwrap()
    }

    #[test]
    fn what_was_planned_twice_can_be_asked_for_twice_in_each_pass() {
        let mut ledger = Ledger::new().unwrap();
        let step = row(1, "a");
        let known = step.change.fingerprint(&step.function);
        add(&mut ledger, &step);
        add(&mut ledger, &step);
        for _ in 0..2 {
            ledger.begin_pass();
            let asked: Vec<bool> = (0..3)
                .map(|_| ledger.ask(&known).unwrap().is_some())
                .collect();
            assert_eq!(asked, [true, true, false]);
        }
    }

    #[test]
    fn totals_are_by_call_with_first_and_last() {
        let mut ledger = Ledger::new().unwrap();
        for key in ["z", "m", "a"] {
            add(&mut ledger, &row(1, key));
        }
        let other = add(&mut ledger, &row(2, "q"));
        ledger
            .note(other, State::Failed, Some("no"), &Value::Null)
            .unwrap();
        let totals = ledger.totals(false).unwrap();
        assert_eq!((totals[0].targets, totals[0].bytes), (3, 30));
        assert_eq!(
            (totals[0].first.as_str(), totals[0].last.as_str()),
            ("s3://b/z", "s3://b/a")
        );
        assert_eq!((totals[1].targets, totals[1].failed), (1, 1));
        assert!(ledger.is_incomplete(1).unwrap());
        assert_eq!(ledger.places().unwrap(), ["b"]);
    }
}
