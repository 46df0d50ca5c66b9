//! Every record of the catalogue, with the proof that none was missed, or an error.
//!
//! The proof is counting: each collection before and after its items are read, the collections until none is new, and all
//! items together. Only one page is held at a time. What the records are read for is the visitor's business.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::clients::stac::Stac;
use crate::error::{Error, Kind, Result};

/// Items asked for a page.
const PAGE: usize = 1000;

/// So many items are read in one search of all collections.
const FEW: u64 = 5_000;

/// Listings of the collections, until one names none that was not read.
const ROUNDS: usize = 12;

/// Times that one collection is read, until it stands still meanwhile.
const TRIES: usize = 5;

/// Collections that are counted at a time.
const COUNTERS: usize = 8;

/// Collections whose items are read at a time: a page of items is a hundred times the work of a count.
const READERS: usize = 4;

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

/// Who is shown the records: one at a time, whichever collection they come from.
struct Visitor<F>(Mutex<F>);

impl<F: FnMut(Record<'_>) -> Result<()>> Visitor<F> {
    fn show(&self, record: Record<'_>) -> Result<()> {
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(record)
    }
}

/// How much a complete walk has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walked {
    /// The collections.
    pub collections: u64,
    /// The items of all of them.
    pub items: u64,
}

/// Shows every collection and every item to `visit`, several collections by turns; a record that changes while it is read
/// may be shown twice.
///
/// Fails when the catalogue cannot be read, gives fewer or other items than it counts, or changes faster than it can be
/// read; what was visited until then proves nothing. An error of `visit` ends the walk as it is.
///
/// A lake that takes data in is never quite still. So it is not the whole catalogue that must stand still, but each
/// collection while its items are read, and the listing goes on until it names no collection that was not read.
pub async fn walk(stac: &Stac, visit: impl FnMut(Record<'_>) -> Result<()>) -> Result<Walked> {
    read_all(stac, visit)
        .await
        .map_err(|error| placed(stac, error))
}

async fn read_all(stac: &Stac, visit: impl FnMut(Record<'_>) -> Result<()>) -> Result<Walked> {
    let visit = &Visitor(Mutex::new(visit));
    let mut shown = BTreeMap::new();
    // Asked first: what is made while the walk goes on can only add to what is read.
    let mut total = stac.count(json!({})).await.map_err(unread)?;
    for _ in 0..TRIES {
        if total > FEW {
            break;
        }
        match at_once(stac, total, &mut shown, visit).await? {
            Ok(walked) => return Ok(walked),
            Err(now) => total = now,
        }
    }
    let mut read: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let listed = list_collections(stac, &read, visit).await?;
        let fresh: Vec<&String> = listed.iter().filter(|id| !read.contains_key(*id)).collect();
        if fresh.is_empty() {
            return ended(stac, &listed, &read, total).await;
        }
        let counted = counts(stac, fresh.into_iter()).await?;
        let reading = counted.into_iter().map(async |(collection, count)| {
            let count = read_collection(stac, collection, count, visit).await?;
            Ok((collection.clone(), count))
        });
        let reading = stream::iter(reading).buffer_unordered(READERS);
        read.extend(reading.try_collect::<Vec<_>>().await?);
    }
    Err(changed(
        "collections were made faster than they could be read",
    ))
}

/// Reads the items of all collections in one search, which asks much less of a catalogue of many small collections. Gives
/// how many items there are by now where they changed meanwhile, or where the search does not give each item once (pgstac
/// loses its place where two collections have an item of the same id). `shown` are the collections that were visited.
async fn at_once(
    stac: &Stac,
    total: u64,
    shown: &mut BTreeMap<String, u64>,
    visit: &Visitor<impl FnMut(Record<'_>) -> Result<()>>,
) -> Result<std::result::Result<Walked, u64>> {
    let hasher = RandomState::new();
    let mut seen: Vec<u64> = Vec::new();
    let mut pages = stac.search(json!({
        "limit": PAGE,
        "fields": {"exclude": ["geometry", "bbox"]},
    }));
    while let Some(page) = pages.next().await {
        let page = match page {
            Err(error) if is_place_lost(&error) => {
                return Ok(Err(stac.count(json!({})).await.map_err(unread)?));
            }
            page => page.map_err(unread)?,
        };
        for item in &page {
            let id = id_of(item, "an item")?;
            let collection = item["collection"]
                .as_str()
                .ok_or_else(|| incomplete(&format!("the item '{id}' names no collection")))?;
            check_assets(item, collection, id)?;
            seen.push(hasher.hash_one((collection, id)));
            visit.show(Record::Item {
                collection,
                id,
                item,
            })?;
        }
        if number(seen.len()) > total {
            break;
        }
    }
    seen.sort_unstable();
    seen.dedup();
    // After the items: one that was made meanwhile has a collection that is listed now.
    let listed = list_collections(stac, shown, visit).await?;
    shown.extend(listed.iter().map(|id| (id.clone(), 0)));
    let after = stac.count(json!({})).await.map_err(unread)?;
    if number(seen.len()) != total || after != total {
        return Ok(Err(after));
    }
    Ok(Ok(Walked {
        collections: number(listed.len()),
        items: total,
    }))
}

/// Every collection that is listed was read; these are all if they hold as many items as the catalogue counted.
async fn ended(
    stac: &Stac,
    listed: &BTreeSet<String>,
    read: &BTreeMap<String, u64>,
    total: u64,
) -> Result<Walked> {
    let walked = Walked {
        collections: number(listed.len()),
        items: read.values().sum(),
    };
    if walked.items >= total {
        return Ok(walked);
    }
    // Items that were deleted meanwhile are missing now, and are missing from the next count too.
    let now = stac.count(json!({})).await.map_err(unread)?;
    let missing = match check_total(walked.items, now) {
        Ok(()) => return Ok(walked),
        Err(error) => error,
    };
    // Where others were made, the collections that were read must hold by now what the catalogue counts by now.
    for _ in 0..TRIES {
        let held: u64 = counts(stac, listed.iter()).await?.values().sum();
        if held == stac.count(json!({})).await.map_err(unread)? {
            return Ok(walked);
        }
    }
    Err(missing)
}

/// Reads a collection until it stood still while it was read. Gives how many items it holds.
async fn read_collection(
    stac: &Stac,
    collection: &str,
    count: u64,
    visit: &Visitor<impl FnMut(Record<'_>) -> Result<()>>,
) -> Result<u64> {
    let mut expected = count;
    let (mut last, mut doubt) = (None, None);
    for _ in 0..TRIES {
        if expected == 0 {
            return Ok(0);
        }
        match read_items(stac, collection, expected, visit).await {
            Ok(()) => {
                let after = self::count(stac, collection).await?;
                match check_unchanged(collection, expected, after) {
                    Ok(()) => return Ok(expected),
                    Err(error) => last = Some(error),
                }
                expected = after;
            }
            Err(error) if error.kind() == Kind::Conflict => {
                last = Some(error);
                expected = self::count(stac, collection).await?;
            }
            // An item that went and came back between the counts is missing once; a catalogue that contradicts itself
            // does so each time.
            Err(error) if error.kind() == Kind::Protocol || is_place_lost(&error) => {
                doubt.get_or_insert(error);
                expected = self::count(stac, collection).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(doubt
        .or(last)
        .unwrap_or_else(|| changed(&format!("collection '{collection}' did not stand still"))))
}

/// Visits every collection that was not read yet. Gives the ids of all.
async fn list_collections(
    stac: &Stac,
    read: &BTreeMap<String, u64>,
    visit: &Visitor<impl FnMut(Record<'_>) -> Result<()>>,
) -> Result<BTreeSet<String>> {
    let mut last = None;
    for _ in 0..TRIES {
        let counted = stac.collection_count().await.map_err(unread)?;
        let mut ids = BTreeSet::new();
        let mut pages = stac.collections(Some(PAGE));
        while let Some(page) = pages.next().await {
            for collection in &page.map_err(unread)? {
                let id = id_of(collection, "a collection")?;
                if !ids.insert(id.to_owned()) {
                    return Err(incomplete(&format!("it lists the collection '{id}' twice")));
                }
                if !read.contains_key(id) {
                    visit.show(Record::Collection { id, collection })?;
                }
            }
        }
        let listed = number(ids.len());
        match counted {
            // One that was deleted between the count and the listing is missing from the next count too.
            Some(counted) if counted > listed => {
                last = Some(incomplete(&format!(
                    "it counts {counted} collections, and lists {listed}"
                )));
            }
            _ => return Ok(ids),
        }
    }
    Err(last.unwrap_or_else(|| incomplete("its collections could not be listed")))
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
    visit: &Visitor<impl FnMut(Record<'_>) -> Result<()>>,
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
            check_assets(item, collection, id)?;
            ids.push(hasher.hash_one(id));
            visit.show(Record::Item {
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

/// An item without its assets is not whole: somebody left them out on the way.
fn check_assets(item: &Value, collection: &str, id: &str) -> Result<()> {
    if item["assets"].is_object() {
        return Ok(());
    }
    Err(incomplete(&format!(
        "the item '{id}' of collection '{collection}' has no assets"
    )))
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

/// Whether the search may have lost its place: pgstac answers 500 to a page's token once the item that it names is deleted.
/// A search from the start answers then, or fails again for another reason.
fn is_place_lost(error: &Error) -> bool {
    error.detail().status == Some(500)
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

/// What no single answer is to blame for says at least which catalogue it was.
fn placed(stac: &Stac, error: Error) -> Error {
    let detail = error.detail();
    if detail.service.as_deref() == Some("stac") && detail.url.is_none() {
        return error.request("stac", "search", stac.url());
    }
    error
}

fn at_service(mut error: Error) -> Error {
    error.detail_mut().service = Some("stac".to_owned());
    error
}
