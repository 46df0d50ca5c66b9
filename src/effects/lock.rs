//! One destructive run per bucket of a lake at a time. The lock is an object in the lake's state, written only where
//! there is none, on stores that a test shows to honour that; on others a Lease of the lake's cluster, where one is named, or
//! else a file on this machine, which keeps only this machine's runs apart, and says so.
//!
//! It is renewed while the run lives and looked at before each batch: a run that cannot show that it still holds its
//! lock stops.

use std::fs::File;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::abilities::Abilities;
use super::board::Board;
use super::lease::{self, Lease};
use super::{Run, Store};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::lake::Share;
use crate::session::Session;

/// The name of the lock of runs that change records alone.
pub const CATALOGUE: &str = "catalogue";

/// The name of the lock of runs that expire snapshots or bring rows back.
pub const TABLES: &str = "catalogue-of-tables";

/// A lock that was not renewed for so long is its holder's no more.
pub(super) const LASTS: Duration = Duration::from_mins(1);

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What is locked: a bucket, or the catalogue.
    pub lock: String,
    /// The run.
    pub run: String,
    /// What it does.
    pub command: String,
    /// Who runs it.
    pub actor: String,
    /// On which machine.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// When it took the lock.
    pub since: Timestamp,
    /// When the lock ends, unless it is renewed.
    pub expires: Timestamp,
}

impl Holder {
    pub(super) fn new(lock: &str, run: &Run) -> Holder {
        let now = Timestamp::now();
        Holder {
            lock: lock.to_owned(),
            run: run.id.to_string(),
            command: run.order.command.clone(),
            actor: run.actor.clone(),
            host: run.host.clone(),
            pid: std::process::id(),
            since: now,
            expires: later(now),
        }
    }

    pub(super) fn renewed(&self) -> Holder {
        Holder {
            expires: later(Timestamp::now()),
            ..self.clone()
        }
    }

    /// Whether its process is known to be gone: only of this machine can that be told.
    pub(super) fn is_dead(&self, host: &str) -> bool {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        // A process of another user may not be sent a signal, and lives.
        let is_gone = |pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
        self.host == host && pid.is_none_or(is_gone)
    }

    /// That it is held, and the command that breaks it.
    pub(super) fn refusal(&self, config: &Config) -> Error {
        let message = format!(
            "'{}' is locked by run {} ({}) of {} on {}, process {}, since {}",
            self.lock, self.run, self.command, self.actor, self.host, self.pid, self.since
        );
        Error::new(Kind::Conflict, message)
            .hint(format!(
                "wait until it is done; its lock ends at {} unless it is renewed",
                self.expires
            ))
            .hint(format!(
                "if that run is gone for good: {}",
                config.command_line(&format!("lock break {}", self.lock))
            ))
    }
}

fn later(now: Timestamp) -> Timestamp {
    now.checked_add(jiff::SignedDuration::try_from(LASTS).unwrap_or_default())
        .unwrap_or(now)
}

/// The locks of one run. They are let go when this is.
pub struct Locks {
    names: Vec<String>,
    kept: Vec<Kept>,
    session: Session,
}

enum Kept {
    Shared(Box<Lease>),
    OnMachine { _file: File },
}

impl Locks {
    /// Takes the lock of each of these, or none. `warn` is told where the store cannot lock.
    pub fn take(
        session: &Session,
        store: &Store,
        names: &[String],
        run: &Run,
        warn: impl Fn(&str),
    ) -> Result<Locks> {
        let mut locks = Locks {
            names: names.to_vec(),
            kept: Vec::new(),
            session: session.clone(),
        };
        let board = board(session, store, warn)?;
        for name in names {
            locks.kept.push(match &board {
                Some(board) => Kept::Shared(Box::new(lease::take(session, board, name, run)?)),
                None => Kept::OnMachine {
                    _file: take_on_machine(session, name)?,
                },
            });
        }
        if let Some(board) = &board {
            // Where it refuses, what was taken is dropped, and so let go.
            refuse_overlap(session, board, names, run)?;
        }
        Ok(locks)
    }

    /// Those of these names that are not among them.
    pub(super) fn missing(&self, names: &[String]) -> Vec<String> {
        let mut missing = names.to_vec();
        missing.retain(|name| !self.names.contains(name));
        missing
    }

    /// Takes over other locks of the same run.
    pub(super) fn join(&mut self, mut others: Locks) {
        self.names.append(&mut others.names);
        self.kept.append(&mut others.kept);
    }

    /// Fails unless every lock is still this run's. Asked before each batch of changes.
    pub fn check(&self) -> Result<()> {
        for kept in &self.kept {
            if let Kept::Shared(lock) = kept {
                self.session.finish(lock.check())?;
            }
        }
        Ok(())
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        for kept in &self.kept {
            if let Kept::Shared(lock) = kept {
                // What could not be let go ends by itself.
                let _ = self.session.finish(lock.release());
            }
        }
    }
}

/// Where this lake's locks are kept. None where nothing keeps the runs of several machines apart: then `warn` is told.
fn board(session: &Session, store: &Store, warn: impl Fn(&str)) -> Result<Option<Board>> {
    if session
        .wait(Abilities::of(session, store))?
        .keeps_writers_apart
    {
        return Ok(Some(Board::Objects(store.clone())));
    }
    let ignores = "this store does not keep two runs apart (it ignores If-None-Match)";
    match Board::in_cluster(session) {
        Ok(Some(board)) => return Ok(Some(board)),
        Ok(None) => warn(&format!(
            "{ignores}: only runs on this machine are locked out"
        )),
        Err(error) => warn(&format!(
            "{ignores}, and no Lease can be kept in its cluster: only runs on this machine are locked out: {error}"
        )),
    }
    Ok(None)
}

/// All places where locks of this lake may be: another machine may have found its store wanting.
fn boards(session: &Session, store: &Store) -> Vec<Board> {
    let mut boards = vec![Board::Objects(store.clone())];
    match Board::in_cluster(session) {
        Ok(board) => boards.extend(board),
        // Who may keep none there has none there.
        Err(error) if error.kind() == Kind::Forbidden => {}
        Err(error) => session
            .console()
            .warn(&format!("locks in the cluster are not known: {error}")),
    }
    boards
}

fn take_on_machine(session: &Session, name: &str) -> Result<File> {
    let folder = session.environment().state_dir()?.join("locks");
    std::fs::create_dir_all(&folder).map_err(|error| Error::io("make", &folder, &error))?;
    // One lake's bucket is not another's of the same name.
    let lake = super::payload::digest(session.config().s3()?.endpoint.as_str().as_bytes());
    let path = folder.join(format!("{name}-{}.lock", &lake[..12]));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Error::io("open", &path, &error))?;
    file.try_lock().map_err(|_| {
        Error::new(
            Kind::Conflict,
            format!("'{name}' is locked by another run on this machine"),
        )
        .hint(format!(
            "wait until it is done; the lock is {}",
            path.display()
        ))
    })?;
    Ok(file)
}

/// Refuses locks whose objects somebody else holds by another: of a bucket, and of shares of it. Both may be refused where
/// they come at once, never neither.
fn refuse_overlap(session: &Session, board: &Board, names: &[String], run: &Run) -> Result<()> {
    let others = session.wait(board.names())?;
    let overlaps = |other: &&String| names.iter().any(|name| Share::overlap(name, other));
    for other in others.iter().filter(overlaps) {
        match session.wait(board.read(other)) {
            Ok((holder, _, age))
                if holder.run != run.id.as_str() && age <= LASTS && !holder.is_dead(&run.host) =>
            {
                return Err(holder.refusal(session.config()));
            }
            Err(error) if error.kind() != Kind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The locks that are held.
pub fn held(session: &Session, store: &Store) -> Result<Vec<Holder>> {
    let mut holders = Vec::new();
    for board in boards(session, store) {
        for name in session.wait(board.names())? {
            match session.wait(board.read(&name)) {
                Ok((holder, _, _)) => holders.push(holder),
                // Let go between the listing and the look.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(holders)
}

/// Who holds a lock, and where it is kept. One that is not held is an error.
fn found(session: &Session, store: &Store, name: &str) -> Result<(Holder, Board)> {
    for board in boards(session, store) {
        match session.wait(board.read(name)) {
            Ok((holder, _, _)) => return Ok((holder, board)),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(
        Error::new(Kind::NotFound, format!("'{name}' is not locked"))
            .hint("`dashictl lock list` shows what is"),
    )
}

/// Who holds a lock. One that is not held is an error.
pub fn holder_of(session: &Session, store: &Store, name: &str) -> Result<Holder> {
    found(session, store, name).map(|(holder, _)| holder)
}

/// Breaks a lock, whoever holds it. Gives who held it.
pub fn break_lock(session: &Session, store: &Store, name: &str) -> Result<Holder> {
    let (holder, board) = found(session, store, name)?;
    session.wait(board.remove(name, None))?;
    Ok(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_also_where_another_user_runs_it() {
        let now = Timestamp::now();
        let holder = |pid| Holder {
            lock: "raw".to_owned(),
            run: "01J".to_owned(),
            command: "dashictl gc".to_owned(),
            actor: "me".to_owned(),
            host: "here".to_owned(),
            pid,
            since: now,
            expires: now,
        };
        assert!(!holder(1).is_dead("here"), "whoever runs this test");
        assert!(holder(i32::MAX.unsigned_abs()).is_dead("here"));
        assert!(!holder(i32::MAX.unsigned_abs()).is_dead("elsewhere"));
    }
}
