//! Files in the folders of tables that no table names: left by writers that died, by commits that nobody took, by metadata
//! that is no more in the log. Nothing is deleted here, and whatever cannot be told stays.
//!
//! Rules: <https://iceberg.apache.org/docs/latest/maintenance/#delete-orphan-files>.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::names::{Known, Names, Ways, all};
use super::shelf::{Files, Shelf};
use super::table::Table;
use crate::clients::iceberg_folders::is_below;
use crate::clients::s3_list::{Listed, Part};
use crate::error::Result;
use crate::inventory::{Count, RESOLVED, too_many};
use crate::lake::{ObjectRef, PrefixRef};

/// So many of the orphans are told by name.
const SAMPLES: usize = 5;

/// What a table without a catalogue is found by.
const HINT: &str = "version-hint.text";

/// What is left alone in any case.
pub struct Care<'a> {
    /// Younger files.
    pub min_age: SignedDuration,
    /// What was written since, by the store's clock.
    pub since: Timestamp,
    /// The store's clock.
    pub now: Timestamp,
    /// Objects that something else than a table keeps.
    pub keeps: &'a (dyn Fn(&ObjectRef) -> bool + Sync),
}

/// The files in one table's folder by the reason for which they stay, or need not.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// A table names them.
    pub named: Count,
    /// Something else keeps them: an item of the catalogue, `gc.protect`, their names, the table's `gc.enabled`.
    pub kept: Count,
    /// They were written too lately.
    pub young: Count,
    /// Nothing names them.
    pub orphan: Count,
}

/// What was found in the folders of all tables.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// By table.
    pub tables: BTreeMap<String, Account>,
    /// All of them together.
    pub all: Account,
    /// The first of the orphans.
    pub samples: Vec<String>,
    /// When the oldest orphan was written.
    pub oldest: Option<Timestamp>,
    /// When the newest was.
    pub newest: Option<Timestamp>,
    /// How many files readers need that should be in those folders.
    pub references: u64,
    /// How many of them are there.
    pub resolved: u64,
    /// Tables whose location is a bucket as a whole: it is not looked at.
    pub whole_buckets: Vec<String>,
    /// Why nothing may be deleted, each a sentence.
    pub guards: Vec<String>,
}

/// The orphans, what they are known by, and the account.
pub struct Orphans {
    /// Rows as of a listing.
    pub files: Files,
    /// What the tables named.
    pub names: Arc<Names>,
    /// The account.
    pub summary: Summary,
}

/// The folder of a table.
struct Root {
    table: String,
    at: PrefixRef,
    is_own: bool,
}

/// Finds them: reads what all tables name, lists their folders, and reads it again where a table has changed meanwhile.
pub async fn orphans(ways: &Ways, care: &Care<'_>) -> Result<Orphans> {
    let since = Instant::now();
    let tables = all(ways).await?;
    let names = Names::of(ways, &tables, since).await?;
    let mut sweep = Sweep::of(ways, &tables, care)?;
    let mut found = vec![false; names.len()];
    for root in sweep.highest() {
        let mut pages = ways.s3.pages(Part {
            bucket: root.bucket.clone(),
            prefix: root.prefix.clone(),
            ..Part::default()
        });
        while let Some(page) = pages.try_next().await? {
            for object in &page.objects {
                sweep.take(&root.bucket, object, &names, &mut found)?;
            }
        }
    }
    (sweep.summary.references, sweep.summary.resolved) = names.resolved(&found);
    let since = Instant::now();
    let now = all(ways).await?;
    let names = if names.are_of(&now) {
        names
    } else {
        let fresh = Names::of(ways, &now, since).await?;
        sweep.leave(&fresh)?;
        fresh
    };
    sweep.end(names)
}

/// Files that are being judged.
struct Sweep<'a> {
    care: &'a Care<'a>,
    roots: Vec<Root>,
    shelf: Shelf,
    summary: Summary,
}

impl<'a> Sweep<'a> {
    fn of(ways: &Ways, tables: &[Table], care: &'a Care<'a>) -> Result<Sweep<'a>> {
        let mut summary = Summary::default();
        let mut roots = Vec::new();
        for table in tables {
            let (name, at) = (table.name.to_string(), table.root(&ways.lake)?);
            if at.prefix.is_empty() {
                summary.whole_buckets.push(name);
                continue;
            }
            summary.tables.insert(name.clone(), Account::default());
            roots.push(Root {
                table: name,
                at,
                is_own: table.owns_files(),
            });
        }
        Ok(Sweep {
            care,
            roots,
            shelf: Shelf::new()?,
            summary,
        })
    }

    /// The folders that are not within others.
    fn highest(&self) -> Vec<PrefixRef> {
        let all = self.roots.iter().map(|root| &root.at);
        let is_within = |one: &PrefixRef, other: &PrefixRef| {
            one.bucket == other.bucket
                && one.prefix.len() > other.prefix.len()
                && one.prefix.starts_with(&other.prefix)
        };
        let mut highest: Vec<PrefixRef> = all
            .clone()
            .filter(|one| !all.clone().any(|other| is_within(one, other)))
            .cloned()
            .collect();
        highest
            .sort_by(|one, other| (&one.bucket, &one.prefix).cmp(&(&other.bucket, &other.prefix)));
        highest.dedup();
        highest
    }

    /// The table in whose folder an object lies, the nearest above it.
    fn root(&self, at: &ObjectRef) -> Option<&Root> {
        let above = self.roots.iter().filter(|root| is_below(at, &root.at));
        above.max_by_key(|root| root.at.prefix.len())
    }

    fn take(
        &mut self,
        bucket: &str,
        object: &Listed,
        names: &Names,
        found: &mut [bool],
    ) -> Result<()> {
        let at = ObjectRef {
            bucket: bucket.to_owned(),
            key: object.key.clone(),
        };
        let known = names.know(&at);
        if let Some(Known::Read(place)) = known {
            found[place] = true;
        }
        let Some(root) = self.root(&at) else {
            return Ok(());
        };
        let (table, is_kept) = (
            root.table.clone(),
            !root.is_own || is_hidden(&object.key[root.at.prefix.len()..]),
        );
        let is_young = object.written().is_none_or(|written| !self.is_old(written));
        let is_orphan = known.is_none() && !is_kept && !is_young && !(self.care.keeps)(&at);
        if is_orphan {
            let mut row = object.row(bucket);
            row["table"] = table.clone().into();
            self.shelf.put(&at.to_string(), &row)?;
        }
        let account = self.summary.tables.entry(table).or_default();
        for account in [account, &mut self.summary.all] {
            let count = match known {
                Some(_) => &mut account.named,
                None if is_kept => &mut account.kept,
                None if is_young => &mut account.young,
                None if is_orphan => &mut account.orphan,
                None => &mut account.kept,
            };
            count.add(object.size);
        }
        Ok(())
    }

    /// Stores tell times in seconds: what was written in the second of the beginning may have been written after it.
    fn is_old(&self, written: Timestamp) -> bool {
        let age = self.care.now.duration_since(written);
        let is_before = written.as_second() < self.care.since.as_second();
        age >= self.care.min_age && !age.is_negative() && is_before
    }

    /// Takes out what a table names by now.
    fn leave(&mut self, names: &Names) -> Result<()> {
        let mut named = Vec::new();
        self.shelf.each(|row| {
            let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
            let at = ObjectRef {
                bucket: text("bucket"),
                key: text("key"),
            };
            if names.know(&at).is_some() {
                named.push((at, text("table"), row["size"].as_u64().unwrap_or_default()));
            }
        })?;
        for (at, table, bytes) in named {
            self.shelf.take(&at.to_string())?;
            let account = self.summary.tables.entry(table).or_default();
            for account in [account, &mut self.summary.all] {
                account.named.add(bytes);
                account.orphan.objects -= 1;
                account.orphan.bytes -= bytes;
            }
        }
        Ok(())
    }

    fn end(mut self, names: Names) -> Result<Orphans> {
        let summary = &mut self.summary;
        summary.guards = guards(summary);
        self.shelf.each(|row| {
            if summary.samples.len() < SAMPLES {
                summary
                    .samples
                    .extend(row["uri"].as_str().map(str::to_owned));
            }
            let written = row["last_modified"].as_str();
            let written: Option<Timestamp> = written.and_then(|written| written.parse().ok());
            summary.oldest = summary.oldest.into_iter().chain(written).min();
            summary.newest = summary.newest.max(written);
        })?;
        Ok(Orphans {
            files: Files::of(self.shelf),
            names: Arc::new(names),
            summary: self.summary,
        })
    }
}

/// What other programs keep beside the files of a table: names that begin with a dot or a low line are theirs, unless it is
/// the folder of a partition. A name that ends in a slash is a folder's.
fn is_hidden(below: &str) -> bool {
    let is_theirs = |part: &str| part.starts_with(['.', '_']) && !part.contains('=');
    below.ends_with(HINT) || below.ends_with('/') || below.split('/').any(is_theirs)
}

/// What speaks against deleting anything.
fn guards(summary: &Summary) -> Vec<String> {
    let (all, orphan) = (&summary.all, summary.all.orphan);
    let mut guards = Vec::new();
    if orphan.objects == 0 {
        return guards;
    }
    if summary.resolved * 100 < summary.references * RESOLVED {
        guards.push(format!(
            "of {} files that the tables name only {} are there: catalogue or listing is not whole",
            summary.references, summary.resolved
        ));
    }
    let mut whole = Count::default();
    for count in [all.named, all.kept, all.young, orphan] {
        whole += count;
    }
    guards.extend(too_many(orphan, whole, "files", "the tables"));
    guards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_hide_is_left_to_them() {
        for (below, is) in [
            ("data/a.parquet", false),
            ("data/_x=1/a.parquet", false),
            ("data/.a.parquet.crc", true),
            ("_temporary/0/a.parquet", true),
            ("data/", true),
            ("metadata/version-hint.text", true),
            (".dashi-trash/a=b", true),
        ] {
            assert_eq!(is_hidden(below), is, "{below}");
        }
    }
}
