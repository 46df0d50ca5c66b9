//! Which files of a table hold rows that are meant, and how many: told by their bounds where those tell, and by their rows
//! where they do not. What is found is known by a digest, so that it can be told later whether it is still the same.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use iceberg::arrow::ArrowReaderBuilder;
use iceberg::scan::FileScanTask;
use iceberg::spec::{NameMapping, Operation};
use sha2::{Digest, Sha256};

use super::bounds::{Reach, reach};
use super::condition::Condition;
use super::contents::{Contents, Live};
use super::fault::fault;
use super::rows::meant;
use super::table::Table;
use crate::clients::iceberg::Rows;
use crate::error::{Error, Kind, Result};

/// So many files are read at once.
const AT_ONCE: usize = 4;
/// The property that says which column of a file without numbers is which.
const MAPPING: &str = "schema.name-mapping.default";
/// What stands in the name of a file between that of the file it was made of and its own.
pub(super) const MADE_OF: char = '~';

/// The rows of a table that are meant, as its current snapshot has them.
pub struct Touched {
    pub(super) contents: Contents,
    pub(super) hits: Vec<Hit>,
    /// All files that rows are read from.
    pub(super) live: Vec<Live>,
    pub(super) condition: Option<Condition>,
    /// How many rows are meant.
    pub rows: u64,
    /// How many rows the table has.
    pub of_rows: u64,
}

/// A file with rows that are meant.
pub(super) struct Hit {
    pub(super) live: Live,
    /// How many of its rows.
    pub(super) rows: u64,
}

impl Hit {
    pub(super) fn is_whole(&self) -> bool {
        self.rows == self.live.entry.record_count()
    }

    /// The file, whatever of it this program has taken away already. Files that it makes keep the name of the first.
    pub(super) fn origin(&self) -> &str {
        origin(self.live.path())
    }
}

/// The file that a file was made of at first, by its name.
pub(super) fn origin(path: &str) -> &str {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let made = path[name..].find(MADE_OF).map(|at| name + at);
    made.map_or(path, |end| &path[..end])
}

impl Touched {
    /// The rows of a batch that stay.
    pub(super) fn left(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let condition = self.condition.as_ref();
        let condition =
            condition.ok_or_else(|| Error::internal("rows are left without a condition"))?;
        let meant = meant(condition, batch)?;
        Ok(meant.iter().map(|is| Some(is != Some(true))).collect())
    }

    /// How many files hold nothing else.
    #[must_use]
    pub fn whole(&self) -> u64 {
        self.hits.iter().filter(|hit| hit.is_whole()).count() as u64
    }

    /// How many files hold other rows as well.
    #[must_use]
    pub fn partly(&self) -> u64 {
        self.hits.len() as u64 - self.whole()
    }

    /// What they are known by: the files with the number of rows. It stays the same where this program takes other rows
    /// out of them.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut lines: Vec<String> = self
            .hits
            .iter()
            .map(|hit| format!("{}\t{}\n", hit.origin(), hit.rows))
            .collect();
        lines.sort_unstable();
        hex::encode(Sha256::digest(lines.concat()))
    }
}

impl Table {
    /// The rows that are meant. Refuses what cannot be told, or not be changed.
    pub async fn find(&self, rows: &Rows) -> Result<Touched> {
        self.refuse_unwritable()?;
        let contents = self.contents(self.snapshot()).await?;
        contents.refuse_deletes()?;
        let all: Vec<Live> = contents.live().collect();
        let condition = match rows {
            Rows::Where(text) => Some(Condition::of(text, self.schema())?),
            Rows::Of(_) => None,
        };
        let hits = match (rows, &condition) {
            (Rows::Of(snapshot), _) => self.brought_by(*snapshot, &all).await?,
            (Rows::Where(_), condition) => {
                let condition = condition.as_ref();
                let counts = all.iter().map(|live| self.hit(&contents, live, condition));
                let counts = futures::stream::iter(counts).buffered(AT_ONCE);
                counts
                    .try_filter_map(async |hit| Ok(hit))
                    .try_collect()
                    .await?
            }
        };
        Ok(Touched {
            rows: hits.iter().map(|hit: &Hit| hit.rows).sum(),
            of_rows: all.iter().map(|live| live.entry.record_count()).sum(),
            hits,
            live: all,
            condition,
            contents,
        })
    }

    pub(super) async fn hit(
        &self,
        contents: &Contents,
        live: &Live,
        condition: Option<&Condition>,
    ) -> Result<Option<Hit>> {
        let reached = condition.map_or(Reach::All, |condition| {
            reach(condition, live.entry.data_file())
        });
        let rows = match (reached, condition) {
            (Reach::None, _) => 0,
            (Reach::Some, Some(condition)) => self.counted(contents, live, condition).await?,
            _ => live.entry.record_count(),
        };
        let live = live.clone();
        Ok((rows > 0).then_some(Hit { live, rows }))
    }

    /// How many of a file's rows are meant, by its rows. Refuses one that cannot be read, or not be written anew where it must be.
    async fn counted(
        &self,
        contents: &Contents,
        live: &Live,
        condition: &Condition,
    ) -> Result<u64> {
        let columns = self.columns_of(live).await?;
        let mut batches = self.rows_of(contents, live, condition.columns())?;
        let (mut rows, mut all) = (0, 0);
        while let Some(batch) = batches.try_next().await? {
            rows += meant(condition, &batch)?.true_count() as u64;
            all += batch.num_rows() as u64;
        }
        let said = live.entry.record_count();
        if all != said {
            let path = live.path();
            let message = format!("{path} has {all} rows, and its manifest says {said}");
            return Err(Error::new(Kind::Protocol, message));
        }
        if rows > 0 && rows < all {
            self.refuse_unwritable_file(live, columns.as_ref())?;
        }
        Ok(rows)
    }

    /// The files that a snapshot added, if all of them are still there as it added them.
    async fn brought_by(&self, snapshot: i64, all: &[Live]) -> Result<Vec<Hit>> {
        let made = self.contents(Some(self.known(snapshot)?)).await?;
        if made.taken_by(snapshot).next().is_some() {
            let message = format!(
                "snapshot {snapshot} of {} took files away as well: what it added may hold rows that others brought",
                self.name
            );
            return Err(Error::new(Kind::Invalid, message)
                .hint("name the rows by a condition: iceberg::delete_where"));
        }
        let added = |live: &Live| live.entry.snapshot_id == Some(snapshot);
        let first: Vec<Live> = made.live().filter(added).collect();
        // What was taken away and brought back is named by another snapshot, and is the same file.
        let paths: HashSet<&str> = first.iter().map(Live::path).collect();
        let left = all.iter().filter(|live| paths.contains(live.path()));
        let left: Vec<Live> = left.cloned().collect();
        let gone = first.len() - left.len();
        if gone > 0 && !(left.is_empty() && self.were_deleted(&first).await?) {
            let message = format!(
                "of the {} files that snapshot {snapshot} of {} brought, {gone} are there no more: their rows were deleted, or written into other files",
                first.len(),
                self.name
            );
            return Err(Error::new(Kind::Invalid, message)
                .hint("name the rows by a condition: iceberg::delete_where"));
        }
        let hits = left.into_iter().map(|live| Hit {
            rows: live.entry.record_count(),
            live,
        });
        Ok(hits.collect())
    }

    /// Whether files were taken away by snapshots that do nothing else: none of their rows is anywhere any more.
    pub(super) async fn were_deleted(&self, files: &[Live]) -> Result<bool> {
        let mut left: HashSet<&str> = files.iter().map(Live::path).collect();
        let deletes = self.history();
        let deletes = deletes.filter(|made| made.summary().operation == Operation::Delete);
        for snapshot in deletes {
            let contents = self.contents(Some(snapshot)).await?;
            for gone in contents.taken_by(snapshot.snapshot_id()) {
                left.remove(gone.path());
            }
            if left.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The rows of a file, these columns of them.
    pub(super) fn rows_of(
        &self,
        contents: &Contents,
        live: &Live,
        columns: Vec<i32>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let file = live.entry.data_file();
        let path = live.path().to_owned();
        let held = &contents.manifests[live.manifest];
        let task = FileScanTask::builder()
            .with_file_size_in_bytes(file.file_size_in_bytes())
            .with_start(0)
            .with_length(file.file_size_in_bytes())
            .with_data_file_path(path.clone())
            .with_data_file_format(file.file_format())
            .with_schema(self.schema().clone())
            .with_project_field_ids(columns)
            .with_partition(Some(file.partition().clone()))
            .with_partition_spec(Some(Arc::new(
                held.manifest.metadata().partition_spec().clone(),
            )))
            .with_name_mapping(self.name_mapping()?)
            .with_case_sensitive(true)
            .build();
        let runtime = iceberg::Runtime::try_current().map_err(|error| fault(&path, &error))?;
        let reader = ArrowReaderBuilder::new(self.io.clone(), runtime)
            .with_data_file_concurrency_limit(1)
            .build();
        let read = reader.read(futures::stream::once(async { Ok(task) }).boxed());
        let read = read.map_err(|error| fault(&path, &error))?;
        Ok(read
            .stream()
            .map_err(move |error| fault(&path, &error))
            .boxed())
    }

    pub(super) fn name_mapping(&self) -> Result<Option<Arc<NameMapping>>> {
        let Some(text) = self.metadata.properties().get(MAPPING) else {
            return Ok(None);
        };
        let mapping = serde_json::from_str(text);
        let mapping =
            mapping.map_err(|error| fault(&format!("{MAPPING} of {}", self.name), &error))?;
        Ok(Some(Arc::new(mapping)))
    }
}
