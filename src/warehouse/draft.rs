//! A snapshot before it is committed: the files, manifests and list that are written for it, and what the catalogue is asked
//! to take. Until it takes it nobody reads any of it, and all of it can be taken away again.

use std::collections::{BTreeMap, HashMap};

use arrow_array::RecordBatch;
use bytes::Bytes;
use iceberg::io::FileIO;
use iceberg::spec::{
    DataFile, FormatVersion, ManifestFile, ManifestListWriter, ManifestWriter,
    ManifestWriterBuilder, PartitionSpec, SchemaRef,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::contents::Held;
use super::fault::fault;
use super::footer::REWRITE;
use super::store::object_at;
use super::summary::Summary;
use super::table::Table;
use super::touched::{Hit, Touched};
use crate::clients::s3::S3;
use crate::clients::s3_changes::{Condition, Content};
use crate::clients::s3_upload::Sent;
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::LocalFile;

/// What a snapshot says of where it comes from, in its summary: names and values.
pub type Origin = BTreeMap<String, String>;

/// What writes a snapshot, and knows what it wrote.
pub struct Pen {
    permit: Permit,
    s3: S3,
    memory: FileIO,
    version: FormatVersion,
    metadata: String,
    /// What is in the name of everything that it writes.
    id: String,
    snapshot: i64,
    written: Vec<ObjectRef>,
    count: usize,
}

/// A snapshot that is ready to be committed.
#[derive(Debug)]
pub struct Draft {
    /// Its id.
    pub id: i64,
    /// The one that it follows.
    pub parent: Option<i64>,
    requirements: Value,
    updates: Value,
}

impl Pen {
    /// A name that nothing else has.
    pub(super) fn name(&mut self) -> String {
        self.count += 1;
        format!("{}-{}", self.id, self.count)
    }

    /// Writes a file from this machine.
    pub(super) async fn put_file(&mut self, location: &str, file: &LocalFile) -> Result<()> {
        let at = object_at(location)?;
        let sent = Sent {
            at: &at,
            file,
            content_type: None,
            metadata: &BTreeMap::new(),
        };
        self.written.push(at.clone());
        let condition = Condition::Absent;
        self.s3.put_file(self.permit, &sent, &condition).await?;
        Ok(())
    }

    async fn put(&mut self, location: &str, bytes: Bytes) -> Result<()> {
        let at = object_at(location)?;
        let content = Content {
            bytes,
            ..Content::default()
        };
        self.written.push(at.clone());
        let condition = Condition::Absent;
        self.s3.put(self.permit, &at, &content, &condition).await?;
        Ok(())
    }

    /// What writes a manifest of files of this partitioning.
    pub(super) fn manifest(
        &self,
        schema: SchemaRef,
        spec: PartitionSpec,
    ) -> Result<ManifestWriter> {
        let output = self.memory.new_output("manifest");
        let output = output.map_err(|error| fault("a manifest", &error))?;
        let builder = ManifestWriterBuilder::new(output, Some(self.snapshot), schema, spec);
        Ok(match self.version {
            FormatVersion::V1 => builder.build_v1(),
            _ => builder.build_v2_data(),
        })
    }

    pub(super) async fn put_manifest(&mut self, writer: ManifestWriter) -> Result<ManifestFile> {
        let name = self.name();
        let location = format!("{}/{name}.avro", self.metadata);
        let made = writer.write_manifest_file().await;
        let mut made = made.map_err(|error| fault(&location, &error))?;
        let bytes = self.take_out("manifest").await?;
        self.put(&location, bytes).await?;
        made.manifest_path = location;
        Ok(made)
    }

    /// Writes the list of a snapshot's manifests.
    async fn put_list(
        &mut self,
        parent: Option<i64>,
        sequence: i64,
        manifests: Vec<ManifestFile>,
    ) -> Result<String> {
        let location = format!("{}/snap-{}-{}.avro", self.metadata, self.snapshot, self.id);
        let wrong = |error: iceberg::Error| fault(&location, &error);
        let output = self.memory.new_output("list").map_err(wrong)?;
        let output = output.writer().await.map_err(wrong)?;
        let mut list = match self.version {
            FormatVersion::V1 => ManifestListWriter::v1(output, self.snapshot, parent),
            _ => ManifestListWriter::v2(output, self.snapshot, parent, sequence),
        };
        list.add_manifests(manifests.into_iter()).map_err(wrong)?;
        list.close().await.map_err(wrong)?;
        let bytes = self.take_out("list").await?;
        self.put(&location, bytes).await?;
        Ok(location)
    }

    async fn take_out(&self, name: &str) -> Result<Bytes> {
        let wrong = |error: iceberg::Error| fault(name, &error);
        let input = self.memory.new_input(name).map_err(wrong)?;
        input.read().await.map_err(wrong)
    }

    /// Takes away all that was written, which nobody has read. What cannot be taken away is left to `gc --tables`.
    pub async fn take_back(self) {
        for at in &self.written {
            let _ = self.s3.delete(self.permit, at, None, None).await;
        }
    }
}

impl Table {
    /// What writes a snapshot of this table.
    #[must_use]
    pub fn pen(&self, permit: Permit) -> Pen {
        let property = |name: &str| self.metadata.properties().get(name).cloned();
        let metadata = property("write.metadata.path")
            .unwrap_or_else(|| format!("{}/metadata", self.metadata.location()));
        Pen {
            permit,
            s3: self.s3.clone(),
            memory: FileIO::new_with_memory(),
            version: self.metadata.format_version(),
            metadata: metadata.trim_end_matches('/').to_owned(),
            id: uuid::Uuid::new_v4().to_string(),
            snapshot: self.new_id(),
            written: Vec::new(),
            count: 0,
        }
    }

    /// An id that no snapshot of the table has.
    fn new_id(&self) -> i64 {
        loop {
            let id = i64::from_be_bytes(rand::random::<[u8; 8]>()) & i64::MAX;
            if id > 0 && self.metadata.snapshot_by_id(id).is_none() {
                return id;
            }
        }
    }

    /// A snapshot without the rows that are meant: files with nothing else are marked as gone, others written anew.
    pub async fn without(&self, pen: &mut Pen, found: &Touched, origin: &Origin) -> Result<Draft> {
        let mut summary = Summary::of(&found.contents);
        let mut manifests = Vec::new();
        for (number, held) in found.contents.manifests.iter().enumerate() {
            let hits = found.hits.iter().filter(|hit| hit.live.manifest == number);
            let hits: HashMap<&str, &Hit> = hits.map(|hit| (hit.live.path(), hit)).collect();
            if !hits.is_empty() {
                manifests.push(marked(pen, held, &hits, &mut summary).await?);
                let left = self.left_of(pen, found, &hits).await?;
                manifests.extend(self.manifest_of_new(pen, held, left, &mut summary).await?);
            } else if held.listed.has_added_files() || held.listed.has_existing_files() {
                manifests.push(held.listed.clone());
            }
        }
        self.drafted(pen, manifests, &summary, origin).await
    }

    /// The files with the rows that stay of those that are taken in part.
    async fn left_of(
        &self,
        pen: &mut Pen,
        found: &Touched,
        hits: &HashMap<&str, &Hit>,
    ) -> Result<Vec<DataFile>> {
        let mut left = Vec::new();
        for hit in hits.values().filter(|hit| !hit.is_whole()) {
            let keeps = |batch: &RecordBatch| found.left(batch);
            let file = self.rewritten(pen, (&found.contents, &hit.live), keeps);
            left.push(file.await?);
        }
        Ok(left)
    }

    /// A manifest of files that were written now, of the partitioning of another manifest. They are in the table's current
    /// columns, and so are the bounds that it tells of them.
    pub(super) async fn manifest_of_new(
        &self,
        pen: &mut Pen,
        held: &Held,
        files: Vec<DataFile>,
        summary: &mut Summary,
    ) -> Result<Option<ManifestFile>> {
        if files.is_empty() {
            return Ok(None);
        }
        let known = held.manifest.metadata();
        let spec = known.partition_spec();
        let kinds = [self.schema(), known.schema()].map(|schema| spec.partition_type(schema).ok());
        if kinds[0].is_none() || kinds[0] != kinds[1] {
            let message = "a column that files are partitioned by was widened or dropped since they were written";
            return Err(Error::new(Kind::Invalid, message).hint(REWRITE));
        }
        let mut writer = pen.manifest(self.schema().clone(), spec.clone())?;
        for file in files {
            summary.adds(held.listed.partition_spec_id, &file);
            let added = writer.add_file(file, UNASSIGNED);
            added.map_err(|error| fault(&held.listed.manifest_path, &error))?;
        }
        pen.put_manifest(writer).await.map(Some)
    }

    /// The snapshot of these manifests, after the current one.
    pub(super) async fn drafted(
        &self,
        pen: &mut Pen,
        manifests: Vec<ManifestFile>,
        summary: &Summary,
        origin: &Origin,
    ) -> Result<Draft> {
        let (id, parent) = (pen.snapshot, self.head());
        let sequence = self.metadata.next_sequence_number();
        let list = pen.put_list(parent, sequence, manifests).await?;
        let mut summary = summary.texts();
        summary.extend(origin.clone());
        let at = Timestamp::now()
            .as_millisecond()
            .max(self.metadata.last_updated_ms() + 1);
        let mut snapshot = json!({
            "snapshot-id": id, "timestamp-ms": at, "manifest-list": list, "summary": summary,
            "schema-id": self.metadata.current_schema_id(),
        });
        if let Some(parent) = parent {
            snapshot["parent-snapshot-id"] = json!(parent);
        }
        if self.metadata.format_version() > FormatVersion::V1 {
            snapshot["sequence-number"] = json!(sequence);
        }
        Ok(Draft {
            id,
            parent,
            requirements: json!([
                {"type": "assert-table-uuid", "uuid": self.uuid()},
                {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent},
            ]),
            updates: json!([
                {"action": "add-snapshot", "snapshot": snapshot},
                {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": id},
            ]),
        })
    }

    /// Has the catalogue take a snapshot, if the branch still points where it did. A conflict says that it does not.
    pub async fn commit(&self, permit: Permit, draft: &Draft) -> Result<()> {
        let Draft {
            requirements,
            updates,
            ..
        } = draft;
        let asked = self
            .catalogue
            .commit(permit, &self.name, requirements, updates);
        asked.await
    }
}

/// A manifest in which those files are marked as gone.
async fn marked(
    pen: &mut Pen,
    held: &Held,
    hits: &HashMap<&str, &Hit>,
    summary: &mut Summary,
) -> Result<ManifestFile> {
    let known = held.manifest.metadata();
    let mut writer = pen.manifest(known.schema().clone(), known.partition_spec().clone())?;
    let wrong = |error: iceberg::Error| fault(&held.listed.manifest_path, &error);
    let entries = held.manifest.entries().iter();
    for entry in entries.filter(|entry| entry.is_alive()) {
        let file = entry.data_file().clone();
        // A table of version 1 has no sequence numbers: all of its files are of number 0.
        let sequence = entry.sequence_number.unwrap_or(0);
        let of_file = Some(entry.file_sequence_number.unwrap_or(0));
        let made = if hits.contains_key(entry.file_path()) {
            summary.deletes(held.listed.partition_spec_id, &file);
            writer.add_delete_file(file, sequence, of_file)
        } else {
            let made_by = entry.snapshot_id.unwrap_or(held.listed.added_snapshot_id);
            writer.add_existing_file(file, made_by, sequence, of_file)
        };
        made.map_err(wrong)?;
    }
    pen.put_manifest(writer).await
}

/// The sequence number of a file that takes over that of its snapshot.
pub(super) const UNASSIGNED: i64 = -1;
