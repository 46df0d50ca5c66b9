//! The account of a run, one JSON value a line: who runs what, what was begun and what came of it. On this machine it is
//! `runs/<run>.jsonl` in the state folder, for its owner alone, on disk before anything is changed; `store` keeps the
//! same lines in the lake.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ledger::{Row, State};
use super::{Facts, Run, RunId};
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;

/// One line of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The run. The first line.
    Run(Box<Run>),
    /// The audit line, as it was written.
    Audit(String),
    /// What is about to be done.
    Begun(Vec<Begun>),
    /// What came of it.
    Ended(Vec<Ended>),
    /// A further part of the plan was confirmed.
    Part {
        /// Its number, from 2.
        number: i64,
    },
    /// Somebody goes on with the run.
    Resumed {
        /// Who.
        actor: String,
        /// Where.
        host: String,
        /// When.
        at: Timestamp,
    },
    /// The run is over.
    Finished {
        /// `done`, `partly`, `failed` or `interrupted`.
        outcome: String,
        /// Why, if it is not done.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// When.
        at: Timestamp,
    },
}

/// A step that is about to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// The step.
    #[serde(flatten)]
    pub row: Row,
    /// The record or file as it was, to be brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Value>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// The step's number.
    pub number: i64,
    /// What it was done to.
    pub target: String,
    /// How far it came.
    pub state: State,
    /// Why it came no further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What it gave back.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// What the target is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Facts>,
    /// Where the object was put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<ObjectRef>,
    /// The delete marker that stands for the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

impl Ended {
    /// A step that is left alone, and why.
    #[must_use]
    pub fn left(row: &Row, why: &str) -> Ended {
        Ended {
            number: row.number,
            target: row.target.clone(),
            state: State::Left,
            why: Some(why.to_owned()),
            value: Value::Null,
            now: None,
            aside: None,
            marker: None,
        }
    }
}

/// The journals of this machine.
#[derive(Debug, Clone)]
pub struct Journals {
    folder: PathBuf,
}

impl Journals {
    /// Those below a state folder.
    #[must_use]
    pub fn below(state: &Path) -> Journals {
        Journals {
            folder: state.join("runs"),
        }
    }

    /// Begins the journal of a run. It must not be there yet.
    pub fn begin(&self, run: &RunId) -> Result<Journal> {
        make(&self.folder)?;
        self.open(run, OpenOptions::new().write(true).create_new(true))
    }

    /// Goes on with the journal of a run; it is begun where another machine has made it.
    pub fn go_on(&self, run: &RunId) -> Result<Journal> {
        if self.has(run) {
            self.open(run, OpenOptions::new().append(true))
        } else {
            self.begin(run)
        }
    }

    fn open(&self, run: &RunId, options: &mut OpenOptions) -> Result<Journal> {
        let path = self.path(run);
        let file = options
            .mode(0o600)
            .open(&path)
            .map_err(|error| unwritable(&path, &error))?;
        // The entry of a new file is on disk only when its folder is.
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| unwritable(&self.folder, &error))?;
        Ok(Journal {
            path,
            file: Mutex::new(file),
        })
    }

    /// Where the journal of a run is.
    #[must_use]
    pub fn path(&self, run: &RunId) -> PathBuf {
        self.folder.join(format!("{run}.jsonl"))
    }

    /// Where a part of a run's plan is.
    #[must_use]
    pub fn plan_path(&self, run: &RunId, part: i64) -> PathBuf {
        self.folder.join(format!("{run}.plan-{part}.jsonl"))
    }

    /// Marks a plan as used on this machine. One that was used is refused.
    pub fn use_nonce(&self, nonce: &str, run: &RunId) -> Result<()> {
        let folder = self.folder.join("nonces");
        make(&folder)?;
        let path = folder.join(nonce);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(mut file) => file
                .write_all(run.as_str().as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(|error| unwritable(&path, &error)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let by = fs::read_to_string(&path).unwrap_or_default();
                Err(Error::new(
                    Kind::Stale,
                    format!("this plan was used already by run {by}"),
                )
                .hint("make a new one"))
            }
            Err(error) => Err(unwritable(&path, &error)),
        }
    }

    /// Whether there is one for this run.
    #[must_use]
    pub fn has(&self, run: &RunId) -> bool {
        self.path(run).exists()
    }

    /// The runs, the oldest first.
    pub fn runs(&self) -> Result<Vec<RunId>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("list", &self.folder, &error)),
        };
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut runs: Vec<RunId> = entries
            .flatten()
            .map(name)
            .filter_map(|name| RunId::parse(name.strip_suffix(".jsonl")?).ok())
            .collect();
        runs.sort();
        Ok(runs)
    }

    /// Reads the journal of a run.
    pub fn read(&self, run: &RunId) -> Result<Account> {
        let path = self.path(run);
        let file = File::open(&path).map_err(|error| Error::io("read", &path, &error))?;
        let mut account = Account::new()?;
        // A cut may go through a letter.
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(|error| Error::io("read", &path, &error))?;
            account.take(&String::from_utf8_lossy(&line))?;
        }
        account.checked(run)
    }
}

/// Makes a folder for its owner alone.
fn make(folder: &Path) -> Result<()> {
    let mut folders = fs::DirBuilder::new();
    folders.recursive(true).mode(0o700);
    folders
        .create(folder)
        .map_err(|error| unwritable(folder, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::io("write", path, error)
        .hint("without a journal nothing is changed: make the folder writable, or set XDG_STATE_HOME to one that is")
}

/// The journal of a run that is being written.
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Writes a line, and waits until it is on disk.
    pub fn write(&self, line: &str) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(format!("{line}\n").as_bytes())
            .and_then(|()| file.sync_data())
            .map_err(|error| unwritable(&self.path, &error))
    }
}

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
        let steps = Connection::open("").map_err(|error| broken(&error))?;
        steps
            .execute_batch(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                CREATE TABLE step (number INTEGER PRIMARY KEY, target TEXT, begun TEXT, ended TEXT)",
            )
            .map_err(|error| broken(&error))?;
        Ok(Account {
            run: None,
            finished: None,
            audits: Vec::new(),
            lines: 0,
            pieces: 0,
            steps,
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
            .map_err(|error| broken(&error))
    }

    /// The targets that more than one step changes.
    pub fn repeated(&self) -> Result<BTreeSet<String>> {
        let find = "SELECT target FROM step GROUP BY target HAVING count(*) > 1";
        let mut find = self.steps.prepare(find).map_err(|error| broken(&error))?;
        let targets = find.query_map([], |row| row.get(0));
        targets
            .and_then(Iterator::collect)
            .map_err(|error| broken(&error))
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
            .map_err(|error| broken(&error))?;
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
        let mut all = self.steps.prepare(&all).map_err(|error| broken(&error))?;
        let rows = all
            .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))
            .map_err(|error| broken(&error))?;
        for row in rows {
            let (number, texts) = row.map_err(|error| broken(&error))?;
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

fn broken(error: &rusqlite::Error) -> Error {
    Error::new(
        Kind::Io,
        "a journal could not be kept on disk while it was read",
    )
    .cause(error.to_string())
}
