//! A table at one moment: its metadata as the library knows it, and the ways to its catalogue and files.

use std::sync::Arc;

use iceberg::io::FileIO;
use iceberg::spec::{
    DataContentType, DataFile, FormatVersion, ManifestEntry, SchemaRef, Snapshot, TableMetadata,
};
use serde_json::{Value, json};

use super::contents::{Contents, Held};
use super::fault::fault;
use super::store::readable;
use crate::clients::iceberg::{TableName, Tables};
use crate::clients::s3::S3;
use crate::error::{Error, Kind, Result};

/// A table as its catalogue has it now.
pub struct Table {
    pub(super) name: TableName,
    pub(super) metadata: TableMetadata,
    /// Where the metadata is.
    pub(super) location: String,
    pub(super) catalogue: Tables,
    pub(super) s3: S3,
    pub(super) io: FileIO,
}

impl Table {
    /// The table of that name.
    pub async fn open(catalogue: &Tables, s3: &S3, name: &TableName) -> Result<Table> {
        Table::of(catalogue, s3, name, catalogue.table(name).await?)
    }

    /// The same, as the catalogue just gave it.
    pub fn of(catalogue: &Tables, s3: &S3, name: &TableName, mut found: Value) -> Result<Table> {
        let location = found["metadata-location"].as_str();
        let location = location.unwrap_or_default().to_owned();
        let metadata = serde_json::from_value(found["metadata"].take());
        Ok(Table {
            metadata: metadata
                .map_err(|error| fault(&format!("the metadata of {name}"), &error))?,
            location,
            name: name.clone(),
            catalogue: catalogue.clone(),
            s3: s3.clone(),
            io: readable(s3),
        })
    }

    /// Its UUID, which a table that is made anew does not share.
    #[must_use]
    pub fn uuid(&self) -> String {
        self.metadata.uuid().to_string()
    }

    /// The snapshot that the branch `main` points to, if anything was written.
    #[must_use]
    pub fn head(&self) -> Option<i64> {
        self.snapshot().map(Snapshot::snapshot_id)
    }

    /// Whether it has a snapshot of that id.
    #[must_use]
    pub fn has(&self, snapshot: i64) -> bool {
        self.metadata.snapshot_by_id(snapshot).is_some()
    }

    /// The snapshot of the history of `main` whose summary has these values, the newest.
    #[must_use]
    pub fn snapshot_of(&self, marks: &[(&str, &str)]) -> Option<i64> {
        let has = |snapshot: &&Arc<Snapshot>| {
            let summary = &snapshot.summary().additional_properties;
            marks
                .iter()
                .all(|(name, value)| summary.get(*name).is_some_and(|found| found == value))
        };
        let found = self.history().find(has);
        found.map(|snapshot| snapshot.snapshot_id())
    }

    /// Whether readers of `main` come after that snapshot.
    #[must_use]
    pub fn follows(&self, snapshot: i64) -> bool {
        self.history().any(|made| made.snapshot_id() == snapshot)
    }

    /// The snapshots that `main` goes back to, the newest first, as far as they are known.
    pub(super) fn history(&self) -> impl Iterator<Item = &Arc<Snapshot>> {
        let find = |id: i64| self.metadata.snapshot_by_id(id);
        let first = self.head().and_then(find);
        std::iter::successors(first, move |made| made.parent_snapshot_id().and_then(find))
    }

    /// The files that a snapshot reads, the current one where none is named: `path`, `format`, `records`, `bytes`,
    /// `partition`, `snapshot` (that added it), `content` (`data`, `position deletes`, `equality deletes`).
    pub async fn files(&self, snapshot: Option<i64>) -> Result<Vec<Value>> {
        let snapshot = match snapshot {
            Some(id) => Some(self.known(id)?),
            None => self.snapshot(),
        };
        let contents = self.contents(snapshot).await?;
        let rows = contents.manifests.iter().map(|held| {
            let alive = held
                .manifest
                .entries()
                .iter()
                .filter(|entry| entry.is_alive());
            let rows = alive.map(|entry| described(held, entry));
            rows.collect::<Result<Vec<Value>>>()
        });
        rows.collect::<Result<Vec<_>>>().map(|rows| rows.concat())
    }

    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.metadata
            .snapshot_for_ref("main")
            .or(self.metadata.current_snapshot())
            .map(AsRef::as_ref)
    }

    /// The snapshot of that id.
    pub(super) fn known(&self, id: i64) -> Result<&Snapshot> {
        let found = self.metadata.snapshot_by_id(id).map(AsRef::as_ref);
        found.ok_or_else(|| self.name.no_snapshot(id))
    }

    pub(super) async fn contents(&self, snapshot: Option<&Snapshot>) -> Result<Contents> {
        let version = self.metadata.format_version();
        Contents::of((&self.s3, &self.io), snapshot, version).await
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.metadata.current_schema()
    }

    /// Refuses what this program cannot write.
    pub(super) fn refuse_unwritable(&self) -> Result<()> {
        if self.metadata.format_version() > FormatVersion::V2 {
            let message = format!(
                "{} is of format version 3, and this program changes tables of versions 1 and 2",
                self.name
            );
            return Err(Error::new(Kind::Invalid, message)
                .hint("delete its rows with the engine that writes it"));
        }
        Ok(())
    }
}

/// A file that a manifest names, for people and scripts.
fn described(held: &Held, entry: &ManifestEntry) -> Result<Value> {
    let file = entry.data_file();
    Ok(json!({
        "path": file.file_path(),
        "format": file.file_format().to_string().to_lowercase(),
        "records": file.record_count(),
        "bytes": file.file_size_in_bytes(),
        "partition": partition(held, file)?,
        "snapshot": entry.snapshot_id.map(|id| id.to_string()),
        "content": match file.content_type() {
            DataContentType::Data => "data",
            DataContentType::PositionDeletes => "position deletes",
            DataContentType::EqualityDeletes => "equality deletes",
        },
    }))
}

/// The partition that a file is of, each value as its transform is read.
fn partition(held: &Held, file: &DataFile) -> Result<Value> {
    let known = held.manifest.metadata();
    let spec = known.partition_spec();
    let kinds = spec.partition_type(known.schema());
    let kinds = kinds.map_err(|error| fault(&held.listed.manifest_path, &error))?;
    let fields = spec
        .fields()
        .iter()
        .zip(kinds.fields())
        .zip(file.partition().iter());
    let values = fields.map(|((field, kind), value)| {
        let told = value.map(|value| {
            field
                .transform
                .to_human_string(&kind.field_type, Some(value))
        });
        (field.name.clone(), json!(told))
    });
    Ok(Value::Object(values.collect()))
}
