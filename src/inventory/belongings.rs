//! What goes with an item when it is deleted, and what stays for whose sake.
//!
//! Decided object by object: what another record refers to is not the item's alone. Nothing is deleted here.

use serde::Serialize;
use serde_json::Value;

use super::catalogue::{Record, walk};
use super::claims::{Claims, Verdicts};
use super::found::{Candidate, Found, Left, Missing, Object};
use super::names::{Names, Outside};
use super::rows::TableRows;
use crate::clients::s3::S3;
use crate::clients::stac::Stac;
use crate::error::Result;
use crate::lake::Lake;

/// An object of the item that stays, since another record refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The object.
    #[serde(flatten)]
    pub object: Object,
    /// The first record that keeps it, and where that says so: `item klima/tas, assets.legend.href`.
    pub by: String,
}

/// All that an item has. Lists of objects are in the order of their uris.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Belongings {
    /// What belongs to it alone.
    pub objects: Vec<Object>,
    /// What another record refers to as well.
    pub kept: Vec<Kept>,
    /// Assets whose object is not there.
    pub missing: Vec<Missing>,
    /// Assets that lie in no bucket of the lake.
    pub foreign: Vec<Outside>,
    /// Its rows in an Iceberg table.
    pub rows: Option<TableRows>,
    /// What no asset names in its datasets, where nobody else lives in them: garbage collection takes that.
    pub left: Left,
}

/// Finds out what goes with an item when it is deleted, from the store and from the whole catalogue.
///
/// Fails where an asset is a bucket or a domain as a whole, where a bucket does not exist, and where the catalogue could
/// not be read completely: then it is not known what others keep.
pub async fn belongings(stac: &Stac, s3: &S3, lake: &Lake, item: &Value) -> Result<Belongings> {
    let names = Names::of(lake, item)?;
    let mut found = Found::read(s3, &names).await?;
    let candidates = found.candidates();
    let mut claims = Claims::new(lake, &names, &candidates);
    // After the store, so that a reference made meanwhile is seen.
    walk(stac, |record: Record<'_>| claims.add(&record)).await?;
    let verdicts = claims.verdicts();
    Ok(Belongings::of(names, found, candidates, verdicts))
}

impl Belongings {
    /// Sorts what was found by who keeps it. The verdicts are in the order of the candidates and of the item's datasets.
    pub(crate) fn of(
        names: Names,
        found: Found,
        candidates: Vec<Candidate>,
        verdicts: Verdicts,
    ) -> Belongings {
        let mut belongings = Belongings {
            objects: Vec::new(),
            kept: Vec::new(),
            missing: found.missing,
            foreign: names.outside,
            rows: verdicts.rows,
            left: Left::default(),
        };
        for (candidate, keeper) in candidates.into_iter().zip(verdicts.objects) {
            let neighbour = candidate
                .dataset
                .and_then(|dataset| verdicts.datasets.get(dataset)?.as_ref());
            let by = keeper
                .or_else(|| neighbour.map(|neighbour| format!("{neighbour}, in the same dataset")));
            let object = candidate.object;
            match by {
                Some(by) => belongings.kept.push(Kept { object, by }),
                None => belongings.objects.push(object),
            }
        }
        for (left, neighbour) in found.left.into_iter().zip(&verdicts.datasets) {
            if neighbour.is_none() {
                belongings.left.join(left);
            }
        }
        belongings
    }
}
