//! What a table names: its metadata, lists, manifests, the files in them. What is to become of a file that nothing names is
//! decided elsewhere; a table that cannot be read whole is an error, since what it names is not known.

use std::collections::HashSet;

use futures::TryStreamExt;
use iceberg::spec::Snapshot;

use super::contents::{held, listed};
use super::store::object_at;
use super::table::Table;
use crate::clients::iceberg_folders::{folder, of_table};
use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, ObjectRef, PrefixRef};

/// The property of a table whose files may be another's as well.
const OWN_FILES: &str = "gc.enabled";
/// What a file is to the table that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Its metadata, now or before.
    Metadata,
    /// Statistics of a snapshot.
    Statistics,
    /// The list of a snapshot's manifests.
    List,
    /// A manifest.
    Manifest,
    /// A file that a snapshot reads.
    Data,
    /// A file that a snapshot says is gone: nobody reads it by that, and yet it may be brought back.
    Taken,
}

impl Part {
    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Part::Metadata => "metadata",
            Part::Statistics => "statistics",
            Part::List => "lists",
            Part::Manifest => "manifests",
            Part::Data | Part::Taken => "data",
        }
    }
}

impl Table {
    /// Tells what the metadata itself names: where it is, where it was, statistics of the snapshots that are asked for.
    pub(super) fn tell_metadata(
        &self,
        of: impl Fn(i64) -> bool,
        told: &mut impl FnMut(&str, Part) -> Result<()>,
    ) -> Result<()> {
        if !self.location.is_empty() {
            told(&self.location, Part::Metadata)?;
        }
        for earlier in self.metadata.metadata_log() {
            told(&earlier.metadata_file, Part::Metadata)?;
        }
        self.tell_statistics(of, told)
    }

    /// Tells the statistics of some snapshots.
    pub(super) fn tell_statistics(
        &self,
        of: impl Fn(i64) -> bool,
        told: &mut impl FnMut(&str, Part) -> Result<()>,
    ) -> Result<()> {
        let of_columns = self.metadata.statistics_iter();
        let of_columns = of_columns.map(|kept| (kept.snapshot_id, &kept.statistics_path));
        let of_partitions = self.metadata.partition_statistics_iter();
        let of_partitions = of_partitions.map(|kept| (kept.snapshot_id, &kept.statistics_path));
        for (_, path) in of_columns.chain(of_partitions).filter(|(id, _)| of(*id)) {
            told(path, Part::Statistics)?;
        }
        Ok(())
    }

    /// Tells what snapshots name: their lists, manifests and the files in those. A manifest that is in `read` already is
    /// left out, and what is read is added.
    pub(super) async fn tell_snapshots(
        &self,
        snapshots: impl Iterator<Item = &Snapshot>,
        read: &mut HashSet<String>,
        told: &mut impl FnMut(&str, Part) -> Result<()>,
    ) -> Result<()> {
        let version = self.metadata.format_version();
        for snapshot in snapshots {
            let mut manifests = listed(&self.s3, snapshot, version)
                .await
                .map_err(|error| self.unread(error))?;
            told(snapshot.manifest_list(), Part::List)?;
            manifests.retain(|listed| read.insert(listed.manifest_path.clone()));
            let mut manifests = std::pin::pin!(held(&self.io, manifests));
            while let Some(held) = manifests
                .try_next()
                .await
                .map_err(|error| self.unread(error))?
            {
                told(&held.listed.manifest_path, Part::Manifest)?;
                for entry in held.manifest.entries() {
                    let part = if entry.is_alive() {
                        Part::Data
                    } else {
                        Part::Taken
                    };
                    told(entry.file_path(), part)?;
                }
            }
        }
        Ok(())
    }

    fn unread(&self, error: Error) -> Error {
        error.hint(format!("it is a file of the table {}", self.name))
    }

    /// Refuses a table whose files may be another's as well.
    pub(super) fn refuse_shared_files(&self) -> Result<()> {
        if self.owns_files() {
            return Ok(());
        }
        let message = format!(
            "the property {OWN_FILES} of {} is false: its files may be another table's as well",
            self.name
        );
        Err(Error::new(Kind::Invalid, message).hint(
            "set it to true with the engine that writes the table, if no other table has its files",
        ))
    }

    /// Whether its files are its own, as far as it says.
    pub(super) fn owns_files(&self) -> bool {
        let says = self.metadata.properties().get(OWN_FILES);
        says.is_none_or(|says| !says.eq_ignore_ascii_case("false"))
    }

    /// The folder of the table: what its location is.
    pub(super) fn root(&self, lake: &Lake) -> Result<PrefixRef> {
        folder(lake, self.metadata.location())
    }

    /// The folders that it writes to: its location, and where its properties say.
    pub(super) fn folders(&self, lake: &Lake) -> Result<Vec<PrefixRef>> {
        let property = |name: &'static str| {
            let said = self.metadata.properties().get(name);
            said.map(String::as_str)
        };
        of_table(lake, self.metadata.location(), property)
    }

    /// The object that a name of the table's means.
    pub(super) fn placed(&self, lake: &Lake, path: &str) -> Result<ObjectRef> {
        object_at(path)
            .or_else(|_| lake.locate(path))
            .map_err(|error| {
                let message = format!(
                    "{} names '{path}', and it is not known which object that is",
                    self.name
                );
                Error::new(Kind::Invalid, message)
                    .caused_by(&error)
                    .hint("if its host is the lake's store by another name, add it to s3.aliases")
            })
    }
}
