//! The catalogue of the seeded lake: a collection for each domain, an item for each dataset.

use rusqlite::Transaction;
use serde_json::{Value, json};

use super::accounts;
use super::datasets::{DATASETS, DOMAINS, Dataset, Domain, Kind, LEGEND};
use crate::sandbox::clock::{self, DAY};
use crate::sandbox::prefect::STORE;
use crate::sandbox::stac::{self, Refusal};

/// Writes collections and items.
pub(crate) fn fill(database: &Transaction<'_>, now: i64) -> Result<(), Refusal> {
    for domain in &DOMAINS {
        stac::insert_collection(database, &collection(domain, now))?;
    }
    for dataset in &DATASETS {
        stac::insert_item(database, &item(dataset, now))?;
    }
    Ok(())
}

fn collection(domain: &Domain, now: i64) -> Value {
    let access = accounts::access(domain.id);
    json!({
        "type": "Collection",
        "id": domain.id,
        "stac_version": "1.0.0",
        "title": domain.title,
        "description": domain.description,
        "license": "proprietary",
        "links": [],
        "extent": {
            "spatial": {"bbox": [[5.87, 47.27, 15.04, 55.06]]},
            "temporal": {"interval": [[clock::rfc3339((now - 60 * DAY) / DAY * DAY), null]]},
        },
        "dashi:max_classification": domain.ceiling,
        "dashi:retention": domain.retention,
        "dashi:access_groups": access.groups,
        "dashi:acl": access.acl,
    })
}

fn item(dataset: &Dataset, now: i64) -> Value {
    let [west, south, east, north] = dataset.bbox;
    let ring = [
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south],
    ];
    let mut assets = json!({"data": data(dataset)});
    if dataset.legend {
        assets["legend"] = json!({
            "href": format!("{STORE}/processed/{LEGEND}"),
            "type": "application/json",
            "roles": ["metadata"],
        });
    }
    let mut item = json!({
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": dataset.id,
        "collection": dataset.domain,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": dataset.bbox,
        "properties": {
            "datetime": clock::rfc3339((now - dataset.age * DAY) / DAY * DAY),
            "title": dataset.id,
            "dashi:kind": dataset.kind.name(),
            "dashi:classification": if dataset.domain == "klima-historisch" { "pub" } else { "int" },
            "dashi:source_name": dataset.file,
        },
        "links": [],
        "assets": assets,
    });
    for (property, value) in dataset.rows {
        item["properties"][*property] = json!(value);
    }
    item
}

/// The asset that names the data, spelt as the flows spell it: three kinds, three spellings.
fn data(dataset: &Dataset) -> Value {
    let folder = dataset.folder();
    let (href, media_type) = match dataset.kind {
        Kind::Raster => (
            format!("{STORE}/processed/{folder}raster/scene.tif"),
            "image/tiff; application=geotiff; profile=cloud-optimized",
        ),
        Kind::Vector(_) => (
            format!("{STORE}/processed/{folder}vector/"),
            "application/vnd.apache.parquet",
        ),
        Kind::PointCloud => (
            format!("s3://processed/{folder}pointcloud/points.copc.laz"),
            "application/vnd.laszip+copc",
        ),
    };
    json!({"href": href, "type": media_type, "roles": ["data"]})
}
