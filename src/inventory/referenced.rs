//! Which objects the catalogue refers to, as one set that answers for any key.
//!
//! It holds fingerprints: two texts that share one keep an object too many, and never lose one. They are seeded anew in
//! each run, so that what was kept by chance goes the next time.

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::catalogue::{Record, walk};
use crate::clients::stac::Stac;
use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, Place, strings};

/// What the catalogue refers to.
#[derive(Debug, Default)]
pub struct Referenced {
    fingerprints: HashSet<u64>,
    hasher: RandomState,
    buckets: BTreeSet<String>,
}

impl Referenced {
    /// Reads it from the whole catalogue, or fails.
    pub async fn read(stac: &Stac, lake: &Lake) -> Result<Referenced> {
        Referenced::read_without(stac, lake, &[]).await
    }

    /// The same, as it will be when these items are gone.
    pub async fn read_without(
        stac: &Stac,
        lake: &Lake,
        going: &[(String, String)],
    ) -> Result<Referenced> {
        let mut referenced = Referenced::default();
        walk(stac, |record| {
            let is_going = matches!(record, Record::Item { collection, id, .. }
                if going.iter().any(|(c, i)| c == collection && i == id));
            if is_going {
                return Ok(());
            }
            referenced.add(lake, &record)
        })
        .await?;
        Ok(referenced)
    }

    /// Takes in what one record refers to. A live item keeps its dataset's folder in every bucket.
    pub(crate) fn add(&mut self, lake: &Lake, record: &Record<'_>) -> Result<()> {
        for found in strings(record.value()) {
            let references = lake.references(found.text);
            references
                .places()
                .iter()
                .for_each(|place| self.keep(place));
            if !references.is_complete() && matches!(record, Record::Collection { .. }) {
                let message = format!(
                    "what {} refers to at {} cannot be told",
                    record.name(),
                    found.path()
                );
                return Err(Error::new(Kind::Protocol, message)
                    .hint("correct that text: nothing is deleted while it stands"));
            }
        }
        if let Record::Item { collection, id, .. } = record {
            self.insert(None, &format!("{collection}/{id}/"));
        }
        Ok(())
    }

    fn keep(&mut self, place: &Place) {
        match place {
            Place::Object(at) => self.insert(Some(&at.bucket), &at.key),
            Place::Prefix(at) => self.insert(Some(&at.bucket), &at.prefix),
            Place::Bucket(bucket) => {
                self.buckets.insert(bucket.clone());
            }
            Place::Foreign(foreign) => foreign
                .suffixes()
                .for_each(|suffix| self.insert(None, suffix)),
        }
    }

    /// Keeps a path and all below it, in one bucket or in any.
    fn insert(&mut self, bucket: Option<&str>, path: &str) {
        let path = path.strip_suffix('/').unwrap_or(path);
        self.fingerprints
            .insert(self.hasher.hash_one((bucket, path)));
    }

    /// Whether something refers to this object, or to a folder above it.
    #[must_use]
    pub fn has(&self, bucket: &str, key: &str) -> bool {
        let is_in = |path: &str| {
            let of = |bucket: Option<&str>| {
                self.fingerprints
                    .contains(&self.hasher.hash_one((bucket, path)))
            };
            of(Some(bucket)) || of(None)
        };
        let mut above = key.match_indices('/').map(|(slash, _)| &key[..slash]);
        self.buckets.contains(bucket)
            || is_in(key.strip_suffix('/').unwrap_or(key))
            || above.any(is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::lake;
    use serde_json::json;

    #[test]
    fn what_an_item_names_and_what_lies_below_is_kept_in_every_spelling() {
        let lake = lake();
        let item = json!({"assets": {
            "a": {"href": "s3a://processed/d/x/scene%20.tif"},
            "b": {"href": "http://rustfs.dashi-platform.svc.cluster.local:9000/processed/d/y/vector"},
            "c": {"href": "https://elsewhere.example/mirror/d/z/scene.tif"},
        }});
        let mut referenced = Referenced::default();
        let record = Record::Item {
            collection: "other",
            id: "set",
            item: &item,
        };
        referenced.add(&lake, &record).unwrap();
        for key in [
            "d/x/scene%20.tif",
            "d/y/vector/h3=1/part.parquet",
            "d/z/scene.tif",
            "other/set/raster/scene.tif",
        ] {
            assert!(referenced.has("processed", key), "{key}");
        }
        for key in [
            "d/x/other.tif",
            "d/y/vectors/part.parquet",
            "other/sets/scene.tif",
            "d",
        ] {
            assert!(!referenced.has("processed", key), "{key}");
        }
    }
}
