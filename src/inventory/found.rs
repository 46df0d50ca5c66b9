//! What the store holds of an item: the objects that its assets name, those below its directories, the sidecars of its
//! datasets, and what else lies there.
//!
//! Every object once, under the strongest reason to be the item's. Whether it is the item's alone is `claims`.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;

use super::names::{Named, Names};
use crate::clients::s3::S3;
use crate::error::{Error, Kind, Result};
use crate::lake::PrefixRef;

/// The name of the file that describes a dataset and lies beside its data.
const SIDECAR: &str = "_metadata.json";

/// Assets that are looked at at a time.
const READERS: usize = 8;

/// Uris of leftovers that are given as examples.
const SAMPLES: usize = 3;

/// An object of the store, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    /// `s3://bucket/key`
    pub uri: String,
    /// The bucket.
    pub bucket: String,
    /// The raw key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its ETag, without quotes.
    pub etag: Option<String>,
    /// When it was written (RFC 3339); whole seconds where the object was asked for by its own name.
    pub last_modified: Option<String>,
    /// Its version, where the bucket has versions and the object was asked for by its own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The asset it is of, or `sidecar`.
    pub asset: String,
}

impl Object {
    /// The object of a listing's row or of a HEAD.
    pub(crate) fn of(row: &Value, asset: &str) -> Result<Object> {
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        let lacks = |name: &str| {
            Error::new(
                Kind::Protocol,
                format!("s3 gave an object without its {name}: {row}"),
            )
        };
        Ok(Object {
            uri: text("uri").ok_or_else(|| lacks("uri"))?,
            bucket: text("bucket").ok_or_else(|| lacks("bucket"))?,
            key: text("key").ok_or_else(|| lacks("key"))?,
            size: row["size"].as_u64().ok_or_else(|| lacks("size"))?,
            etag: text("etag"),
            last_modified: text("last_modified"),
            version_id: text("version_id"),
            asset: asset.to_owned(),
        })
    }
}

/// What nobody names in a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// How many objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// A few of them.
    pub samples: Vec<String>,
}

impl Left {
    fn add(&mut self, object: Object) {
        self.objects += 1;
        self.bytes += object.size;
        if self.samples.len() < SAMPLES {
            self.samples.push(object.uri);
        }
    }

    /// Takes in another dataset's.
    pub(crate) fn join(&mut self, other: Left) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        let room = SAMPLES - self.samples.len();
        self.samples.extend(other.samples.into_iter().take(room));
    }
}

/// An asset whose object is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The asset.
    pub asset: String,
    /// Its href, without what a signature or a password could stand in.
    pub href: String,
    /// The object or directory that it names.
    pub uri: String,
}

/// An object that may go with the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The object.
    pub(crate) object: Object,
    /// The dataset that it describes, for a sidecar: an index into the item's.
    pub(crate) dataset: Option<usize>,
}

/// What the store holds of an item. Maps are by uri.
#[derive(Debug, Default)]
pub(crate) struct Found {
    exact: BTreeMap<String, Object>,
    below: BTreeMap<String, Object>,
    sidecars: BTreeMap<String, Candidate>,
    /// What is missing.
    pub(crate) missing: Vec<Missing>,
    /// What nobody names, for each of the item's datasets.
    pub(crate) left: Vec<Left>,
}

impl Found {
    /// Looks for everything that the item names.
    pub(crate) async fn read(s3: &S3, names: &Names) -> Result<Found> {
        let mut found = Found::default();
        let looks = names
            .named
            .iter()
            .map(|named| async move { Ok((named, look(s3, named).await?)) });
        let mut looks = stream::iter(looks).buffered(READERS);
        while let Some(look) = looks.next().await {
            let (named, (exact, below)) = look?;
            found.add_named(names, named, exact, below)?;
        }
        for dataset in &names.datasets {
            found.left.push(Left::default());
            let mut pages = s3.list(&dataset.bucket, &dataset.prefix, None);
            while let Some(page) = pages.next().await {
                found.add_dataset(rows(&page?, dataset, "sidecar")?);
            }
        }
        Ok(found)
    }

    /// Takes in what lies at and below a named place. Fails where a domain as a whole lies below it.
    pub(crate) fn add_named(
        &mut self,
        names: &Names,
        named: &Named,
        exact: Option<Object>,
        below: Vec<Object>,
    ) -> Result<()> {
        match exact {
            Some(object) => {
                let uri = object.uri.clone();
                self.exact.entry(uri).or_insert(object);
                // `s3://raw/readme` is that object; what lies in `readme/` as well is a domain of its own.
                if named.is_root() {
                    return Ok(());
                }
            }
            None if below.is_empty() => self.missing.push(Missing {
                asset: named.asset.clone(),
                href: named.href.clone(),
                uri: named.at.to_string(),
            }),
            None if named.is_root() => return Err(names.refused(named)),
            None => {}
        }
        for object in below {
            self.below.entry(object.uri.clone()).or_insert(object);
        }
        Ok(())
    }

    /// Takes in objects of the dataset that was begun last: its sidecars, and the count of what no asset names.
    pub(crate) fn add_dataset(&mut self, objects: Vec<Object>) {
        let Some(dataset) = self.left.len().checked_sub(1) else {
            return;
        };
        for object in objects {
            if is_sidecar(&object.key) {
                let dataset = Some(dataset);
                let uri = object.uri.clone();
                self.sidecars.insert(uri, Candidate { object, dataset });
            } else if !self.exact.contains_key(&object.uri) && !self.below.contains_key(&object.uri)
            {
                self.left[dataset].add(object);
            }
        }
    }

    /// Every object once, in the order of their uris: a sidecar is one even inside of a directory asset, unless an asset
    /// names it.
    pub(crate) fn candidates(&mut self) -> Vec<Candidate> {
        let plain = |(uri, object)| {
            let dataset = None;
            (uri, Candidate { object, dataset })
        };
        let below = std::mem::take(&mut self.below);
        let mut all: BTreeMap<String, Candidate> = below.into_iter().map(plain).collect();
        all.append(&mut self.sidecars);
        all.extend(std::mem::take(&mut self.exact).into_iter().map(plain));
        all.into_values().collect()
    }
}

fn is_sidecar(key: &str) -> bool {
    key.rsplit('/').next() == Some(SIDECAR)
}

/// What lies at a named place and below it. Of what lies below a root only whether there is something is asked.
async fn look(s3: &S3, named: &Named) -> Result<(Option<Object>, Vec<Object>)> {
    let exact = if named.is_directory() {
        None
    } else {
        head(s3, named).await?
    };
    let within = PrefixRef {
        bucket: named.at.bucket.clone(),
        prefix: named.below(),
    };
    let mut below = Vec::new();
    if exact.is_some() && named.is_root() {
        return Ok((exact, below));
    }
    let mut pages = s3.list(&within.bucket, &within.prefix, None);
    while let Some(page) = pages.next().await {
        below.append(&mut rows(&page?, &within, &named.asset)?);
        if named.is_root() && !below.is_empty() {
            break;
        }
    }
    Ok((exact, below))
}

/// The object, where there is one. A missing bucket is an error.
async fn head(s3: &S3, named: &Named) -> Result<Option<Object>> {
    match s3.head(&named.at.bucket, &named.at.key).await {
        Ok(row) => Object::of(&row, &named.asset).map(Some),
        // HEAD answers 404 for a missing bucket as well, and says no more: that is no absent object.
        Err(error) if error.kind() == Kind::NotFound => {
            s3.check_bucket(&named.at.bucket).await?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The objects of a page of a listing, each of which must be one that was asked for.
fn rows(page: &[Value], within: &PrefixRef, asset: &str) -> Result<Vec<Object>> {
    let object = |row: &Value| {
        let object = Object::of(row, asset)?;
        if object.bucket == within.bucket && object.key.starts_with(&within.prefix) {
            return Ok(object);
        }
        let uri = object.uri;
        Err(Error::new(
            Kind::Protocol,
            format!("asked for the objects of {within}, s3 gave {uri}, which is none of them"),
        ))
    };
    page.iter().map(object).collect()
}
