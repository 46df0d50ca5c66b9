//! The objects of the seeded lake: uploads, processed data, curated tables and tiles, dumps, orphans, an open upload.
//!
//! Contents are small and always the same: the right first bytes for their kind, then a pattern of the key.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use md5::{Digest, Md5};
use rusqlite::{Transaction, params};
use serde_json::json;

use super::datasets::{DATASETS, Dataset, LEGEND};
use crate::sandbox::clock::DAY;
use crate::sandbox::s3::{self, Failure, Headers, New, Segment};
use crate::sandbox::state;

/// The buckets, in the order of their roles.
const BUCKETS: [&str; 4] = ["landing", "processed", "curated", "backups"];
/// Uploads stay in the landing bucket for so many days.
const LANDING_DAYS: i64 = 14;

/// The seeded store being filled.
pub(crate) struct Store<'a> {
    database: &'a Transaction<'a>,
    dir: PathBuf,
    now: i64,
}

impl<'a> Store<'a> {
    /// A store in this folder, with times counted back from now.
    pub(crate) fn new(database: &'a Transaction<'a>, dir: &Path, now: i64) -> Store<'a> {
        Store {
            database,
            dir: dir.to_owned(),
            now,
        }
    }

    /// Writes everything.
    pub(crate) fn fill(&self) -> Result<(), Failure> {
        for bucket in BUCKETS {
            let created = (self.now - 60 * DAY) / 1000;
            self.database.execute(
                "INSERT INTO bucket (name, created) VALUES (?1, ?2)",
                params![bucket, created],
            )?;
        }
        for dataset in &DATASETS {
            self.dataset(dataset)?;
        }
        let legend =
            json!({"unit": "°C", "stops": [[-20, "#30123b"], [0, "#1ae4b6"], [35, "#7a0403"]]});
        self.put("processed", LEGEND, 40, legend.to_string().as_bytes())?;
        self.orphans()?;
        self.curated()?;
        self.backups()?;
        self.open_upload()
    }

    fn dataset(&self, dataset: &Dataset) -> Result<(), Failure> {
        for (place, key) in dataset.keys().iter().enumerate() {
            // Parts of one dataset differ in size, as real ones do.
            let size = (dataset.size << 10) / (place + 1) + 37 * place;
            self.put("processed", key, dataset.age, &content(key, size))?;
        }
        let sidecar = json!({
            "dataset": dataset.id,
            "domain": dataset.domain,
            "kind": dataset.kind.name(),
            "source": format!("s3://landing/{}", dataset.source()),
        });
        let key = format!("{}_metadata.json", dataset.folder());
        self.put(
            "processed",
            &key,
            dataset.age,
            sidecar.to_string().as_bytes(),
        )?;
        if dataset.age < LANDING_DAYS {
            let key = dataset.source();
            self.put(
                "landing",
                &key,
                dataset.age,
                &content(&key, dataset.size << 9),
            )?;
        }
        Ok(())
    }

    /// What no item names: a dataset whose item is gone, a failed run's leftovers, forgotten uploads.
    fn orphans(&self) -> Result<(), Failure> {
        let left = [
            (
                "processed",
                "gelaende-umwelt/dgm1-harz-2023/raster/scene.tif",
                210,
                21 << 10,
            ),
            (
                "processed",
                "gelaende-umwelt/dgm1-harz-2023/_metadata.json",
                210,
                310,
            ),
            (
                "processed",
                "klima-historisch/hyras-probe/raster/scene.tif",
                44,
                9 << 10,
            ),
            (
                "landing",
                "gelaende-umwelt/incoming/0f3c2d6a5b1e4c7f9a8b7c6d5e4f3a2b/test ä+1.tif",
                27,
                5 << 10,
            ),
            (
                "landing",
                "klima-historisch/incoming/7d1e9c0b2a3f4e5d6c7b8a9f0e1d2c3b/pr_kaputt.tif",
                3,
                3 << 10,
            ),
            ("landing", "README.txt", 58, 420),
        ];
        for (bucket, key, age, size) in left {
            self.put(bucket, key, age, &content(key, size))?;
        }
        Ok(())
    }

    fn curated(&self) -> Result<(), Failure> {
        let held = [
            ("tiles/harz/10/540/340.pbf", 12, 4 << 10),
            ("tiles/harz/10/541/340.pbf", 12, 5 << 10),
            ("tiles/harz/metadata.json", 12, 512),
        ];
        for (key, age, size) in held {
            self.put("curated", key, age, &content(key, size))?;
        }
        Ok(())
    }

    /// Nightly dumps of more than a week, named by the moment they were made, in both layouts that there are.
    fn backups(&self) -> Result<(), Failure> {
        let services = [
            ("pgstac", 2, 30 << 10),
            ("prefect", 3, 12 << 10),
            ("serving-postgis", 1, 8 << 10),
        ];
        for age in 0..=8 {
            for (service, hour, size) in services {
                let due = hour * 3_600_000_000;
                // The last one that was due: there are as many at any hour.
                let at = (self.now - due).div_euclid(DAY) * DAY + due - age * DAY;
                let stamp = Timestamp::from_microsecond(at).unwrap_or_default();
                let stamp = stamp.strftime("%Y%m%dT%H%M%SZ");
                let key = if service == "serving-postgis" {
                    format!("{service}/{stamp}/{service}.dump")
                } else {
                    format!("{service}/{stamp}.dump")
                };
                let size = size + 97 * usize::try_from(9 - age).unwrap_or(0);
                self.put_at("backups", &key, at, &content(&key, size))?;
            }
        }
        Ok(())
    }

    /// An upload that was begun ten days ago and forgotten.
    fn open_upload(&self) -> Result<(), Failure> {
        let key = "gelaende-umwelt/incoming/5a1b9e7c3d2f48e6b0c4d8a6f7e5c3b1/als_rhoen_2025.laz";
        let headers = Headers::of_type("application/octet-stream");
        let upload = s3::begin(self.database, "landing", key, &headers)?;
        let bytes = content(key, 8 << 10);
        let (segment, etag) = self.blob(&bytes)?;
        let at = (self.now - 10 * DAY) / 1000;
        self.database.execute(
            "UPDATE upload SET started = ?2 WHERE id = ?1",
            params![upload, at],
        )?;
        self.database.execute(
            "INSERT INTO part (upload, number, blob, size, etag, modified) VALUES (?1, 1, ?2, ?3, ?4, ?5)",
            params![upload, segment.blob, segment.size, etag, at],
        )?;
        Ok(())
    }

    fn put(&self, bucket: &str, key: &str, age: i64, bytes: &[u8]) -> Result<(), Failure> {
        // Not all in one second: the key decides the minute.
        let minute = i64::try_from(key.len() % 60).unwrap_or(0);
        self.put_at(
            bucket,
            key,
            self.now - age * DAY - minute * 60_000_000,
            bytes,
        )
    }

    pub(super) fn put_at(
        &self,
        bucket: &str,
        key: &str,
        at: i64,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let (segment, etag) = self.blob(bytes)?;
        let new = New {
            etag,
            headers: Headers::of_type(content_type(key)),
            segments: vec![segment],
            modified: at / 1000,
        };
        s3::put(self.database, bucket, key, &new)?;
        Ok(())
    }

    fn blob(&self, bytes: &[u8]) -> Result<(Segment, String), Failure> {
        let blob = uuid::Uuid::new_v4().simple().to_string();
        std::fs::write(state::blob_path(&self.dir, &blob), bytes)?;
        let segment = Segment {
            blob,
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        };
        Ok((segment, hex::encode(Md5::digest(bytes))))
    }
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit('.').next().unwrap_or_default() {
        "tif" => "image/tiff",
        "json" => "application/json",
        "geojson" => "application/geo+json",
        "txt" => "text/plain",
        "pbf" => "application/vnd.mapbox-vector-tile",
        "parquet" => "application/vnd.apache.parquet",
        _ => "application/octet-stream",
    }
}

/// Bytes for a key: what its kind begins with, then the key over and over.
fn content(key: &str, size: usize) -> Vec<u8> {
    let beginning: &[u8] = match key.rsplit('.').next().unwrap_or_default() {
        "tif" => b"II*\0\x08\0\0\0",
        "laz" => b"LASF",
        "parquet" => b"PAR1",
        "gpkg" => b"SQLite format 3\0",
        "geojson" => b"{\"type\": \"FeatureCollection\", \"features\": []} ",
        "json" => b"{} ",
        "dump" => b"PGDMP",
        _ => b"",
    };
    let pattern = key.as_bytes().iter().chain(b"\n").cycle();
    beginning
        .iter()
        .chain(pattern)
        .copied()
        .take(size)
        .collect()
}
