//! The folders that tables write to, as their metadata says: their locations, and where their properties put files. Nothing in
//! them is anybody's but the table's, whatever a catalogue of items knows.

use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::iceberg::Tables;
use crate::error::Result;
use crate::lake::{Lake, ObjectRef, PrefixRef};

/// The properties that put files of a table elsewhere than below its location.
const ELSEWHERE: [&str; 3] = [
    "write.data.path",
    "write.metadata.path",
    "write.object-storage.path",
];
/// So many tables are loaded at once.
const AT_ONCE: usize = 4;

/// The folders of all tables of a catalogue.
#[derive(Debug, Clone, Default)]
pub struct Folders(Vec<PrefixRef>);

impl Folders {
    /// Those of all tables. Fails where one cannot be told.
    pub async fn of_all(catalogue: &Tables, lake: &Lake) -> Result<Folders> {
        let names = catalogue.every().await?;
        let loads = names.iter().map(async |name| {
            let found = catalogue.table(name).await?;
            let metadata = &found["metadata"];
            let location = metadata["location"].as_str().unwrap_or_default();
            of_table(lake, location, |name| {
                metadata["properties"].get(name).and_then(Value::as_str)
            })
        });
        let all = futures::stream::iter(loads).buffered(AT_ONCE);
        let all: Vec<Vec<PrefixRef>> = all.try_collect().await?;
        Ok(Folders(all.concat()))
    }

    /// Whether an object lies in one of them.
    #[must_use]
    pub fn cover(&self, at: &ObjectRef) -> bool {
        self.0.iter().any(|folder| is_below(at, folder))
    }

    /// What keys of a bucket begin with that are in one of them; an empty text for all of them.
    pub fn within<'a>(&'a self, bucket: &'a str) -> impl Iterator<Item = &'a str> {
        let all = self.0.iter().filter(move |folder| folder.bucket == bucket);
        all.map(|folder| folder.prefix.as_str())
    }
}

/// The folders that one table writes to: its location first.
pub fn of_table<'a>(
    lake: &Lake,
    location: &'a str,
    property: impl Fn(&'static str) -> Option<&'a str>,
) -> Result<Vec<PrefixRef>> {
    let said = ELSEWHERE.into_iter().filter_map(property);
    let all = std::iter::once(location).chain(said);
    all.map(|location| folder(lake, location)).collect()
}

/// The folder at a location, with its slash; a bucket as a whole is one with an empty name.
pub fn folder(lake: &Lake, location: &str) -> Result<PrefixRef> {
    let slashed = format!("{}/", location.trim_end_matches('/'));
    let rest = ["s3://", "s3a://", "s3n://"]
        .iter()
        .find_map(|scheme| slashed.strip_prefix(scheme));
    match rest.and_then(|rest| rest.split_once('/')) {
        Some((bucket, prefix)) => Ok(PrefixRef {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        }),
        None => lake.locate_prefix(&slashed),
    }
}

/// Whether an object lies in a folder, and the folder is not a bucket as a whole.
#[must_use]
pub fn is_below(at: &ObjectRef, folder: &PrefixRef) -> bool {
    !folder.prefix.is_empty()
        && at.bucket == folder.bucket
        && at.key.len() > folder.prefix.len()
        && at.key.starts_with(&folder.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::lake;

    #[test]
    fn the_folder_of_a_location_ends_in_a_slash_however_it_is_spelt() {
        for (location, bucket, prefix) in [
            ("s3://curated/iceberg/a", "curated", "iceberg/a/"),
            ("s3a://curated/iceberg/a/", "curated", "iceberg/a/"),
            ("s3n://curated/a b%20", "curated", "a b%20/"),
            ("s3://curated", "curated", ""),
            ("http://localhost:9000/curated/a", "curated", "a/"),
        ] {
            let found = folder(&lake(), location).unwrap();
            let found = (found.bucket.as_str(), found.prefix.as_str());
            assert_eq!(found, (bucket, prefix));
        }
        assert!(folder(&lake(), "hdfs://nn/warehouse/a").is_err());
    }

    #[test]
    fn a_table_also_writes_where_its_properties_say() {
        let properties = |name: &str| (name == "write.data.path").then_some("s3://curated/d");
        let folders = of_table(&lake(), "s3://curated/t", properties).unwrap();
        let prefixes: Vec<&str> = folders.iter().map(|at| at.prefix.as_str()).collect();
        assert_eq!(prefixes, ["t/", "d/"]);
    }
}
