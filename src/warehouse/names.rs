//! What all tables of a catalogue name, as a set of objects; read whole, or not at all. What one table names is `named`'s.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};

use super::named::Part;
use super::table::Table;
use crate::clients::iceberg::{TableName, Tables};
use crate::clients::iceberg_folders::is_below;
use crate::clients::s3::S3;
use crate::error::{Error, Kind, Result};
use crate::lake::{Fingerprint, Fingerprints, Gathered, Lake, ObjectRef, PrefixRef, Seed};

/// So many tables are loaded at once.
const AT_ONCE: usize = 4;
/// So often the list of the tables is read again where it changes while they are loaded.
const TRIES: u32 = 3;

/// The way to the tables: their catalogue, the store, and what a location means.
#[derive(Clone)]
pub struct Ways {
    /// The catalogue.
    pub catalogue: Tables,
    /// The store.
    pub s3: S3,
    /// Where locations lead.
    pub lake: Lake,
}

/// What is known of an object by the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A reader of some snapshot reads it, or needs it to read; at this place among all such.
    Read(usize),
    /// A snapshot says that it is gone: who goes back before that may read it.
    Taken,
}

/// What the tables name.
pub struct Names {
    seed: Seed,
    /// With a mark: those below the folder of a table.
    read: Fingerprints,
    taken: Fingerprints,
    /// Where the metadata of each table was, by its name.
    tables: BTreeMap<TableName, String>,
    since: Instant,
}

impl Names {
    /// Reads what all tables name.
    pub async fn of_all(ways: &Ways) -> Result<Names> {
        let since = Instant::now();
        Names::of(ways, &all(ways).await?, since).await
    }

    /// Reads what these tables name, that were loaded at that time.
    pub(super) async fn of(ways: &Ways, tables: &[Table], since: Instant) -> Result<Names> {
        let seed = Seed::random();
        let (mut read, mut taken) = (Gathered::default(), Gathered::default());
        let roots: Vec<PrefixRef> = tables
            .iter()
            .map(|table| table.root(&ways.lake))
            .collect::<Result<_>>()?;
        for table in tables {
            let mut told = |path: &str, part: Part| {
                let at = table.placed(&ways.lake, path)?;
                let print = print(seed, &at);
                if part == Part::Taken {
                    taken.add(print, false);
                } else {
                    read.add(print, roots.iter().any(|root| is_below(&at, root)));
                }
                Ok(())
            };
            let mut known = HashSet::new();
            let snapshots = table.metadata.snapshots().map(AsRef::as_ref);
            table.tell_metadata(|_| true, &mut told)?;
            table
                .tell_snapshots(snapshots, &mut known, &mut told)
                .await?;
        }
        Ok(Names {
            seed,
            read: read.into_set(),
            taken: taken.into_set(),
            tables: tables
                .iter()
                .map(|table| (table.name.clone(), table.location.clone()))
                .collect(),
            since,
        })
    }

    /// What is known of an object.
    #[must_use]
    pub fn know(&self, at: &ObjectRef) -> Option<Known> {
        let print = print(self.seed, at);
        let read = self.read.place(print).map(Known::Read);
        read.or_else(|| self.taken.has(print).then_some(Known::Taken))
    }

    /// How long ago the tables were loaded.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether the tables are still as they were: asked of the catalogue, which says where the metadata of each is.
    pub async fn are_current(&self, ways: &Ways) -> Result<bool> {
        Ok(self.are_of(&all(ways).await?))
    }

    /// Whether the tables are still as they were.
    pub(super) fn are_of(&self, tables: &[Table]) -> bool {
        tables.len() == self.tables.len()
            && tables.iter().all(|table| {
                let known = self.tables.get(&table.name);
                known == Some(&table.location)
            })
    }

    /// How many objects readers need that should lie in the folders of the tables, and how many of those are at these
    /// places.
    pub(super) fn resolved(&self, found: &[bool]) -> (u64, u64) {
        let marked = (0..self.read.len()).filter(|place| self.read.is_marked(*place));
        marked.fold((0, 0), |(all, resolved), place| {
            (all + 1, resolved + u64::from(found[place]))
        })
    }

    /// How many objects readers need.
    pub(super) fn len(&self) -> usize {
        self.read.len()
    }
}

fn print(seed: Seed, at: &ObjectRef) -> Fingerprint {
    seed.of(&at.bucket).print(&at.key)
}

/// All tables of the catalogue, in the order of their names. The list is the same before and after, so that one that was
/// given another name is not missed.
pub(super) async fn all(ways: &Ways) -> Result<Vec<Table>> {
    let mut names = ways.catalogue.every().await?;
    for _ in 0..TRIES {
        let opens = names
            .iter()
            .map(async |name| Table::open(&ways.catalogue, &ways.s3, name).await);
        let opened: Result<Vec<Table>> = futures::stream::iter(opens)
            .buffered(AT_ONCE)
            .try_collect()
            .await;
        let now = ways.catalogue.every().await?;
        if now == names {
            return opened;
        }
        names = now;
    }
    Err(Error::new(
        Kind::Conflict,
        "tables are made or dropped all the time, so it is not known what they name",
    )
    .hint("run it again when that is over"))
}
