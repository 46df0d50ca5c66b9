//! What the served flow makes of a source: a processed object, and a STAC item that names it.
//!
//! It stands in for dashi's ingest flow as far as the lake can see it from outside, so that a rehearsed upload ends with
//! an item in the catalogue. No byte is looked at; the kind is told by the name.

use rusqlite::{OptionalExtension, Transaction};
use serde_json::{Value, json};

use super::run::Run;
use crate::sandbox::{clock, s3, stac};

/// Where the in-cluster flow writes its hrefs to.
pub(crate) const STORE: &str = "http://rustfs.dashi-platform.svc.cluster.local:9000";

/// Ingests a run's source. Answers what was made, or why it failed, as the flow would log it.
pub(crate) fn ingest(
    database: &Transaction<'_>,
    run: &Run,
    at: i64,
) -> rusqlite::Result<Result<String, String>> {
    let parameter = |name: &str| run.parameters[name].as_str().unwrap_or_default().to_owned();
    let (source, domain) = (parameter("source_path"), parameter("domain"));
    let Some((bucket, key)) = source
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
    else {
        return Ok(Ok(format!("Nothing to ingest in '{source}'")));
    };
    let Some(original) = s3::live(database, bucket, key)? else {
        return Ok(Err(format!("FileNotFoundError: {source}")));
    };
    let known = database
        .query_row("SELECT 1 FROM collection WHERE id = ?1", [&domain], |_| {
            Ok(())
        })
        .optional()?;
    if known.is_none() {
        return Ok(Err(format!(
            "CollectionNotFound: domain '{domain}' is not in the catalogue"
        )));
    }
    let made = Made::of(&domain, key);
    let segments = s3::segments(database, original.seq)?;
    let object = s3::New {
        etag: original.etag,
        headers: original.headers,
        segments,
        modified: at / 1000,
    };
    // A processed bucket that the operator has removed is the operator's rehearsal: the flow fails as it would.
    if let Err(failure) = s3::put(database, "processed", &made.key, &object) {
        let error = s3s::S3Error::from(failure);
        return Ok(Err(format!("ClientError: {}", error.code().as_str())));
    }
    let item = made.item(run, &domain, at);
    match stac::put_item(database, &item) {
        Ok(()) => Ok(Ok(format!("Created STAC item {domain}/{}", made.id))),
        Err(refusal) => Ok(Err(format!(
            "StacError: the catalogue refused the item: {refusal:?}"
        ))),
    }
}

/// What comes of a source.
struct Made {
    id: String,
    kind: &'static str,
    key: String,
}

impl Made {
    fn of(domain: &str, key: &str) -> Made {
        let file = key.rsplit('/').next().unwrap_or(key);
        let (stem, extension) = file.split_once('.').unwrap_or((file, ""));
        let (kind, name) = match extension.to_lowercase().as_str() {
            "laz" | "las" | "copc.laz" => ("pointcloud", "points.copc.laz"),
            "geojson" | "gpkg" | "parquet" | "shp" => ("vector", "part-0.parquet"),
            _ => ("raster", "scene.tif"),
        };
        let id = stem.replace(
            |letter: char| !letter.is_ascii_alphanumeric() && letter != '-',
            "-",
        );
        let key = format!("{domain}/{id}/{kind}/{name}");
        Made { id, kind, key }
    }

    fn item(&self, run: &Run, domain: &str, at: i64) -> Value {
        let href = match self.kind {
            // A vector's href names the folder of its parts.
            "vector" => format!("{STORE}/processed/{domain}/{}/vector/", self.id),
            "pointcloud" => format!("s3://processed/{}", self.key),
            _ => format!("{STORE}/processed/{}", self.key),
        };
        json!({
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": self.id,
            "collection": domain,
            "geometry": {"type": "Point", "coordinates": [10.45, 51.16]},
            "bbox": [10.45, 51.16, 10.45, 51.16],
            "properties": {
                "datetime": clock::rfc3339(at),
                "dashi:kind": self.kind,
                "dashi:classification": run.parameters["classification"].as_str().unwrap_or("int"),
                "dashi:prefect_flow_run_id": run.id,
            },
            "links": [],
            "assets": {"data": {"href": href, "roles": ["data"]}},
        })
    }
}
