//! An item is deleted with all that is its own, however its assets are spelt, and brought back; what is not its own
//! stays and is told.

use serde_json::{Value, json};

use super::corner::{Corner, fate};
use super::lakes::{Lake, on_both_lakes};

const IN_CLUSTER: &str = "http://rustfs.dashi-platform.svc.cluster.local:9000";

/// The objects of the item `alles`.
const KEYS: [&str; 12] = [
    "alles/_metadata.json",
    "alles/raster/cluster.tif",
    "alles/raster/encoded a ä+%.tif",
    "alles/raster/endpoint.tif",
    "alles/raster/localhost.tif",
    "alles/raster/raw a ä+%.tif",
    "alles/raster/s3.tif",
    "alles/raster/s3a.tif",
    "alles/tiles/0/0.mvt",
    "alles/tiles/0/1.mvt",
    "alles/vector/h3_7=871f/part-0.parquet",
    "alles/vector/h3_7=872f/part-0.parquet",
];

/// Its assets.
fn assets(corner: &Corner) -> Value {
    let (domain, endpoint) = (&corner.domain, &corner.served.addresses.s3);
    let localhost = endpoint.replace("127.0.0.1", "localhost");
    let place = format!("processed/{domain}/alles");
    json!({
        "s3": format!("s3://{place}/raster/s3.tif"),
        "s3a": format!("s3a://{place}/raster/s3a.tif"),
        "cluster": format!("{IN_CLUSTER}/{place}/raster/cluster.tif"),
        "endpoint": format!("{endpoint}/{place}/raster/endpoint.tif"),
        "localhost": format!("{localhost}/{place}/raster/localhost.tif"),
        "encoded": format!("{IN_CLUSTER}/{place}/raster/encoded%20a%20%C3%A4%2B%25.tif"),
        "raw": format!("s3://{place}/raster/raw a ä+%.tif"),
        "vector": format!("{IN_CLUSTER}/{place}/vector/"),
        "tiles": format!("s3://{place}/tiles"),
    })
}

on_both_lakes! {
    fn an_item_goes_with_its_objects_however_they_are_spelt_and_comes_back_as_it_was(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&KEYS);
        corner.put_objects(&["other/kept.tif", "alles-other.tif", "alles/tiles2/kept.mvt"]);
        corner.put_item("alles", &assets(&corner));
        let (record, objects) = (corner.item("alles"), corner.objects(""));

        let rows = plan(&corner, "alles");
        for key in KEYS {
            assert_eq!(fate(&rows, &corner.uri(key)), "delete", "{rows:#}");
        }
        assert_eq!(rows.as_array().unwrap().len(), KEYS.len() + 1, "{rows:#}");
        assert_eq!((corner.item("alles"), corner.objects("")), (record.clone(), objects.clone()), "a dry run changes nothing");

        let ran = corner.delete("alles", &["--apply", "--yes"]);
        assert!(ran.stderr.contains("[audit] ") && ran.stderr.contains("objects=12 records=1"), "{ran}");
        assert!(ran.stderr.contains("kept.mvt: they stay"), "{ran}");
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(corner.item("alles"), Value::Null);
        assert_eq!(corner.keys(""), ["alles-other.tif", "alles/tiles2/kept.mvt", "other/kept.tif"]);

        let run = corner.last_run();
        corner.run(&["undo", &run]).success();
        assert_eq!(corner.objects(""), objects);
        assert_eq!(corner.item("alles"), record);
        let trash = format!("s3::list(\"s3://processed/.dashi-trash/{run}/\").count()");
        assert_eq!(corner.read(&trash), 0, "what came back is not kept twice");
        assert_eq!(corner.locks(), json!([]));
    }

    fn what_another_domains_item_refers_to_stays_and_is_told(lake) {
        let (corner, other) = (Corner::of(lake), Lake::name("neighbour"));
        corner.put_objects(&["eins/own.tif", "eins/shared.tif", "eins/folder/a.tif", "eins/folder/b.tif"]);
        corner.put_item("eins", &json!({"own": corner.uri("eins/own.tif"), "shared": corner.uri("eins/shared.tif"), "folder": corner.uri("eins/folder/")}));
        corner.run(&["domain", "create", &other]).success();
        corner.write(&format!(
            "let item = stac::item(\"{}\", \"eins\"); item.collection = \"{other}\"; item.id = \"zwei\"; item.links = [];
             item.assets = #{{legend: #{{href: \"{IN_CLUSTER}/processed/{0}/eins/shared.tif\"}}, b: #{{href: \"s3a://processed/{0}/eins/folder/b.tif\"}}}};
             stac::put_item(item)",
            corner.domain
        ));
        let ran = corner.delete("eins", &["--apply", "--yes"]);
        assert!(ran.stdout.contains(&format!("item {other}/zwei, assets.legend.href")), "{ran}");
        assert!(ran.stdout.contains(&format!("item {other}/zwei, assets.b.href")), "{ran}");
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(corner.keys("eins/"), ["folder/b.tif", "shared.tif"]);
        assert_eq!(corner.item("eins"), Value::Null);
    }

    fn what_lies_elsewhere_is_missing_or_nobodys_to_delete_is_told_and_stops_nothing(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["eins/own.tif"]);
        let (gone, foreign) = (corner.uri("eins/gone.tif"), "https://data.example.org/processed/a/b.tif");
        corner.put_item_with(
            "eins",
            &json!({"own": corner.uri("eins/own.tif"), "gone": gone, "elsewhere": foreign, "bucket": "s3://somebody-elses/a/b.tif"}),
            &json!({"dashi:iceberg_table": "lake.tracks"}),
        );
        let ran = corner.delete("eins", &["--apply", "--yes", "--json"]);
        assert!(ran.stderr.contains("rows in the Iceberg table lake.tracks stay: ") && ran.stderr.contains("table delete lake.tracks"), "{ran}");
        let rows = ran.json();
        assert_eq!(fate(&rows, &corner.uri("eins/own.tif")), "deleted", "{rows:#}");
        assert_eq!(fate(&rows, &gone), "missing", "{rows:#}");
        assert_eq!(fate(&rows, foreign), "left alone", "{rows:#}");
        assert_eq!(fate(&rows, "s3://somebody-elses/a/b.tif"), "left alone", "{rows:#}");
        assert_eq!(fate(&rows, &format!("item {}/eins", corner.domain)), "deleted", "{rows:#}");
        assert_eq!((corner.item("eins"), corner.keys("eins/")), (Value::Null, Vec::new()));
    }

    fn what_names_no_item_is_refused_with_the_nearest(lake) {
        let corner = Corner::of(lake);
        corner.put_item("landbedeckung", &json!({}));
        for flags in [&[][..], &["--apply", "--yes"]] {
            let stderr = corner.delete("landbedekung", flags).failure(1);
            assert!(stderr.contains(&format!("there is no item 'landbedekung' in collection '{}'", corner.domain)), "{stderr}");
            assert!(stderr.contains("did you mean 'landbedeckung'?"), "{stderr}");
        }
        for wrong in ["nonsense", "/a", "a/", ""] {
            let stderr = corner.run(&["item", "delete", wrong, "--apply", "--yes"]).failure(2);
            assert!(stderr.contains(&format!("'{wrong}' names no item")) && stderr.contains("write domain/id"), "{stderr}");
        }
        assert!(!corner.item("landbedeckung").is_null());
    }

    fn an_item_without_objects_loses_its_record_and_gets_it_back(lake) {
        let corner = Corner::of(lake);
        corner.put_item("leer", &json!({}));
        corner.delete("leer", &["--apply", "--yes"]).success();
        assert_eq!(corner.item("leer"), Value::Null);
        corner.run(&["undo", &corner.last_run()]).success();
        assert_eq!(corner.item("leer")["properties"]["title"], "Höhe");
    }

    fn the_empty_objects_that_stand_for_folders_go_and_come_back(lake) {
        let corner = Corner::of(lake);
        for marker in ["eins/vector/", "eins/vector/sub/"] {
            corner.write(&format!("s3::write(\"{}\", \"\")", corner.uri(marker)));
        }
        corner.put_objects(&["eins/vector/a.parquet", "eins/vector/sub/b.parquet", "eins/vector/sub/kept.parquet"]);
        corner.put_item("eins", &json!({"vector": corner.uri("eins/vector/")}));
        corner.put_item("zwei", &json!({"kept": corner.uri("eins/vector/sub/kept.parquet")}));
        let keys = corner.keys("");
        assert_eq!(keys.len(), 5, "{keys:?}");
        corner.delete("eins", &["--apply", "--yes"]).success();
        let left = corner.keys("").into_iter().filter(|key| !key.ends_with('/'));
        assert_eq!(left.collect::<Vec<_>>(), ["eins/vector/sub/kept.parquet"]);
        corner.run(&["undo", &corner.last_run()]).success();
        // SeaweedFS shows a folder as an object only where it was made before what is in it.
        let counts = |key: &String| lake == Lake::Sandbox || !key.ends_with('/');
        let back: Vec<String> = corner.keys("").into_iter().filter(counts).collect();
        assert_eq!(back, keys.into_iter().filter(counts).collect::<Vec<_>>());
    }

    fn a_whole_domain_or_bucket_is_no_asset_and_is_refused(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["eins/own.tif"]);
        let root = format!("s3://processed/{}", corner.domain);
        for href in [root.clone(), format!("{root}/"), "s3://processed/".to_owned(), format!("{IN_CLUSTER}/processed/{}/", corner.domain)] {
            corner.put_item("eins", &json!({"all": href, "own": corner.uri("eins/own.tif")}));
            let stderr = corner.delete("eins", &["--apply", "--yes"]).failure(1);
            assert!(stderr.contains("deleting the item would delete everything in it"), "{href}: {stderr}");
        }
        assert_eq!(corner.keys(""), ["eins/own.tif"]);
        assert!(!corner.item("eins").is_null());
    }

    fn a_missing_bucket_is_an_error_and_no_absent_object(lake) {
        let corner = Corner::of(lake);
        let bucket = Lake::name("nowhere");
        corner.put_item("eins", &json!({"own": format!("s3://{bucket}/a/b/c.tif")}));
        let at = format!("{}/eins", corner.domain);
        let lost = [("DASHI_PROCESSED_BUCKET", bucket.clone())];
        for flags in [&[][..], &["--apply", "--yes"]] {
            let line = [&["item", "delete", at.as_str()], flags].concat();
            let ran = corner.operator.run_in(&lost, &line);
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran}");
            assert!(ran.stderr.contains(&bucket), "{ran}");
        }
        assert!(!corner.item("eins").is_null());
    }
}

fn plan(corner: &Corner, id: &str) -> Value {
    let ran = corner.delete(id, &["--json"]);
    assert!(ran.stderr.contains("dry run: nothing was changed"), "{ran}");
    ran.json()["result"].clone()
}
