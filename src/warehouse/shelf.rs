//! Files that were found, kept on disk in the order of their names, so that a table of a million files costs no memory. What
//! they were found for is their owner's business.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::scratch;

const WHAT: &str = "the files that were found";
const TABLES: &str =
    "CREATE TABLE file (uri TEXT NOT NULL PRIMARY KEY, row TEXT NOT NULL) WITHOUT ROWID";

/// Files of one page.
pub(super) const PAGE: usize = 1000;

/// Files, each with a row of what is known of it.
pub(super) struct Shelf(Mutex<Connection>);

impl Shelf {
    pub(super) fn new() -> Result<Shelf> {
        let table = scratch::database(TABLES, WHAT)?;
        // Nothing is to be kept: one transaction is open for good, and costs no syncing.
        table.execute_batch("BEGIN").map_err(unkept)?;
        Ok(Shelf(Mutex::new(table)))
    }

    /// Puts a file there. Gives whether it was not there before.
    pub(super) fn put(&self, uri: &str, row: &Value) -> Result<bool> {
        let table = self.table();
        let put = "INSERT OR IGNORE INTO file (uri, row) VALUES (?1, ?2)";
        let mut put = table.prepare_cached(put).map_err(unkept)?;
        let count = put.execute(params![uri, row.to_string()]).map_err(unkept)?;
        Ok(count == 1)
    }

    /// Takes a file away. Gives its row, if it was there.
    pub(super) fn take(&self, uri: &str) -> Result<Option<Value>> {
        let table = self.table();
        let take = "DELETE FROM file WHERE uri = ?1 RETURNING row";
        let mut take = table.prepare_cached(take).map_err(unkept)?;
        let row = take.query_row(params![uri], |row| row.get::<_, String>(0));
        row.optional()
            .map_err(unkept)?
            .map(|row| read(&row))
            .transpose()
    }

    /// The rows of the files that come after this one.
    pub(super) fn after(&self, uri: &str) -> Result<Vec<Value>> {
        let table = self.table();
        let select = "SELECT row FROM file WHERE uri > ?1 ORDER BY uri LIMIT ?2";
        let mut select = table.prepare_cached(select).map_err(unkept)?;
        let rows = select.query_map(params![uri, PAGE], |row| row.get::<_, String>(0));
        rows.map_err(unkept)?
            .map(|row| read(&row.map_err(unkept)?))
            .collect()
    }

    /// Shows the row of every file.
    pub(super) fn each(&self, mut see: impl FnMut(&Value)) -> Result<()> {
        let mut last = String::new();
        loop {
            let rows = self.after(&last)?;
            let Some(end) = rows.last() else {
                return Ok(());
            };
            end["uri"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut last);
            rows.iter().for_each(&mut see);
        }
    }

    fn table(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of a shelf, one after the other.
pub struct Files {
    shelf: Shelf,
    page: std::vec::IntoIter<Value>,
    last: String,
}

impl Files {
    pub(super) fn of(shelf: Shelf) -> Files {
        Files {
            shelf,
            page: Vec::new().into_iter(),
            last: String::new(),
        }
    }
}

impl Iterator for Files {
    type Item = Result<Value>;

    fn next(&mut self) -> Option<Result<Value>> {
        if self.page.len() == 0 {
            match self.shelf.after(&self.last) {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let row = self.page.next()?;
        row["uri"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut self.last);
        Some(Ok(row))
    }
}

fn read(row: &str) -> Result<Value> {
    serde_json::from_str(row)
        .map_err(|error| Error::internal("a row of files").cause(error.to_string()))
}

fn unkept(error: rusqlite::Error) -> Error {
    scratch::broken(WHAT, &error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn files_come_back_once_each_in_the_order_of_their_names() {
        let shelf = Shelf::new().unwrap();
        let count = 2 * PAGE + 1;
        for number in (0..count).rev() {
            let uri = format!("s3://b/{number:05}");
            assert!(shelf.put(&uri, &json!({"uri": uri})).unwrap());
            assert!(!shelf.put(&uri, &json!({"uri": uri})).unwrap());
        }
        assert!(shelf.take("s3://b/00007").unwrap().is_some());
        assert!(shelf.take("s3://b/00007").unwrap().is_none());
        let uris: Vec<String> = Files::of(shelf)
            .map(|row| row.unwrap()["uri"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(uris.len(), count - 1);
        assert!(uris.is_sorted());
    }
}
