//! The steps of one run, in order, on disk: what is planned, what is done, what was left alone and why. In the plan pass
//! it becomes the plan; in the second pass it is the guard; when a run is resumed it tells what is left.

use rusqlite::{Connection, OptionalExtension, Params, params};
use serde_json::Value;

use super::change::Fingerprint;
use super::row::{Row, State, Totals};
use crate::error::{Error, Result};
use crate::scratch;

const TABLES: &str = "
CREATE TABLE effect (
    number INTEGER PRIMARY KEY, part INTEGER NOT NULL, step INTEGER NOT NULL, known BLOB NOT NULL,
    function TEXT NOT NULL, effect TEXT NOT NULL, target TEXT NOT NULL, place TEXT NOT NULL, bytes INTEGER,
    detail TEXT NOT NULL, state TEXT NOT NULL, why TEXT, value TEXT, asked INTEGER NOT NULL
);
CREATE INDEX effect_known ON effect (known, number);
CREATE INDEX effect_target ON effect (target);";
/// What a row is read from, as `Columns` takes it.
const SELECT: &str = "SELECT number, detail, state, why, value FROM effect";
const WHAT: &str = "the steps of this run";

/// The steps of a run.
pub struct Ledger {
    database: Connection,
    part: i64,
    pass: i64,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Result<Ledger> {
        let database = scratch::database(TABLES, WHAT)?;
        // Never ended: nobody else reads it, and the end of each statement's own would cost more than the statement.
        database.execute_batch("BEGIN").map_err(broken)?;
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
        let find = "WHERE known = ?1 AND asked < ?2 ORDER BY number LIMIT 1";
        let Some(row) = self.first(find, params![known.as_slice(), self.pass])? else {
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
    pub fn rows(&self, all: bool, each: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let part = if all { 0 } else { self.part };
        self.each("WHERE part >= ?1 ORDER BY number", params![part], each)
    }

    /// Every row that is found, in order.
    fn each(
        &self,
        find: &str,
        by: impl Params,
        mut each: impl FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        let mut find = self
            .database
            .prepare_cached(&format!("{SELECT} {find}"))
            .map_err(broken)?;
        for row in find.query_map(by, columns).map_err(broken)? {
            each(row.map_err(broken)?.row()?)?;
        }
        Ok(())
    }

    /// The first row that is found.
    fn first(&self, find: &str, by: impl Params) -> Result<Option<Row>> {
        let found = self
            .database
            .prepare_cached(&format!("{SELECT} {find}"))
            .and_then(|mut find| find.query_row(by, columns).optional())
            .map_err(broken)?;
        found.map(Columns::row).transpose()
    }

    /// One value.
    fn value<T: rusqlite::types::FromSql>(&self, find: &str, by: impl Params) -> Result<T> {
        self.database
            .prepare_cached(find)
            .and_then(|mut find| find.query_row(by, |row| row.get(0)))
            .map_err(broken)
    }

    /// The next steps in order after `number` that are not settled, so many at most.
    pub fn unsettled_after(&self, number: i64, most: usize) -> Result<Vec<Row>> {
        let find =
            "WHERE number > ?1 AND state NOT IN ('done', 'gone', 'left') ORDER BY number LIMIT ?2";
        let mut rows = Vec::new();
        self.each(find, params![number, most], |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
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
                        told: None,
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
            let only = "WHERE number = ?1";
            let told = match total.targets {
                1 => self
                    .first(only, params![first])?
                    .and_then(|row| row.facts.told()),
                _ => None,
            };
            totals.push(Totals {
                first: self.target(first)?,
                last: self.target(last)?,
                told,
                ..total
            });
        }
        Ok(totals)
    }

    fn target(&self, number: i64) -> Result<String> {
        self.value(
            "SELECT target FROM effect WHERE number = ?1",
            params![number],
        )
    }

    /// How many steps there are in a state, in the part that is being planned or in all.
    pub fn count(&self, all: bool, state: Option<State>) -> Result<u64> {
        let part = if all { 0 } else { self.part };
        let count = "SELECT count(*) FROM effect WHERE part >= ?1 AND (?2 IS NULL OR state = ?2)";
        self.value(count, params![part, state.map(State::name)])
    }

    /// How many steps that are still to be done lose something.
    pub fn left_to_destroy(&self) -> Result<u64> {
        let count = "SELECT count(*) FROM effect
                     WHERE effect = 'destroy' AND state NOT IN ('done', 'gone', 'left')";
        self.value(count, [])
    }

    /// How many steps lose something, of all parts that this process has planned.
    pub fn destroyed(&self) -> Result<u64> {
        let count = "SELECT count(*) FROM effect WHERE part > 0 AND effect = 'destroy'";
        self.value(count, [])
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
        let find = "WHERE target = ?1 ORDER BY number DESC LIMIT 1";
        self.first(find, params![target])
    }

    /// Whether a call of the script has steps that are not settled.
    pub fn is_incomplete(&self, step: usize) -> Result<bool> {
        let find = "SELECT EXISTS (SELECT 1 FROM effect WHERE step = ?1 AND state NOT IN ('done', 'gone'))";
        self.value(find, params![step])
    }

    /// The last call of the script that has steps; 0 where none has.
    pub fn last_step(&self) -> Result<usize> {
        self.value("SELECT coalesce(max(step), 0) FROM effect", [])
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
    scratch::broken(WHAT, &error)
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::internal("a step of this run cannot be read back").cause(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::{Change, Facts};
    use crate::lake::ObjectRef;

    fn row(step: usize, key: &str) -> Row {
        let at = ObjectRef {
            bucket: "b".to_owned(),
            key: key.to_owned(),
        };
        let facts = Facts::of_object(&serde_json::json!({"size": 10}));
        Row::planned(step, Change::delete(at), facts)
    }

    fn add(ledger: &mut Ledger, row: &Row) -> i64 {
        ledger.add(&row.fingerprint(), row).unwrap()
    }

    #[test]
    fn what_was_planned_twice_can_be_asked_for_twice_in_each_pass() {
        let mut ledger = Ledger::new().unwrap();
        let step = row(1, "a");
        let known = step.fingerprint();
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
