//! The state on disk: one SQLite database, the folder of object bytes beside it, and who may touch them when.
//!
//! Opening, creating, locking and removing the folder belongs here, and the two ways to the database. What stands in the
//! tables belongs to each service.
//!
//! Two programs may run on one folder at once: SQLite's WAL lets them read side by side and queues their writes. Each
//! holds a shared lock on the marker file while it runs, so that nobody removes the folder under it. A program that is
//! killed leaves at worst a blob file that no row names; the database itself is whole after every commit.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::clock::{self, Clock};
use super::faults;
use crate::error::{Error, Kind, Result};

/// The tables' version, kept as `user_version`; another number is refused rather than guessed at.
const SCHEMA_VERSION: i64 = 3;
/// The first line of the marker file, by which a folder is known as a sandbox's.
const MARKER_LINE: &str = "This folder holds the state of dashictl's sandbox.";
/// How long a write waits for another program's.
const BUSY: Duration = Duration::from_secs(20);
/// Uploads that a killed program left behind are removed after this time.
const STALE_UPLOAD: Duration = Duration::from_hours(24);
/// So many connections are kept open while nobody uses them.
const IDLE: usize = 8;
/// Object bytes lie in this many folders, named by the first hex digit of the blob.
pub(crate) const BLOB_FOLDERS: &str = "0123456789abcdef";

/// An open state folder.
#[derive(Debug)]
pub(crate) struct State {
    dir: PathBuf,
    clock: Clock,
    idle: Mutex<Vec<Connection>>,
    writing: tokio::sync::Mutex<()>,
    _in_use: File,
}

impl State {
    /// Opens the folder, and when it is new creates the tables and calls `fill` in the same transaction.
    pub(crate) fn open(
        dir: &Path,
        fill: impl FnOnce(&Transaction<'_>, &Path) -> Result<()>,
    ) -> Result<State> {
        fs::create_dir_all(dir).map_err(|error| Error::io("create the folder", dir, &error))?;
        let marker = hold(dir)?;
        let mut connection = connect(dir)?;
        if !is_ready(&connection, dir)? {
            lock(&marker, dir, File::unlock)?;
            lock(&marker, dir, File::lock)?;
            create(&mut connection, dir, fill)?;
            lock(&marker, dir, File::unlock)?;
            lock(&marker, dir, File::lock_shared)?;
        }
        sweep(&dir.join("incoming"));
        Ok(State {
            dir: dir.to_owned(),
            clock: Clock::of(dir),
            idle: Mutex::new(vec![connection]),
            writing: tokio::sync::Mutex::new(()),
            _in_use: marker,
        })
    }

    /// What time it is here.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where uploads grow until they are whole.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.dir.join("incoming")
    }

    /// Where the bytes of a blob lie.
    pub(crate) fn blob(&self, blob: &str) -> PathBuf {
        blob_path(&self.dir, blob)
    }

    /// Reads in one snapshot, on a thread that may block.
    pub(crate) async fn read<T, E>(
        self: &std::sync::Arc<State>,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        let state = self.clone();
        blocking(move || state.with(|connection| work(&*connection.transaction()?))).await
    }

    /// Writes in one transaction that is rolled back when `work` fails, on a thread that may block.
    pub(crate) async fn write<T, E>(
        self: &std::sync::Arc<State>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        let state = self.clone();
        // Writers of this process queue here: SQLite's own queue polls.
        let _turn = self.writing.lock().await;
        blocking(move || {
            state.with(|connection| {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let done = work(&transaction)?;
                transaction.commit()?;
                Ok(done)
            })
        })
        .await
    }

    fn with<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open_database(&self.dir)?,
        };
        let done = work(&mut connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        done
    }
}

/// Runs blocking work away from the threads that serve requests.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<rusqlite::Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) if failure.is_panic() => std::panic::resume_unwind(failure.into_panic()),
        Err(_) => Err(E::from(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT),
            Some("the sandbox is stopping".to_owned()),
        ))),
    }
}

/// Whether a folder has a database already.
pub(crate) fn is_there(dir: &Path) -> bool {
    dir.join("lake.sqlite").exists()
}

/// The state folder that a database is of.
pub(crate) fn folder_of(database: &Connection) -> PathBuf {
    let path = Path::new(database.path().unwrap_or_default());
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where the bytes of a blob lie in a state folder.
pub(crate) fn blob_path(dir: &Path, blob: &str) -> PathBuf {
    let folder = blob.get(..1).unwrap_or("0");
    dir.join("objects").join(folder).join(blob)
}

/// Removes the state in a folder. Refuses a folder that is no sandbox's, and one that a program is using.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    if !is_marked(dir) {
        return Err(Error::new(
            Kind::Conflict,
            format!("{} is not the state of a sandbox", dir.display()),
        )
        .hint("only a folder that the sandbox made is removed; name another one"));
    }
    let marker = marked(dir)?;
    match marker.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::new(
                Kind::Conflict,
                format!("the sandbox in {} is in use", dir.display()),
            )
            .hint("end the dashictl that runs on it, then try again"));
        }
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", dir, &error)),
    }
    let database = ["lake.sqlite", "lake.sqlite-wal", "lake.sqlite-shm"];
    let beside = clock::FILES.into_iter().chain([faults::FILE]);
    let names = database
        .into_iter()
        .chain(["objects", "incoming"])
        .chain(beside);
    // What says whose the folder is goes last.
    for name in names.chain(["sandbox"]) {
        remove_entry(&dir.join(name))?;
    }
    // Something else may lie in the folder by now; then it stays.
    let _ = fs::remove_dir(dir);
    Ok(())
}

fn remove_entry(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, &error))
        }
        _ => Ok(()),
    }
}

fn is_marked(dir: &Path) -> bool {
    fs::read_to_string(dir.join("sandbox")).is_ok_and(|text| text.starts_with(MARKER_LINE))
}

/// The marker file, written now if the folder is empty.
fn marked(dir: &Path) -> Result<File> {
    let path = dir.join("sandbox");
    if !is_marked(dir) {
        let mut entries =
            fs::read_dir(dir).map_err(|error| Error::io("read the folder", dir, &error))?;
        let is_own = |name: &OsStr| name.to_string_lossy().starts_with("sandbox");
        let foreign = entries.any(|entry| entry.is_ok_and(|entry| !is_own(&entry.file_name())));
        // Looked at once more: who marks the folder goes on to fill it, perhaps between our two looks.
        if foreign && !is_marked(dir) {
            return Err(not_ours(dir));
        }
        mark(&path)?;
        if path.exists() && !is_marked(dir) {
            return Err(not_ours(dir));
        }
    }
    File::open(&path).map_err(|error| Error::io("open", &path, &error))
}

fn not_ours(dir: &Path) -> Error {
    Error::config(format!(
        "{} holds other files and is not the state of a sandbox",
        dir.display()
    ))
    .hint("name a new or empty folder for the sandbox")
}

/// Writes the marker, unless it is there. It appears whole, and is never replaced: others may hold a lock on it.
fn mark(path: &Path) -> Result<()> {
    let beside = path.with_extension(format!(
        "{}-{:?}.new",
        std::process::id(),
        std::thread::current().id()
    ));
    let text = format!("{MARKER_LINE}\n`dashictl sandbox reset` removes it.\n");
    fs::write(&beside, text).map_err(|error| Error::io("write", &beside, &error))?;
    let linked = fs::hard_link(&beside, path);
    let _ = fs::remove_file(&beside);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::io("write", path, &error))
        }
        _ => Ok(()),
    }
}

/// The marker file, held in common with others. Whoever waited while the folder was reset holds a file that is gone.
fn hold(dir: &Path) -> Result<File> {
    loop {
        let marker = marked(dir)?;
        lock(&marker, dir, File::lock_shared)?;
        if is_marked(dir) {
            return Ok(marker);
        }
    }
}

fn lock(marker: &File, dir: &Path, how: impl Fn(&File) -> std::io::Result<()>) -> Result<()> {
    how(marker).map_err(|error| Error::io("lock", dir, &error))
}

fn connect(dir: &Path) -> Result<Connection> {
    open_database(dir).map_err(|error| unusable(dir, &error))
}

fn open_database(dir: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(dir.join("lake.sqlite"))?;
    connection.busy_timeout(BUSY)?;
    // NORMAL survives the death of the program, which is what is promised; a power cut may lose the last writes.
    use_wal(&connection)?;
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Puts a new database into WAL mode. Two programs that do so at once are told "busy" without any waiting: the timeout
/// does not hold for this change of mode.
fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.execute_batch("PRAGMA journal_mode = WAL;") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < BUSY =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

fn is_ready(connection: &Connection, dir: &Path) -> Result<bool> {
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| unusable(dir, &error))?;
    match version {
        0 => Ok(false),
        SCHEMA_VERSION => Ok(true),
        other => Err(Error::config(format!(
            "the sandbox in {} was made by another dashictl (state {other}, this one knows {SCHEMA_VERSION})",
            dir.display()
        ))
        .hint("`dashictl sandbox reset` makes a new one")),
    }
}

/// Creates tables and content in one transaction. Whoever waited for the lock may find that somebody else did it.
fn create(
    connection: &mut Connection,
    dir: &Path,
    fill: impl FnOnce(&Transaction<'_>, &Path) -> Result<()>,
) -> Result<()> {
    if is_ready(connection, dir)? {
        return Ok(());
    }
    let broken = |error: rusqlite::Error| unusable(dir, &error);
    make_folders(dir)?;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(broken)?;
    transaction
        .execute_batch(include_str!("schema.sql"))
        .map_err(broken)?;
    fill(&transaction, dir)?;
    transaction
        .pragma_update(None, "user_version", SCHEMA_VERSION)
        .map_err(broken)?;
    transaction.commit().map_err(broken)
}

fn make_folders(dir: &Path) -> Result<()> {
    // What a creation that was killed left behind is in nobody's table.
    remove_entry(&dir.join("objects"))?;
    let folders = BLOB_FOLDERS
        .chars()
        .map(|digit| dir.join("objects").join(digit.to_string()));
    for folder in folders.chain([dir.join("incoming")]) {
        fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create the folder", &folder, &error))?;
    }
    Ok(())
}

fn unusable(dir: &Path, error: &rusqlite::Error) -> Error {
    Error::new(
        Kind::Io,
        format!("cannot use the sandbox's state in {}", dir.display()),
    )
    .caused_by(error)
    .hint("`dashictl sandbox reset` makes a new one")
}

/// Removes uploads that no living program can still be writing.
fn sweep(incoming: &Path) {
    let Ok(entries) = fs::read_dir(incoming) else {
        return;
    };
    for entry in entries.flatten() {
        let age = entry
            .metadata()
            .and_then(|data| data.modified())
            .ok()
            .and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > STALE_UPLOAD) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creation_that_fails_leaves_a_folder_that_is_filled_the_next_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let blob = blob_path(dir.path(), "0abc");
        let failed = State::open(dir.path(), |_, _| {
            std::fs::write(&blob, "left behind").expect("a file");
            Err(Error::internal("killed"))
        });
        assert!(failed.is_err());
        let state = State::open(dir.path(), |database, _| {
            let added = database.execute("INSERT INTO bucket (name, created) VALUES ('b', 1)", []);
            added
                .map(|_| ())
                .map_err(|error| unusable(dir.path(), &error))
        });
        let state = state.expect("a state");
        assert!(!blob.exists());
        let count: rusqlite::Result<i64> = state.with(|connection| {
            connection.query_row("SELECT count(*) FROM bucket", [], |row| row.get(0))
        });
        assert_eq!(count, Ok(1));
    }

    #[test]
    fn programs_that_start_at_once_fill_the_folder_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let fills = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let state = State::open(dir.path(), |_, _| {
                        fills.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        Ok(())
                    });
                    state.expect("a state");
                });
            }
        });
        assert_eq!(fills.into_inner(), 1);
    }

    #[test]
    fn a_state_of_another_version_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        drop(State::open(dir.path(), |_, _| Ok(())).expect("a state"));
        let other = open_database(dir.path()).expect("a database");
        other
            .pragma_update(None, "user_version", 99)
            .expect("a version");
        drop(other);
        let error = State::open(dir.path(), |_, _| Ok(())).expect_err("another version");
        assert_eq!(error.kind(), Kind::Config);
    }
}
