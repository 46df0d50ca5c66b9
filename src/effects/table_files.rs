//! Files of tables that are to be deleted since no table needs them: right before they go it is looked whether that is still
//! so, whoever asked for it and however long ago. What is deleted is an object like any other.

use super::batch::{Came, Ready};
use super::call::Call;
use crate::error::Result;

/// The function that has snapshots forgotten.
pub(crate) const EXPIRE: &str = "iceberg::expire";
/// The function that deletes such files.
pub(crate) const DELETE_FILES: &str = "iceberg::delete_files";

impl Call<'_> {
    /// Parts the files that a table needs by now from the others.
    pub(super) fn part_named(&self, ready: Vec<Ready>) -> Result<(Vec<Ready>, Vec<Came>)> {
        if self.function != DELETE_FILES || ready.is_empty() {
            return Ok((ready, Vec::new()));
        }
        self.parted(ready)
    }

    #[cfg(feature = "iceberg")]
    fn parted(&self, ready: Vec<Ready>) -> Result<(Vec<Ready>, Vec<Came>)> {
        use super::row::State;
        use crate::warehouse::Known;
        let names = self.session.table_names_now()?;
        let is_needed = |(row, _): &Ready| {
            let at = row.change.object();
            at.is_some_and(|at| matches!(names.know(at), Some(Known::Read(_))))
        };
        let (needed, free): (Vec<Ready>, Vec<Ready>) = ready.into_iter().partition(is_needed);
        let why = "a table reads it by now";
        let left = needed
            .into_iter()
            .map(|(row, _)| (row, State::Left, Some(why.to_owned()), None));
        Ok((free, left.collect()))
    }

    #[cfg(not(feature = "iceberg"))]
    #[allow(clippy::unused_self)]
    fn parted(&self, _: Vec<Ready>) -> Result<(Vec<Ready>, Vec<Came>)> {
        Err(crate::clients::iceberg::not_built_in())
    }
}
