//! Tests of what is decided about an item, on a store and a catalogue that are plain lists.

mod case;
mod datasets;
mod names;
mod passes;
mod random;
mod shared;
mod shelf;
mod walking;
mod world;

use serde_json::{Value, json};

use super::belongings::Belongings;
use super::catalogue::Record;
use super::claims::Claims;
use super::found::{Found, Left, Object};
use super::names::{Named, Names};
use crate::error::Result;
use crate::lake::{IN_CLUSTER, Lake, Settings};

/// The href under which the flows write what lies in the processed bucket.
fn flow(key: &str) -> String {
    format!("http://{IN_CLUSTER}/processed/{key}")
}

pub(crate) fn lake() -> Lake {
    Lake::new(&Settings {
        endpoint: "http://localhost:9000",
        aliases: &[],
        landing: "landing",
        processed: "processed",
        curated: "curated",
        others: &[],
        services: &[("stac_url", "http://localhost:8082")],
    })
    .unwrap()
}

/// An item with one asset an href: `a0`, `a1`, …
fn item(collection: &str, id: &str, hrefs: &[&str]) -> Value {
    let assets: serde_json::Map<String, Value> = hrefs
        .iter()
        .enumerate()
        .map(|(at, href)| (format!("a{at}"), json!({ "href": href })))
        .collect();
    json!({"type": "Feature", "id": id, "collection": collection, "properties": {}, "assets": assets})
}

fn collection(id: &str, description: &str) -> Value {
    json!({"type": "Collection", "id": id, "description": description})
}

/// A store that holds these uris, and a catalogue of these records.
struct World {
    uris: Vec<String>,
    records: Vec<Value>,
}

impl World {
    fn of(uris: &[&str], records: &[Value]) -> World {
        World {
            uris: uris.iter().map(ToString::to_string).collect(),
            records: records.to_vec(),
        }
    }

    /// What belongs to the item, which is one of the catalogue's.
    fn belongings(&self, item: &Value) -> Result<Belongings> {
        let lake = lake();
        let names = Names::of(&lake, item)?;
        let mut found = Found::default();
        for named in &names.named {
            let (exact, below) = self.look(named);
            found.add_named(&names, named, exact, below)?;
        }
        for dataset in &names.datasets {
            found.left.push(Left::default());
            found.add_dataset(self.listed(&dataset.to_string(), "sidecar"));
        }
        let candidates = found.candidates();
        let mut claims = Claims::new(&lake, &names, &candidates);
        for record in self.records.iter().chain([item]) {
            claims.add(&as_record(record))?;
        }
        let verdicts = claims.verdicts();
        Ok(Belongings::of(names, found, candidates, verdicts))
    }

    fn look(&self, named: &Named) -> (Option<Object>, Vec<Object>) {
        let uri = named.at.to_string();
        let exact = self.uris.iter().filter(|_| !named.is_directory());
        let exact = exact
            .clone()
            .find(|held| **held == uri)
            .map(|held| object(held, &named.asset));
        let below = format!("s3://{}/{}", named.at.bucket, named.below());
        (exact, self.listed(&below, &named.asset))
    }

    fn listed(&self, start: &str, asset: &str) -> Vec<Object> {
        let listed = self.uris.iter().filter(|uri| uri.starts_with(start));
        listed.map(|uri| object(uri, asset)).collect()
    }
}

fn object(uri: &str, asset: &str) -> Object {
    let (bucket, key) = uri.strip_prefix("s3://").unwrap().split_once('/').unwrap();
    Object::of(
        &json!({"uri": uri, "bucket": bucket, "key": key, "size": 10}),
        asset,
    )
    .unwrap()
}

pub(super) fn as_record(record: &Value) -> Record<'_> {
    let id = record["id"].as_str().unwrap();
    match record["collection"].as_str() {
        Some(collection) => Record::Item {
            collection,
            id,
            item: record,
        },
        None => Record::Collection {
            id,
            collection: record,
        },
    }
}

/// The uris of what goes.
fn goes(belongings: &Belongings) -> Vec<&str> {
    belongings
        .objects
        .iter()
        .map(|object| object.uri.as_str())
        .collect()
}

/// The uris of what stays, each with who keeps it.
fn stays(belongings: &Belongings) -> Vec<(&str, &str)> {
    let kept = belongings.kept.iter();
    kept.map(|kept| (kept.object.uri.as_str(), kept.by.as_str()))
        .collect()
}
