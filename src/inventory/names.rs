//! What an item says about itself: the places its assets name, its datasets in the buckets, its table.
//!
//! Only the item is read. What the store holds of it is `found`, what others keep of it is `claims`.

use serde::Serialize;
use serde_json::Value;

use super::rows::TableRows;
use crate::clients::stac::collection_of;
use crate::error::{Error, Kind, Result};
use crate::lake::{Foreign, Lake, ObjectRef, Place, PrefixRef, Role, without_secrets};

/// An asset that lies in no bucket of the lake, and stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// The asset.
    pub asset: String,
    /// Its href, without what a signature or a password could stand in.
    pub href: String,
    /// Why it is none of the lake's.
    pub why: String,
}

/// One place in the lake that an asset names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// The asset.
    pub(crate) asset: String,
    /// The href as it may be shown.
    pub(crate) href: String,
    /// The object; a key that ends in a slash is a directory.
    pub(crate) at: ObjectRef,
}

impl Named {
    /// Whether the href has a directory's final slash.
    pub(crate) fn is_directory(&self) -> bool {
        self.at.key.ends_with('/')
    }

    /// What the keys below it begin with.
    pub(crate) fn below(&self) -> String {
        let slash = if self.is_directory() { "" } else { "/" };
        format!("{}{slash}", self.at.key)
    }

    /// Whether what lies below it is a whole bucket or a whole domain.
    pub(crate) fn is_root(&self) -> bool {
        let mut segments = self.at.key.split('/').filter(|segment| !segment.is_empty());
        segments.nth(1).is_none()
    }
}

/// All that an item says about where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The collection it is in.
    pub(crate) collection: String,
    /// Its id.
    pub(crate) id: String,
    /// What its assets name in the lake.
    pub(crate) named: Vec<Named>,
    /// What its assets name elsewhere.
    pub(crate) outside: Vec<Outside>,
    /// Where its datasets lie: none of them holds another.
    pub(crate) datasets: Vec<PrefixRef>,
    /// Its rows in an Iceberg table.
    pub(crate) rows: Option<TableRows>,
}

impl Names {
    /// Reads an item. Fails where it has no id or collection, and where an asset is a bucket or a domain as a whole.
    pub(crate) fn of(lake: &Lake, item: &Value) -> Result<Names> {
        let id = item["id"].as_str().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Error::usage("the item has no 'id' (a string)"))?;
        let collection = collection_of(item)?;
        if collection.is_empty() {
            return Err(Error::usage(format!(
                "the collection of the item '{id}' has no name"
            )));
        }
        let mut names = Names {
            collection: collection.to_owned(),
            id: id.to_owned(),
            named: Vec::new(),
            outside: Vec::new(),
            datasets: Vec::new(),
            rows: TableRows::of(item),
        };
        for (asset, href) in hrefs(item)? {
            names.add(lake, asset, href)?;
        }
        names.datasets = names.find_datasets(lake);
        Ok(names)
    }

    fn add(&mut self, lake: &Lake, asset: &str, href: &Value) -> Result<()> {
        let asset = asset.to_owned();
        let (href, at) = match href.as_str() {
            Some(text) => (shown(text), stored(lake, text)),
            None => (String::new(), Err("the asset has no href".to_owned())),
        };
        match at {
            Ok(at) => {
                let named = Named { asset, href, at };
                if (named.at.key.is_empty() || named.is_directory()) && named.is_root() {
                    return Err(self.refused(&named));
                }
                self.named.push(named);
            }
            Err(why) => self.outside.push(Outside { asset, href, why }),
        }
        Ok(())
    }

    /// The error for an asset that is a bucket or a domain as a whole.
    pub(crate) fn refused(&self, named: &Named) -> Error {
        let Named { asset, href, at } = named;
        let Names { collection, id, .. } = self;
        let whole = if at.key.is_empty() {
            format!("the bucket '{}'", at.bucket)
        } else {
            format!("a whole domain, s3://{}/{}", at.bucket, named.below())
        };
        let message = format!(
            "asset '{asset}' of item {collection}/{id} has the href '{href}', which is {whole}: deleting the item would \
             delete everything in it"
        );
        Error::new(Kind::Conflict, message)
            .hint("correct the href with stac::put_item, or remove the asset from the item")
    }

    /// `<collection>/<dataset>/` in which an asset lies, and `<collection>/<id>/` in each bucket that has an asset.
    fn find_datasets(&self, lake: &Lake) -> Vec<PrefixRef> {
        let above = self.named.iter().filter_map(|named| {
            Some(PrefixRef {
                bucket: named.at.bucket.clone(),
                prefix: self.dataset_of(named)?,
            })
        });
        let buckets = self.named.iter().map(|named| named.at.bucket.as_str());
        let own = buckets
            .chain([lake.bucket(Role::Processed)])
            .map(|bucket| PrefixRef {
                bucket: bucket.to_owned(),
                prefix: format!("{}/{}/", self.collection, self.id),
            });
        let mut datasets: Vec<PrefixRef> = above.chain(own).collect();
        // In order, a prefix comes right before those that it holds, which `dedup_by` then compares with it.
        datasets.sort_unstable();
        datasets.dedup_by(|inner, outer| {
            inner.bucket == outer.bucket && inner.prefix.starts_with(&outer.prefix)
        });
        datasets
    }

    /// The first two segments of where it lies, in the item's own domain. What is no directory has none below it.
    fn dataset_of(&self, named: &Named) -> Option<String> {
        let below = named.below();
        let mut segments = below.splitn(3, '/');
        let (domain, dataset, _) = (segments.next()?, segments.next()?, segments.next()?);
        let is_dataset = domain == self.collection && !dataset.is_empty();
        is_dataset.then(|| format!("{domain}/{dataset}/"))
    }
}

/// The hrefs of an item's assets and of their alternates, each with the asset's name.
fn hrefs(item: &Value) -> Result<Vec<(&str, &Value)>> {
    let assets = match &item["assets"] {
        Value::Object(assets) => assets,
        Value::Null => return Ok(Vec::new()),
        _ => {
            let message = format!("the assets of the item {} are no object", item["id"]);
            return Err(Error::new(Kind::Invalid, message).hint("correct it with stac::put_item"));
        }
    };
    let mut hrefs = Vec::new();
    for (name, asset) in assets {
        hrefs.push((name.as_str(), &asset["href"]));
        let alternates = asset["alternate"].as_object().into_iter().flatten();
        hrefs.extend(alternates.map(|(_, alternate)| (name.as_str(), &alternate["href"])));
    }
    Ok(hrefs)
}

/// The object or directory of the lake that an href means; an empty key is its bucket as a whole. The error says why it
/// is none of the lake's.
fn stored(lake: &Lake, href: &str) -> Result<ObjectRef, String> {
    let (bucket, key) = match lake.place(href) {
        Some(Place::Object(ObjectRef { bucket, key })) => (bucket, key),
        Some(Place::Prefix(PrefixRef { bucket, prefix })) => (bucket, prefix),
        Some(Place::Bucket(bucket)) => (bucket, String::new()),
        Some(Place::Foreign(foreign)) => return Err(why_foreign(&foreign)),
        None => return Err("it is no place in an object store".to_owned()),
    };
    if !lake.has_bucket(&bucket) {
        return Err(format!("'{bucket}' is not a bucket of the lake"));
    }
    Ok(ObjectRef { bucket, key })
}

fn why_foreign(foreign: &Foreign) -> String {
    match foreign.host() {
        Some(host) => format!(
            "'{host}' is not a known host of the object store; if it is one, add it to s3.aliases"
        ),
        None => "it is a path without scheme and host".to_owned(),
    }
}

/// The href without its query: the signatures of the many kinds of signed URLs all stand there.
fn shown(href: &str) -> String {
    let (path, more) = match href.split_once('?') {
        Some((path, _)) if href.contains("://") => (path, "?…"),
        _ => (href, ""),
    };
    format!("{}{more}", without_secrets(path))
}
