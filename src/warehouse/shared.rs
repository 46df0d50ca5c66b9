//! Rows that are meant and that others say are theirs: nobody deletes those for one of them. What others say comes from the
//! catalogue of items; a condition of theirs that cannot be read is an error, since what it means is not known.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;

use super::condition::Condition;
use super::contents::{Live, held, listed};
use super::table::Table;
use super::touched::{Hit, Touched, origin};
use crate::clients::iceberg::Rows;
use crate::error::{Error, Kind, Result};

/// Rows that somebody else names.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who, as in `item klima/tas`.
    pub by: String,
    /// Which.
    pub rows: Rows,
}

impl Table {
    /// Refuses rows of which some are another's.
    pub async fn refuse_shared(&self, rows: &Rows, claims: &[Claim]) -> Result<()> {
        if claims.is_empty() {
            return Ok(());
        }
        let found = self.find(rows).await?;
        if found.rows == 0 {
            return Ok(());
        }
        let mut theirs = Vec::new();
        for claim in claims {
            match &claim.rows {
                Rows::Of(snapshot) => self.refuse_brought(&found, *snapshot, claim).await?,
                Rows::Where(text) => {
                    let condition = Condition::of(text, self.schema());
                    theirs.push((claim, condition.map_err(|error| unread(claim, &error))?));
                }
            }
        }
        // All at once: only where that finds something it matters whose it is.
        let any = Condition::Any(theirs.iter().map(|(_, theirs)| theirs.clone()).collect());
        if self.rows_of_both(&found, any).await? == 0 {
            return Ok(());
        }
        for (claim, theirs) in theirs {
            match self.rows_of_both(&found, theirs).await? {
                0 => {}
                count => return Err(self.shared(count, claim)),
            }
        }
        Ok(())
    }

    /// How many of the rows that were found a further condition is true of.
    async fn rows_of_both(&self, found: &Touched, further: Condition) -> Result<u64> {
        let both = match &found.condition {
            Some(condition) => Condition::All(vec![condition.clone(), further]),
            None => further,
        };
        let mut rows = 0;
        for Hit { live, .. } in &found.hits {
            let hit = self.hit(&found.contents, live, Some(&both)).await?;
            rows += hit.map_or(0, |hit| hit.rows);
        }
        Ok(rows)
    }

    /// Refuses where a file that was found is one that a snapshot brought, or was made of one; and where it is not known any
    /// more which those are.
    async fn refuse_brought(&self, found: &Touched, snapshot: i64, claim: &Claim) -> Result<()> {
        let brought = self.brought(snapshot, claim).await?;
        let is_theirs = |hit: &&Hit| brought.contains_key(hit.origin());
        let rows: u64 = found
            .hits
            .iter()
            .filter(is_theirs)
            .map(|hit| hit.rows)
            .sum();
        if rows > 0 {
            return Err(self.shared(rows, claim));
        }
        let there: HashSet<&str> = found.live.iter().map(|live| origin(live.path())).collect();
        let gone = brought
            .into_iter()
            .filter(|(path, _)| !there.contains(path.as_str()));
        let gone: Vec<Live> = gone.map(|(_, live)| live).collect();
        if gone.is_empty() || self.were_deleted(&gone).await? {
            return Ok(());
        }
        let why = format!("files that snapshot {snapshot} brought were written anew since");
        Err(untold(claim, &why))
    }

    /// The files that a snapshot added, by what they were called at first.
    async fn brought(&self, snapshot: i64, claim: &Claim) -> Result<HashMap<String, Live>> {
        let Some(made) = self.metadata.snapshot_by_id(snapshot) else {
            let why = format!("{} has no snapshot {snapshot} any more", self.name);
            return Err(untold(claim, &why));
        };
        let version = self.metadata.format_version();
        let mut manifests = listed(&self.s3, made, version).await?;
        manifests.retain(|listed| listed.added_snapshot_id == snapshot);
        let mut brought = HashMap::new();
        let mut manifests = std::pin::pin!(held(&self.io, manifests));
        while let Some(held) = manifests.try_next().await? {
            let entries = held.manifest.entries().iter();
            let added =
                entries.filter(|entry| entry.is_alive() && entry.snapshot_id == Some(snapshot));
            brought.extend(added.map(|entry| {
                let live = Live {
                    entry: entry.clone(),
                    manifest: 0,
                };
                (origin(entry.file_path()).to_owned(), live)
            }));
        }
        Ok(brought)
    }

    fn shared(&self, rows: u64, claim: &Claim) -> Error {
        let (by, table) = (&claim.by, &self.name);
        let (property, says) = match &claim.rows {
            Rows::Where(text) => ("dashi:iceberg_where", text.clone()),
            Rows::Of(snapshot) => ("dashi:iceberg_snapshot", snapshot.to_string()),
        };
        let rows = match rows {
            1 => "1 of these rows".to_owned(),
            _ => format!("{rows} of these rows"),
        };
        Error::new(
            Kind::Conflict,
            format!("{rows} of {table} belong to {by} as well: its {property} is {says}"),
        )
        .hint(format!(
            "have one of the two mean fewer rows, or delete {by} first"
        ))
    }
}

fn untold(claim: &Claim, why: &str) -> Error {
    let message = format!(
        "it is not known which rows are those of {}: {why}",
        claim.by
    );
    Error::new(Kind::Conflict, message)
        .hint("give that item a dashi:iceberg_where instead of its dashi:iceberg_snapshot")
}

fn unread(claim: &Claim, error: &Error) -> Error {
    let message = format!(
        "the dashi:iceberg_where of {} cannot be read, so it is not known which rows are its own",
        claim.by
    );
    Error::new(Kind::Conflict, message)
        .caused_by(error)
        .hint("mend that item, then plan again")
}
