//! Texts and everything they may refer to.

use crate::lake::{IN_CLUSTER, Lake, Place};

use super::lake;

/// Asserts that each of these places is among the references of the text.
fn assert_may_mean(lake: &Lake, table: &[(&str, &[&str])]) {
    for (text, expected) in table {
        let references = lake.references(text);
        let shown: Vec<String> = references.places().iter().map(Place::to_string).collect();
        for place in *expected {
            assert!(
                shown.iter().any(|shown| shown == place),
                "{text}: no {place} in {shown:?}"
            );
        }
    }
}

#[test]
fn what_is_no_object_refers_to_nothing() {
    let lake = lake();
    let nothing = [
        "",
        " ",
        "scene",
        "scene.tif",
        "image",
        "2026-11-24T20:24:00Z",
        "EPSG:25832",
        "eo:cloud_cover",
        "mailto:ops@example.org",
        "mailto:a@b.example?subject=d/x.tif",
        "tel:+49/30/1",
        "http://localhost:9000",
        "http://localhost:9000/",
        "https://s3.example.org/?x=1",
        "http://localhost:8080/collections/raw/items/it-1",
        "http://127.0.0.1:8080/search?token=next:x",
        "/",
        "x/",
        "//",
        "s3://",
        "http://",
    ];
    for text in nothing {
        let place = lake.place(text).filter(|place| {
            // A host without a path is a place that covers nothing.
            !matches!(place, Place::Foreign(foreign) if foreign.suffixes().next().is_none())
        });
        assert_eq!(place, None, "{text}");
        let references = lake.references(text);
        assert!(!references.covers("processed", "d/x.tif"), "{text}");
        assert!(!references.covers("processed", "raw/items/it-1"), "{text}");
    }
}

#[test]
fn an_ordinary_href_costs_one_reading() {
    let lake = lake();
    for href in [
        format!("http://{IN_CLUSTER}/processed/gelaende-umwelt/set_1/raster/scene.tif"),
        format!("http://{IN_CLUSTER}/processed/gelaende-umwelt/set_1/vector/"),
        "s3://processed/d/set/x.tif".to_owned(),
    ] {
        let references = lake.references(&href);
        assert_eq!(references.places().len(), 1, "{references:?}");
        assert!(references.is_placed());
    }
}

#[test]
fn an_ambiguous_spelling_has_every_plausible_reading() {
    assert_may_mean(
        &lake(),
        &[
            (
                "s3://processed/d/a%20b+c.tif",
                &[
                    "s3://processed/d/a%20b+c.tif",
                    "s3://processed/d/a b+c.tif",
                    "s3://processed/d/a b c.tif",
                    "s3://processed/d/a%20b c.tif",
                ],
            ),
            (
                "s3://processed/d/x.tif?versionId=7#t",
                &[
                    "s3://processed/d/x.tif",
                    "s3://processed/d/x.tif?versionId=7",
                    "s3://processed/d/x.tif?versionId=7#t",
                ],
            ),
            ("s3://processed%2Fd%2Fx.tif", &["s3://processed/d/x.tif"]),
            (
                "s3%3A%2F%2Fprocessed%2Fd%2Fx.tif",
                &["s3://processed/d/x.tif"],
            ),
            (
                "s3://processed//d//x.tif",
                &[
                    "s3://processed//d//x.tif",
                    "s3://processed/d//x.tif",
                    "s3://processed/d/x.tif",
                ],
            ),
            (
                "http://localhost:9000/processed/d/a b?#.tif",
                &["s3://processed/d/a b?#.tif", "s3://processed/d/a b"],
            ),
            (
                "http://localhost:9000/processed/d/%41.tif",
                &["s3://processed/d/A.tif", "s3://processed/d/%41.tif"],
            ),
            (
                "http://localhost:9000/processed/d/a%20%41.tif",
                &["s3://processed/d/a %41.tif"],
            ),
            (
                "http://localhost:9000/processed/e/../d/x.tif",
                &["s3://processed/d/x.tif", "s3://processed/e/../d/x.tif"],
            ),
            (
                "http://localhost:9000/processed\\d\\x.tif",
                &["s3://processed/d/x.tif"],
            ),
            (
                "s3:\\/\\/processed\\/d\\/x.tif",
                &["s3://processed/d/x.tif"],
            ),
            (
                "s3://processed/d/a&amp;b.tif",
                &["s3://processed/d/a&b.tif"],
            ),
            (
                "http://localhost:9000/minio/processed/d/x.tif",
                &["s3://processed/d/x.tif"],
            ),
            (
                "s3://s3.example.org/processed/d/x.tif",
                &["s3://processed/d/x.tif"],
            ),
        ],
    );
}

#[test]
fn a_reference_inside_another_text_is_found() {
    let x: &[&str] = &["s3://processed/d/x.nc"];
    assert_may_mean(
        &lake(),
        &[
            ("NETCDF:\"/vsis3/processed/d/x.nc\":t2m", x),
            ("NETCDF:/vsis3/processed/d/x.nc:t2m", x),
            ("copied from s3://processed/d/x.nc (2026)", x),
            ("See s3://processed/d/x.nc.", x),
            ("<a href='http://localhost:9000/processed/d/x.nc'>x</a>", x),
            (
                "[{\"href\":\"s3://processed/d/x.nc\"},{\"href\":\"s3://processed/d/y.nc\"}]",
                &["s3://processed/d/x.nc", "s3://processed/d/y.nc"],
            ),
            ("zip+s3://processed/d/x.nc!inner.shp", x),
            ("zip://inner.shp::s3://processed/d/x.nc", x),
            ("/vsizip//vsis3/processed/d/x.nc/inner.shp", x),
            ("{\\\"href\\\":\\\"s3://processed/d/x.nc\\\"}", x),
            ("simplecache::s3://processed/d/x.nc", x),
            ("{\\n\\ts3://processed/d/x.nc\\n}", x),
            ("s3://s3://processed/d/x.nc", x),
            (
                "https://proxy.example/fetch/http://localhost:9000/processed/d/x.nc",
                x,
            ),
            (
                "https://proxy.example/s3%3A%2F%2Fprocessed%2Fd%2Fx.nc/0/0/0.png",
                x,
            ),
            (
                "https://t.example/?src=/vsicurl/http%3A%2F%2Flocalhost%3A9000%2Fprocessed%2Fd%2Fx.nc&b=1",
                x,
            ),
            (
                "https://t.example/?url=https%3A%2F%2Fu.example%2F%3Furl%3Ds3%253A%252F%252Fprocessed%252Fd%252Fx.nc",
                x,
            ),
            ("https://t.example/view#url=s3://processed/d/x.nc", x),
            (
                "data:application/json,{\"href\":\"s3://processed/d/x.nc\"}",
                x,
            ),
        ],
    );
}

#[test]
fn a_path_without_a_known_host_keeps_by_its_suffix() {
    let lake = lake();
    for text in [
        "https://unknown.example/processed/d/set/x.tif",
        "https://unknown.example/base/processed/d/set/x.tif?token=1",
        "https://processed.unknown.example/d/set/x.tif",
        "https://processed:9000/d/set/x.tif",
        "gs://processed/d/set/x.tif",
        "file:///mnt/lake/processed/d/set/x.tif",
        "/mnt/lake/processed/d/set/x.tif",
        "processed/d/set/x.tif",
        "./d/set/x.tif",
        "C:\\lake\\processed\\d\\set\\x.tif",
    ] {
        let references = lake.references(text);
        assert!(references.covers("processed", "d/set/x.tif"), "{text}");
        assert!(references.covers("curated", "set/x.tif"), "{text}");
        assert!(!references.covers("curated", "x.tif"), "{text}");
        assert!(!references.covers("processed", "d/other/x.tif"), "{text}");
        assert!(!references.is_placed(), "{text}");
    }
    // A bucket's name in the path makes even a key of one segment certain enough to keep.
    let top = lake.references("https://unknown.example/processed/x.tif");
    assert!(top.covers("processed", "x.tif") && !top.covers("curated", "x.tif"));
}

#[test]
fn an_unknown_host_is_named_and_a_known_one_is_not() {
    let lake = lake();
    let host = |text: &str| lake.references(text).unknown_host().map(str::to_owned);
    assert_eq!(
        host("https://user:pw@Other.example:9/d/x.tif").as_deref(),
        Some("other.example:9")
    );
    assert_eq!(host("gs://bucket/d/x.tif").as_deref(), Some("bucket"));
    assert_eq!(host("http://localhost:9000/processed/d/x.tif"), None);
    assert_eq!(host("http://localhost:8080/collections/a/items/b"), None);
    assert_eq!(host("d/set/x.tif"), None);
    assert_eq!(host("image/tiff; application=geotiff"), None);
}

#[test]
fn a_directory_keeps_all_below_it_with_or_without_its_slash() {
    let lake = lake();
    for href in [
        "http://localhost:9000/processed/d/set/vector/",
        "http://localhost:9000/processed/d/set/vector",
        "s3://processed/d/set/vector/#layer",
        "s3://processed/d/set/vector/?x=1",
        "s3://processed/d/set/vector/*.parquet",
        "s3://processed/d/set/vector/h3_7={cell}/part.parquet",
        "s3://processed/d/set/vector/%7Bz%7D/part.parquet",
    ] {
        let references = lake.references(href);
        assert!(
            references.covers("processed", "d/set/vector/h3_7=1/part-0.parquet"),
            "{href}"
        );
        assert!(
            !references.covers("processed", "d/set/raster/x.tif"),
            "{href}"
        );
        assert!(
            !references.covers("curated", "d/set/vector/h3_7=1/part-0.parquet"),
            "{href}"
        );
    }
}

#[test]
fn what_cannot_be_decoded_keeps_its_directory() {
    let lake = lake();
    let latin1 = lake.references("http://localhost:9000/processed/d/set/f%FCr.tif");
    assert!(latin1.covers("processed", "d/set/für.tif"));
    assert!(!latin1.covers("processed", "d/other/x.tif"));
}

#[test]
fn a_key_that_may_end_in_too_many_places_keeps_its_directory() {
    let lake = lake();
    let name = "a,b;c".repeat(60);
    let references = lake.references(&format!("s3://processed/d/set/{name}.tif"));
    assert!(references.covers("processed", &format!("d/set/{name}.tif")));
    assert!(!references.covers("processed", "d/other/x.tif"));
    let dotted = format!("http://localhost:9000/processed/d/set/{name}/../../x.tif");
    assert!(lake.references(&dotted).covers("processed", "d/x.tif"));
    let long = lake.references(&format!("s3://processed/d/set/{}", "x".repeat(20_000)));
    assert!(long.covers("processed", &format!("d/set/{}", "x".repeat(1000))));
}

#[test]
fn a_text_with_more_readings_than_are_kept_says_so() {
    let lake = lake();
    let flood = "s3://processed/d/x?y ".repeat(2000);
    assert!(!lake.references(&flood).is_complete());
    let mut deep = "s3://processed/d/x".to_owned();
    for _ in 0..20 {
        deep = format!(
            "https://t.example/?url={}",
            deep.replace('%', "%25").replace('/', "%2F")
        );
    }
    assert!(!lake.references(&deep).is_complete());
    assert!(lake.place(&deep).is_some());
    let chain = "/vsizip/".repeat(50_000);
    assert!(
        lake.place(&chain)
            .is_none_or(|place| matches!(place, Place::Foreign(_)))
    );
}

#[test]
fn a_long_text_of_any_kind_is_read_in_bounded_time() {
    let lake = lake();
    for unit in [
        "s3://",
        "arn:aws:s3:::",
        "http://[",
        "http://x?url=%2F",
        "http://localhost:8080/ ",
        "/vsizip/",
        "/vsis3/",
        "processed/",
        "%25",
        "%2F",
        "%FF/",
        "+%2F",
        "&url=a/b%2F",
        "?X-Amz-",
        "://",
        "::",
        "//",
        "\\",
        "?",
    ] {
        let text = unit.repeat(100_000 / unit.len());
        let references = lake.references(&text);
        let place = lake.place(&text);
        assert!(
            place.is_none() || references.places().first() == place.as_ref(),
            "{unit}"
        );
        assert!(!references.covers("curated", "d/x.tif"), "{unit}");
    }
}
