//! What a landing object looks like: told by its name and first bytes, as the real one tells it with GDAL.

use axum::body::Bytes;
use axum::extract::State as Held;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::wanted::{User, Wanted, landing_key};
use super::{Desk, store};
use crate::sandbox::reply;

/// So many of an object's first bytes are looked at.
const LOOK: u64 = 64 << 10;

/// `POST /scan`
pub(crate) async fn scan(
    Held(desk): Held<Desk>,
    _: User,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mut wanted = Wanted::of(&body)?;
    let uri = wanted.text("s3_uri", 0, usize::MAX);
    wanted.settle()?;
    let key = landing_key(&uri, "scan")?;
    let name = key.rsplit('/').next().unwrap_or(&key).to_owned();
    let head = store::first(&desk, &key, LOOK).await?;
    let row = row(&name, &head);
    let primary = i64::from(row["kind"] != "unknown");
    let answer = json!({"rows": [row], "primary_count": primary, "blocking_errors": 0});
    Ok(reply::json(StatusCode::OK, &answer))
}

fn row(name: &str, head: &[u8]) -> Value {
    let stem = name.split('.').next().unwrap_or(name);
    let (kind, driver, layer, reason) = match recognised(head) {
        Some(("vector", driver)) => ("vector", Some(driver), Some(stem), "ok".to_owned()),
        Some((kind, driver)) => (kind, Some(driver), None, "ok".to_owned()),
        None => {
            let reason = format!(
                "rasterio refused: '…/{name}' not recognized as being in a supported file format."
            );
            ("unknown", None, None, reason)
        }
    };
    json!({
        "path": name,
        "kind": kind,
        "driver": driver,
        "layer": layer,
        "reason": reason,
        "ok": true,
        "warnings": [],
        "errors": [],
    })
}

/// The kind and GDAL's driver for what begins like this.
fn recognised(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const BEGINNINGS: [(&[u8], &str, &str); 6] = [
        (b"II*\0", "raster", "GTiff"),
        (b"MM\0*", "raster", "GTiff"),
        (b"\x89HDF", "raster", "netCDF"),
        (b"SQLite format 3\0", "vector", "GPKG"),
        (b"PAR1", "vector", "Parquet"),
        (b"LASF", "pointcloud", "LAS"),
    ];
    let found = BEGINNINGS
        .iter()
        .find(|(beginning, ..)| head.starts_with(beginning));
    if let Some((_, kind, driver)) = found {
        return Some((kind, driver));
    }
    let text = String::from_utf8_lossy(head);
    let is_geojson = text.trim_start().starts_with('{')
        && ["FeatureCollection", "\"Feature\"", "\"coordinates\""]
            .iter()
            .any(|word| text.contains(word));
    is_geojson.then_some(("vector", "GeoJSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_its_first_bytes() {
        let kinds = [
            row("a.tif", b"II*\0...")["kind"].clone(),
            row("pt.geojson", b"{\"type\": \"FeatureCollection\"}")["layer"].clone(),
            row("a.tif", b"text")["kind"].clone(),
        ];
        assert_eq!(kinds, [json!("raster"), json!("pt"), json!("unknown")]);
    }
}
