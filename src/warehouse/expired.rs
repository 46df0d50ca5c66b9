//! The files that nobody reads any more once some snapshots are forgotten: those that only these name. Nothing is deleted
//! here.

use std::collections::{BTreeMap, HashSet};

use iceberg::spec::Snapshot;
use serde_json::json;

use super::named::Part;
use super::shelf::{Files, Shelf};
use super::table::Table;
use crate::clients::iceberg_folders::is_below;
use crate::error::Result;
use crate::lake::{Gathered, Lake, ObjectRef, Seed};

/// What is left over of snapshots.
pub struct Leftover {
    /// Rows of `uri` and `what`.
    pub files: Files,
    /// How many files there are of each kind: `data`, `lists`, `manifests`, `statistics`.
    pub counts: BTreeMap<&'static str, u64>,
    /// How many more there are that lie outside of the folders of the table, where others may have put them.
    pub outside: u64,
    /// How many stay since something else than a table refers to them.
    pub referenced: u64,
}

impl Table {
    /// What is left over once these snapshots are forgotten. What any other snapshot reads is not, nor what is `kept`.
    pub async fn leftover(
        &self,
        lake: &Lake,
        going: &[i64],
        kept: impl Fn(&ObjectRef) -> bool,
    ) -> Result<Leftover> {
        self.refuse_shared_files()?;
        let is_going = |id: i64| going.contains(&id);
        let (go, stay): (Vec<&Snapshot>, Vec<&Snapshot>) = self
            .metadata
            .snapshots()
            .map(AsRef::as_ref)
            .partition(|snapshot| is_going(snapshot.snapshot_id()));
        let seed = Seed::random();
        let mut stays = Gathered::default();
        let mut keep = |path: &str, part: Part| {
            if part != Part::Taken {
                let at = self.placed(lake, path)?;
                stays.add(seed.of(&at.bucket).print(&at.key), false);
            }
            Ok(())
        };
        let mut read = HashSet::new();
        self.tell_metadata(|id| !is_going(id), &mut keep)?;
        self.tell_snapshots(stay.into_iter(), &mut read, &mut keep)
            .await?;
        let stays = stays.into_set();
        let shelf = Shelf::new()?;
        let (mut counts, mut outside) = (BTreeMap::new(), HashSet::new());
        let mut referenced = HashSet::new();
        let folders = self.folders(lake)?;
        let mut leave = |path: &str, part: Part| {
            let at = self.placed(lake, path)?;
            if stays.has(seed.of(&at.bucket).print(&at.key)) {
                return Ok(());
            }
            if !folders.iter().any(|folder| is_below(&at, folder)) {
                outside.insert(seed.of(&at.bucket).print(&at.key));
                return Ok(());
            }
            if kept(&at) {
                referenced.insert(seed.of(&at.bucket).print(&at.key));
                return Ok(());
            }
            let (uri, what) = (at.to_string(), part.name());
            if shelf.put(&uri, &json!({"uri": uri, "what": what}))? {
                *counts.entry(what).or_default() += 1;
            }
            Ok(())
        };
        self.tell_statistics(is_going, &mut leave)?;
        self.tell_snapshots(go.into_iter(), &mut read, &mut leave)
            .await?;
        Ok(Leftover {
            counts,
            outside: outside.len() as u64,
            referenced: referenced.len() as u64,
            files: Files::of(shelf),
        })
    }
}
