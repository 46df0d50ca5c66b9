//! The account of a run, one JSON value a line: who runs what, what was begun and what came of it. On this machine it is
//! `runs/<run>.jsonl` in the state folder, for its owner alone, on disk before anything is changed; `store` keeps the
//! same lines in the lake.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::row::{Row, State};
use super::{Account, Facts, Run, RunId};
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
