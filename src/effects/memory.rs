//! What this machine remembers of something that is not complete, so that the next try goes on from there: small files in
//! the state folder, each written by one process at a time. What stands in them is the business of who remembers it.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::gate::lock;
use super::payload::digest;
use crate::error::{Error, Result};
use crate::session::Session;

/// What is kept of one is small: thousands of presigned URLs are the most.
const LIMIT: u64 = 8 << 20;

/// What has not been touched for so long is of no use any more.
const LONG: Duration = Duration::from_hours(90 * 24);

/// The folders that this process has forgotten old things in: once is enough.
static FORGOTTEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// What is remembered of one thing.
pub(super) struct Memory {
    path: PathBuf,
    /// Held while this lives. The file of the lock stays: one that is taken away while it is held keeps nobody out.
    lock: Option<File>,
}

impl Memory {
    /// Of a thing that is known by a name, among its kind.
    pub(super) fn of(session: &Session, kind: &str, name: &str) -> Result<Memory> {
        let folder = folder(session, kind)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| Error::io("make", &folder, &error))?;
        if lock(&FORGOTTEN).insert(folder.clone()) {
            forget_old(&folder, SystemTime::now());
        }
        let path = folder.join(format!("{}.json", &digest(name.as_bytes())[..32]));
        let held = path.with_extension("lock");
        let file = File::create(&held).map_err(|error| Error::io("create", &held, &error))?;
        Ok(Memory {
            lock: file.try_lock().is_ok().then_some(file),
            path,
        })
    }

    /// Whether no other process holds it. One that is another's remembers nothing here.
    pub(super) fn is_mine(&self) -> bool {
        self.lock.is_some()
    }

    /// What was kept. What cannot be read is nothing.
    pub(super) fn recall<T: DeserializeOwned>(&self) -> Option<T> {
        self.lock.as_ref()?;
        read(&self.path)
    }

    /// Keeps this instead of what was kept.
    pub(super) fn keep<T: Serialize>(&self, what: &T) -> Result<()> {
        if self.lock.is_none() {
            return Ok(());
        }
        let text = serde_json::to_vec(what)
            .map_err(|error| Error::internal("a memory").cause(error.to_string()))?;
        crate::file::replace(&self.path, &text)
    }

    /// Forgets it.
    pub(super) fn forget(&self) {
        if self.lock.is_some() {
            // What stays is found out to be nothing any more by the next try.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// The file that holds it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What is remembered of a thing, for who only looks: nothing is locked.
pub(super) fn glance<T: DeserializeOwned>(
    session: &Session,
    kind: &str,
    name: &str,
) -> Result<Option<T>> {
    let file = format!("{}.json", &digest(name.as_bytes())[..32]);
    Ok(read(&folder(session, kind)?.join(file)))
}

/// All that is remembered of a kind.
pub(super) fn all<T: DeserializeOwned>(session: &Session, kind: &str) -> Result<Vec<T>> {
    let folder = folder(session, kind)?;
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &folder, &error)),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_kept = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    Ok(paths
        .iter()
        .filter(|path| is_kept(path))
        .filter_map(|path| read(path))
        .collect())
}

/// Forgets what is old. The files of locks stay: one that is taken away while it is held keeps nobody out.
fn forget_old(folder: &Path, now: SystemTime) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let is_lock = entry.path().extension().is_some_and(|end| end == "lock");
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = written.is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age > LONG));
        if is_old && !is_lock {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn folder(session: &Session, kind: &str) -> Result<PathBuf> {
    Ok(session.environment().state_dir()?.join(kind))
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = crate::file::read(path, LIMIT).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_forgotten_and_locks_stay() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.json", "a.parts", "a.lock"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = || {
            let entries = std::fs::read_dir(folder.path()).unwrap().flatten();
            let names = entries.map(|entry| entry.file_name().into_string().unwrap());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        forget_old(folder.path(), SystemTime::now());
        assert_eq!(names().len(), 3);
        forget_old(
            folder.path(),
            SystemTime::now() + LONG + Duration::from_mins(1),
        );
        assert_eq!(names(), ["a.lock".to_owned()].into());
    }
}
