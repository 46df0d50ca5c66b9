//! A journal as it is read, from this machine, from the lake, or both: who ran what, how it ended, and each of its steps
//! with what came of it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::journal::{Begun, Ended, Line};
use super::row::State;
use super::{Run, RunId};
use crate::error::{Error, Kind, Result};
use crate::scratch;

const TABLES: &str =
    "CREATE TABLE step (number INTEGER PRIMARY KEY, target TEXT, begun TEXT, ended TEXT);";
const WHAT: &str = "the steps of a journal that was read";

/// A journal that was read. Its steps are kept on disk, however many there are.
pub struct Account {
    run: Option<Run>,
    /// How it ended, if it did.
    pub finished: Option<(String, Option<String>)>,
    /// The audit lines.
    pub audits: Vec<String>,
    /// How many lines it was read from.
    pub lines: usize,
    /// How many pieces of it the lake had, when they were read.
    pub pieces: usize,
    steps: Connection,
}

/// A step of a journal that was read.
#[derive(Debug, Clone)]
pub struct Effected {
    /// What was begun; none where it was left alone from the start.
    pub begun: Option<Begun>,
    /// What came of it; none where nobody knows.
    pub ended: Option<Ended>,
}

impl Account {
    /// One without lines.
    pub fn new() -> Result<Account> {
        Ok(Account {
            run: None,
            finished: None,
            audits: Vec::new(),
            lines: 0,
            pieces: 0,
            steps: scratch::database(TABLES, WHAT)?,
        })
    }

    /// Takes in a line. A last line that was cut off by a kill says nothing; any other that cannot be read is an error
    /// when the next comes.
    pub fn take(&mut self, line: &str) -> Result<()> {
        if line.trim().is_empty() {
            return Ok(());
        }
        // A killed process may leave half a line: nothing was done on its word.
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            return Ok(());
        };
        self.lines += 1;
        match line {
            Line::Run(run) => self.run = Some(*run),
            // The same lines are on this machine and in the lake.
            Line::Audit(line) if self.audits.contains(&line) => {}
            Line::Audit(line) => self.audits.push(line),
            Line::Begun(all) => all.iter().try_for_each(|begun| self.take_begun(begun))?,
            Line::Ended(all) => all.iter().try_for_each(|ended| self.take_ended(ended))?,
            Line::Part { .. } => {}
            Line::Resumed { .. } => self.finished = None,
            Line::Finished { outcome, why, .. } => self.finished = Some((outcome, why)),
        }
        Ok(())
    }

    fn take_begun(&self, begun: &Begun) -> Result<()> {
        let keep = "INSERT INTO step (number, target, begun) VALUES (?1, ?2, ?3)
                    ON CONFLICT (number) DO UPDATE SET begun = ?3";
        let (number, target) = (begun.row.number, &begun.row.target);
        self.keep(keep, number, target, serde_json::to_string(begun))
    }

    /// Takes in what came of a step. What was done stays done, whatever a later look found.
    pub fn take_ended(&self, ended: &Ended) -> Result<()> {
        let keep = "INSERT INTO step (number, target, ended) VALUES (?1, ?2, ?3)
                    ON CONFLICT (number) DO UPDATE SET ended = ?3
                    WHERE ended IS NULL OR json_extract(ended, '$.state') <> 'done'";
        let text = serde_json::to_string(ended);
        self.keep(keep, ended.number, &ended.target, text)
    }

    fn keep(
        &self,
        keep: &str,
        number: i64,
        target: &str,
        text: serde_json::Result<String>,
    ) -> Result<()> {
        let Ok(text) = text else { return Ok(()) };
        self.steps
            .prepare_cached(keep)
            .and_then(|mut keep| keep.execute(params![number, target, text]))
            .map(drop)
            .map_err(broken)
    }

    /// The targets that more than one step changes.
    pub fn repeated(&self) -> Result<BTreeSet<String>> {
        let find = "SELECT target FROM step GROUP BY target HAVING count(*) > 1";
        let mut find = self.steps.prepare(find).map_err(broken)?;
        let targets = find.query_map([], |row| row.get(0));
        targets.and_then(Iterator::collect).map_err(broken)
    }

    /// The account, if it is of this run.
    pub fn checked(self, run: &RunId) -> Result<Account> {
        if self.run.as_ref().is_some_and(|found| found.id == *run) {
            return Ok(self);
        }
        Err(Error::new(
            Kind::Io,
            format!("the journal of run {run} does not begin with it"),
        )
        .hint("it was damaged, or cut off before the run changed anything"))
    }

    /// The run.
    pub fn run(&self) -> Result<&Run> {
        self.run
            .as_ref()
            .ok_or_else(|| Error::internal("a journal without a run"))
    }

    /// A step by its number.
    pub fn step(&self, number: i64) -> Result<Option<Effected>> {
        let found = self
            .steps
            .prepare_cached("SELECT begun, ended FROM step WHERE number = ?1")
            .and_then(|mut find| find.query_row(params![number], texts).optional())
            .map_err(broken)?;
        found.map(effected).transpose()
    }

    /// The steps, the first first or the last first.
    pub fn steps(
        &self,
        last_first: bool,
        mut each: impl FnMut(i64, Effected) -> Result<()>,
    ) -> Result<()> {
        let order = if last_first { "DESC" } else { "ASC" };
        let all = format!("SELECT number, begun, ended FROM step ORDER BY number {order}");
        let mut all = self.steps.prepare(&all).map_err(broken)?;
        let rows = all
            .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))
            .map_err(broken)?;
        for row in rows {
            let (number, texts) = row.map_err(broken)?;
            each(number, effected(texts)?)?;
        }
        Ok(())
    }

    /// How many steps have come how far: done or gone, left alone, failed, and begun with nobody knowing.
    pub fn counts(&self) -> Result<[u64; 4]> {
        let mut counts = [0; 4];
        self.steps(false, |_, step| {
            let place = match step.ended.map(|ended| ended.state) {
                Some(State::Done | State::Gone) => 0,
                Some(State::Left | State::Held | State::Open) => 1,
                Some(State::Failed) => 2,
                Some(State::Begun) | None => 3,
            };
            counts[place] += 1;
            Ok(())
        })?;
        Ok(counts)
    }
}

type Texts = (Option<String>, Option<String>);

fn texts(row: &rusqlite::Row<'_>) -> rusqlite::Result<Texts> {
    Ok((row.get(0)?, row.get(1)?))
}

fn effected((begun, ended): Texts) -> Result<Effected> {
    let unreadable = |error: serde_json::Error| {
        Error::new(Kind::Io, "a step of the journal cannot be read").cause(error.to_string())
    };
    Ok(Effected {
        begun: begun
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(unreadable)?,
        ended: ended
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(unreadable)?,
    })
}

fn broken(error: rusqlite::Error) -> Error {
    scratch::broken(WHAT, &error)
}
