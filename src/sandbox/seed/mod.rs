//! The lake that a new sandbox starts with: small, believable, and alive, for its times are counted from the first use.
//!
//! What there is stands in `datasets`; the other files write it into the state of each service. Everything goes into the
//! transaction that creates the tables, so that a sandbox is filled or not there at all.

mod accounts;
mod catalogue;
mod datasets;
mod log_lines;
mod objects;
mod runs;
mod tables;

use std::fmt::Debug;
use std::path::Path;

use rusqlite::Transaction;

use super::clock::Clock;
use crate::error::{Error, Result};

/// Fills a new state.
pub(crate) fn fill(database: &Transaction<'_>, dir: &Path) -> Result<()> {
    let now = Clock::of(dir).micros();
    let store = objects::Store::new(database, dir, now);
    store.fill().map_err(|error| failed("objects", &error))?;
    tables::fill(database, &store, now).map_err(|error| failed("tables", &error))?;
    catalogue::fill(database, now).map_err(|error| failed("catalogue", &error))?;
    runs::fill(database, now).map_err(|error| failed("flow runs", &error))?;
    accounts::fill(database, now).map_err(|error| failed("users", &error))?;
    log_lines::fill(database, now).map_err(|error| failed("log lines", &error))
}

fn failed(what: &str, error: &dyn Debug) -> Error {
    Error::internal(format!("cannot fill the sandbox with its {what}"))
        .cause(format!("{error:?}"))
        .hint("is the disk full?")
}
