//! Every record of the catalogue, with the proof that none was missed, or an error.
//!
//! The proof is counting: each collection before and after its items are read, the set of collections at both ends, and
//! all items together. Only one page is held at a time. What the records are read for is the visitor's business.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::clients::stac::Stac;
use crate::error::{Error, Kind, Result};

/// Items asked for a page.
const PAGE: usize = 1000;

/// Collections that are counted at a time.
const COUNTERS: usize = 8;

/// One record of the catalogue.
#[derive(Debug, Clone, Copy)]
pub enum Record<'a> {
    /// A collection.
    Collection {
        /// Its id.
        id: &'a str,
        /// The whole record.
        collection: &'a Value,
    },
    /// An item, without its geometry and bounding box, in which no reference can stand.
    Item {
        /// The collection it is in.
        collection: &'a str,
        /// Its id, which an item of another collection may have as well.
        id: &'a str,
        /// The record.
        item: &'a Value,
    },
}

impl<'a> Record<'a> {
    /// The record itself.
    #[must_use]
    pub fn value(&self) -> &'a Value {
        match *self {
            Record::Collection { collection, .. } => collection,
            Record::Item { item, .. } => item,
        }
    }

    /// What a message calls it: `item klima/tas`, `collection klima`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Record::Collection { id, .. } => format!("collection {id}"),
            Record::Item { collection, id, .. } => format!("item {collection}/{id}"),
        }
    }
}

/// How much a complete walk has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// The collections.
    pub collections: u64,
    /// The items of all of them.
    pub items: u64,
}

/// Shows every collection, then every item of one collection after the other, to `visit`.
///
/// Fails when the catalogue cannot be read, changes while it is read, or gives fewer or other items than it counts; what
/// was visited until then proves nothing. An error of `visit` ends the walk as it is.
pub async fn walk(stac: &Stac, mut visit: impl FnMut(Record<'_>) -> Result<()>) -> Result<Walked> {
    let collections = list_collections(stac, &mut visit).await?;
    let mut before = counts(stac, collections.iter()).await?;
    // What is empty now is seen to be still empty by the count of all items together.
    before.retain(|_, count| *count > 0);
    for (collection, count) in &before {
        read_items(stac, collection, *count, &mut visit).await?;
    }
    let after = counts(stac, before.keys().copied()).await?;
    for (collection, count) in &before {
        let now = after.get(collection).copied().unwrap_or_default();
        check_unchanged(collection, *count, now)?;
    }
    check_collections(stac, &collections).await?;
    let items = before.values().sum();
    check_total(items, stac.count(json!({})).await.map_err(unread)?)?;
    Ok(Walked {
        collections: number(collections.len()),
        items,
    })
}

/// Visits every collection. Gives their ids.
async fn list_collections(
    stac: &Stac,
    visit: &mut impl FnMut(Record<'_>) -> Result<()>,
) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    let mut pages = stac.collections(Some(PAGE));
    while let Some(page) = pages.next().await {
        for collection in &page.map_err(unread)? {
            let id = id_of(collection, "a collection")?;
            if !ids.insert(id.to_owned()) {
                return Err(incomplete(&format!("it lists the collection '{id}' twice")));
            }
            visit(Record::Collection { id, collection })?;
        }
    }
    Ok(ids)
}

/// Fails unless these are all collections, still.
async fn check_collections(stac: &Stac, collections: &BTreeSet<String>) -> Result<()> {
    let after = list_collections(stac, &mut |_| Ok(())).await?;
    if let Some(other) = collections.symmetric_difference(&after).next() {
        let is_new = after.contains(other);
        let what = if is_new { "is new" } else { "is gone" };
        return Err(changed(&format!("collection '{other}' {what}")));
    }
    let listed = number(collections.len());
    match stac.collection_count().await.map_err(unread)? {
        Some(counted) if counted != listed => Err(incomplete(&format!(
            "it counts {counted} collections, and lists {listed}"
        ))),
        _ => Ok(()),
    }
}

/// How many items each of these collections has.
async fn counts<'a>(
    stac: &Stac,
    collections: impl Iterator<Item = &'a String>,
) -> Result<BTreeMap<&'a String, u64>> {
    let counting = collections.map(|id| async move { Ok((id, count(stac, id).await?)) });
    stream::iter(counting)
        .buffer_unordered(COUNTERS)
        .try_collect()
        .await
}

async fn count(stac: &Stac, collection: &str) -> Result<u64> {
    let counted = stac.count(json!({"collections": [collection]})).await;
    counted.map_err(unread)
}

/// Visits every item of a collection, of which there must be so many.
async fn read_items(
    stac: &Stac,
    collection: &str,
    expected: u64,
    visit: &mut impl FnMut(Record<'_>) -> Result<()>,
) -> Result<()> {
    let hasher = RandomState::new();
    let mut ids: Vec<u64> = Vec::new();
    let mut pages = stac.search(json!({
        "collections": [collection],
        "limit": PAGE,
        "fields": {"exclude": ["geometry", "bbox"]},
    }));
    while let Some(page) = pages.next().await {
        for item in &page.map_err(unread)? {
            let id = id_of(item, &format!("an item of collection '{collection}'"))?;
            check_collection(item, collection, id)?;
            ids.push(hasher.hash_one(id));
            visit(Record::Item {
                collection,
                id,
                item,
            })?;
        }
        if number(ids.len()) > expected {
            break;
        }
    }
    let read = number(ids.len());
    ids.sort_unstable();
    ids.dedup();
    let distinct = number(ids.len());
    if read == expected && distinct == expected {
        return Ok(());
    }
    // Counted again, to tell a change from a catalogue that contradicts itself.
    check_unchanged(collection, expected, count(stac, collection).await?)?;
    Err(if distinct < read {
        incomplete(&format!(
            "of {read} items of collection '{collection}' only {distinct} have an id of their own"
        ))
    } else {
        incomplete(&format!(
            "collection '{collection}' counts {expected} items, and {read} were read"
        ))
    })
}

fn check_unchanged(collection: &str, before: u64, after: u64) -> Result<()> {
    if before == after {
        return Ok(());
    }
    Err(changed(&format!(
        "collection '{collection}' had {before} items before and {after} after"
    )))
}

/// A listing of collections that ends too early does so each time; the items of the others are missing here.
fn check_total(read: u64, counted: u64) -> Result<()> {
    if read == counted {
        return Ok(());
    }
    Err(incomplete(&format!(
        "it counts {counted} items, and its collections hold {read}"
    )))
}

fn id_of<'a>(record: &'a Value, what: &str) -> Result<&'a str> {
    let id = record["id"].as_str().filter(|id| !id.is_empty());
    id.ok_or_else(|| incomplete(&format!("{what} has no id")))
}

fn check_collection(item: &Value, collection: &str, id: &str) -> Result<()> {
    if item["collection"] == collection {
        return Ok(());
    }
    Err(incomplete(&format!(
        "asked for collection '{collection}', it gave the item '{id}' of collection {}",
        item["collection"]
    )))
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The service failed.
fn unread(mut error: Error) -> Error {
    let detail = error.detail_mut();
    detail.message = format!(
        "the catalogue could not be read completely, so nothing was planned: {}",
        detail.message
    );
    error.hint("run it again when the catalogue answers")
}

/// Somebody wrote while it was read.
fn changed(what: &str) -> Error {
    let message =
        format!("the catalogue changed while it was read, so nothing was planned: {what}");
    at_service(Error::new(Kind::Conflict, message)).hint("run it again")
}

/// What was read is not what the catalogue says it holds.
fn incomplete(what: &str) -> Error {
    let message =
        format!("the catalogue could not be read completely, so nothing was planned: {what}");
    at_service(Error::new(Kind::Protocol, message))
        .hint("run it again; if it says the same, the catalogue's answers cannot be relied on")
}

fn at_service(mut error: Error) -> Error {
    error.detail_mut().service = Some("stac".to_owned());
    error
}
