//! Rows that a snapshot took away, brought back by another: files that it took whole are named again, and of those that it
//! wrote anew the rows that it left out are written. Nothing that was committed since is touched.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use iceberg::spec::Snapshot;

use super::condition::Condition;
use super::contents::{Contents, Live};
use super::draft::{Draft, Origin, Pen, UNASSIGNED};
use super::fault::fault;
use super::rows::meant;
use super::store::object_at;
use super::summary::Summary;
use super::table::Table;
use crate::clients::iceberg::Rows;
use crate::error::{Error, Kind, Result};

/// So many files are looked for at once.
const AT_ONCE: usize = 8;

impl Table {
    /// A snapshot that has those rows again which the snapshot `taker` took away.
    pub async fn with_again(
        &self,
        pen: &mut Pen,
        taker: i64,
        rows: &Rows,
        origin: &Origin,
    ) -> Result<Draft> {
        self.refuse_unwritable()?;
        let then = self.contents(Some(self.known(taker)?)).await?;
        let now = self.contents(self.snapshot()).await?;
        let taken: Vec<Live> = then.taken_by(taker).collect();
        self.refuse_gone(&taken).await?;
        refuse_there(&taken, &now)?;
        let condition = self.condition_of(taker, rows)?;
        let mut summary = Summary::of(&now);
        let mut manifests: Vec<_> = now.manifests.into_iter().map(|held| held.listed).collect();
        for (number, held) in then.manifests.iter().enumerate() {
            let known = held.manifest.metadata();
            let mut writer =
                pen.manifest(known.schema().clone(), known.partition_spec().clone())?;
            let (mut whole, mut written) = (0, Vec::new());
            for live in taken.iter().filter(|live| live.manifest == number) {
                let file = live.entry.data_file().clone();
                if let Some(condition) = self.of_part(&then, live, condition.as_ref()).await? {
                    let rows = |batch: &RecordBatch| meant(condition, batch);
                    written.push(self.rewritten(pen, (&then, live), rows).await?);
                    continue;
                }
                summary.adds(held.listed.partition_spec_id, &file);
                let added = writer.add_file(file, UNASSIGNED);
                added.map_err(|error| fault(live.path(), &error))?;
                whole += 1;
            }
            if whole > 0 {
                manifests.push(pen.put_manifest(writer).await?);
            }
            let made = self.manifest_of_new(pen, held, written, &mut summary);
            manifests.extend(made.await?);
        }
        self.drafted(pen, manifests, &summary, origin).await
    }

    /// The condition as it was read when the rows were taken away: by the columns' names of that time.
    fn condition_of(&self, taker: i64, rows: &Rows) -> Result<Option<Condition>> {
        let Rows::Where(text) = rows else {
            return Ok(None);
        };
        let snapshot: &Snapshot = self.known(taker)?;
        let schema = snapshot.schema(&self.metadata);
        let schema = schema.map_err(|error| fault("the schema of that time", &error))?;
        let condition = Condition::of(text, &schema)?;
        let is_there = |id: &i32| self.schema().field_by_id(*id).is_some();
        if condition.columns().iter().all(is_there) {
            return Ok(Some(condition));
        }
        let message = format!("a column of '{text}' is not in {} any more", self.name);
        Err(Error::new(Kind::Invalid, message).hint(
            "the rows are in the snapshot before it: read them from there with the engine that writes the table",
        ))
    }

    /// The condition, where it meant not all rows of a file.
    async fn of_part<'a>(
        &self,
        contents: &Contents,
        live: &Live,
        condition: Option<&'a Condition>,
    ) -> Result<Option<&'a Condition>> {
        let hit = self.hit(contents, live, condition).await?;
        Ok(condition.filter(|_| !hit.is_some_and(|hit| hit.is_whole())))
    }

    /// Refuses where files are not in the store any more.
    async fn refuse_gone(&self, taken: &[Live]) -> Result<()> {
        let looks = taken.iter().map(async |live| {
            let at = object_at(live.path())?;
            match self.s3.head(&at.bucket, &at.key).await {
                Err(error) if error.kind() == Kind::NotFound => Ok(Some(live.path())),
                other => other.map(|_| None),
            }
        });
        let looks = futures::stream::iter(looks).buffered(AT_ONCE);
        let gone: Vec<&str> = looks
            .try_filter_map(async |path| Ok(path))
            .try_collect()
            .await?;
        let Some(first) = gone.first() else {
            return Ok(());
        };
        let message = format!(
            "{} of the {} files with the rows are not in the store any more, the first {first}",
            gone.len(),
            taken.len()
        );
        Err(Error::new(Kind::Invalid, message)
            .hint("they were removed after the deletion, as `table expire` does: restore them from a backup"))
    }
}

/// Refuses where somebody has brought the files back already.
fn refuse_there(taken: &[Live], now: &Contents) -> Result<()> {
    let there: HashSet<String> = now.live().map(|live| live.path().to_owned()).collect();
    let Some(found) = taken.iter().find(|live| there.contains(live.path())) else {
        return Ok(());
    };
    let message = format!(
        "{} is in the table again: somebody brought it back",
        found.path()
    );
    Err(Error::new(Kind::Conflict, message).hint("see who: dashictl table snapshots"))
}
