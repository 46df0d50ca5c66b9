//! SQLite's private temporary database: it spills to a file that nobody else sees and that is gone with the process, so
//! that a run of a million steps, or a million orphans, costs no memory. What stands in it is its owner's business.

use rusqlite::Connection;

use crate::error::{Error, Kind, Result};

/// Statements that are kept for the next time: more than anybody has.
const STATEMENTS: usize = 64;

/// An empty one with these tables. What fails is told as `what` could not be kept.
pub(crate) fn database(tables: &str, what: &str) -> Result<Connection> {
    let open = || {
        let database = Connection::open("")?;
        database.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;",
        )?;
        database.execute_batch(tables)?;
        database.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(database)
    };
    open().map_err(|error| broken(what, &error))
}

/// That `what`, as in `the steps of this run`, could not be kept or read.
pub(crate) fn broken(what: &str, error: &rusqlite::Error) -> Error {
    Error::new(Kind::Io, format!("{what} could not be kept on disk"))
        .cause(error.to_string())
        .hint("make room in the folder for temporary files (TMPDIR or SQLITE_TMPDIR)")
}
