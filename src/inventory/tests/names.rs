//! What an item names, in every spelling, and what it may not name.

use serde_json::json;

use super::{World, flow, goes, item};
use crate::error::Kind;

#[test]
fn an_object_is_the_same_in_every_spelling() {
    let world = World::of(&["s3://processed/klima/a b/scene.tif"], &[]);
    let spellings = [
        "s3://processed/klima/a b/scene.tif".to_owned(),
        "s3a://processed/klima/a b/scene.tif".to_owned(),
        flow("klima/a%20b/scene.tif"),
        flow("klima/a b/scene.tif"),
        "http://localhost:9000/processed/klima/a%20b/scene.tif".to_owned(),
        "http://127.0.0.1:9000/processed/klima/a%20b/scene.tif?X-Amz-Signature=abc".to_owned(),
        "/vsis3/processed/klima/a b/scene.tif".to_owned(),
    ];
    for href in &spellings {
        let belongings = world.belongings(&item("klima", "x", &[href])).unwrap();
        assert_eq!(
            goes(&belongings),
            ["s3://processed/klima/a b/scene.tif"],
            "{href}"
        );
        assert!(
            belongings.missing.is_empty() && belongings.foreign.is_empty(),
            "{href}"
        );
    }
    let all: Vec<&str> = spellings.iter().map(String::as_str).collect();
    let belongings = world.belongings(&item("klima", "x", &all)).unwrap();
    assert_eq!(belongings.objects.len(), 1);
    assert_eq!(belongings.objects[0].asset, "a0");
}

#[test]
fn a_directory_has_all_below_it_with_and_without_its_slash() {
    let world = World::of(
        &[
            "s3://processed/klima/x/vector/h3=1/part-0.parquet",
            "s3://processed/klima/x/vector/h3=2/part-0.parquet",
            "s3://processed/klima/x/vectors/other.parquet",
        ],
        &[],
    );
    for href in [flow("klima/x/vector/"), flow("klima/x/vector")] {
        let belongings = world.belongings(&item("klima", "x", &[&href])).unwrap();
        assert_eq!(
            goes(&belongings),
            [
                "s3://processed/klima/x/vector/h3=1/part-0.parquet",
                "s3://processed/klima/x/vector/h3=2/part-0.parquet",
            ],
            "{href}"
        );
    }
}

#[test]
fn an_object_that_is_a_directory_as_well_goes_with_what_is_below_it() {
    let world = World::of(
        &[
            "s3://processed/klima/x/data",
            "s3://processed/klima/x/data/part",
            "s3://processed/klima/x/data.txt",
        ],
        &[],
    );
    let both = [flow("klima/x/data"), flow("klima/x/data/")];
    let belongings = world
        .belongings(&item("klima", "x", &[&both[0], &both[1]]))
        .unwrap();
    assert_eq!(
        goes(&belongings),
        [
            "s3://processed/klima/x/data",
            "s3://processed/klima/x/data/part"
        ]
    );
}

#[test]
fn an_alternate_is_an_asset_too() {
    let world = World::of(
        &["s3://processed/klima/x/a.tif", "s3://curated/klima/x/b.tif"],
        &[],
    );
    let mut item = item("klima", "x", &["s3://processed/klima/x/a.tif"]);
    item["assets"]["a0"]["alternate"] = json!({
        "copy": {"href": "http://localhost:9000/curated/klima/x/b.tif"},
        "same": {"href": flow("klima/x/a.tif")},
    });
    let belongings = world.belongings(&item).unwrap();
    assert_eq!(
        goes(&belongings),
        ["s3://curated/klima/x/b.tif", "s3://processed/klima/x/a.tif"]
    );
}

#[test]
fn what_is_not_there_is_missing() {
    let world = World::of(&["s3://processed/klima/y/a.tif"], &[]);
    let hrefs = [
        flow("klima/x/a.tif"),
        "s3://processed/klima/x/vector/".to_owned(),
    ];
    let belongings = world
        .belongings(&item("klima", "x", &[&hrefs[0], &hrefs[1]]))
        .unwrap();
    assert_eq!(goes(&belongings), Vec::<&str>::new());
    let missing: Vec<(&str, &str)> = belongings
        .missing
        .iter()
        .map(|missing| (missing.asset.as_str(), missing.uri.as_str()))
        .collect();
    assert_eq!(
        missing,
        [
            ("a0", "s3://processed/klima/x/a.tif"),
            ("a1", "s3://processed/klima/x/vector/")
        ]
    );
}

#[test]
fn what_lies_in_no_bucket_of_the_lake_is_foreign_and_shows_no_signature() {
    let hrefs = [
        "https://user:geheim@archive.example/data/x.tif?sig=geheim",
        "s3://elsewhere/klima/x/a.tif",
        "mailto:somebody@example.org",
        "./x.tif",
    ];
    let mut item = item("klima", "x", &hrefs);
    item["assets"]["none"] = json!({"type": "image/tiff"});
    let belongings = World::of(&[], &[]).belongings(&item).unwrap();
    let foreign: Vec<(&str, &str)> = belongings
        .foreign
        .iter()
        .map(|foreign| (foreign.href.as_str(), foreign.why.as_str()))
        .collect();
    assert_eq!(
        foreign,
        [
            (
                "https://archive.example/data/x.tif?…",
                "'archive.example' is not a known host of the object store; if it is one, add it to s3.aliases"
            ),
            (
                "s3://elsewhere/klima/x/a.tif",
                "'elsewhere' is not a bucket of the lake"
            ),
            (
                "mailto:somebody@example.org",
                "it is no place in an object store"
            ),
            ("./x.tif", "it is a path without scheme and host"),
            ("", "the asset has no href"),
        ]
    );
}

#[test]
fn an_asset_that_is_a_whole_bucket_or_domain_is_refused() {
    let world = World::of(
        &["s3://processed/klima/x/a.tif", "s3://processed/README.txt"],
        &[],
    );
    for (href, whole) in [
        ("s3://processed", "the bucket 'processed'"),
        ("http://localhost:9000/processed/", "the bucket 'processed'"),
        (
            "s3://processed/klima/",
            "a whole domain, s3://processed/klima/",
        ),
        ("s3://processed//klima//", "a whole domain"),
        (
            "s3://processed/klima",
            "a whole domain, s3://processed/klima/",
        ),
    ] {
        let error = world.belongings(&item("klima", "x", &[href])).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        let message = error.to_string();
        assert!(message.contains("asset 'a0' of item klima/x"), "{message}");
        assert!(
            message.contains(href) && message.contains(whole),
            "{message}"
        );
        assert!(error.detail().hints[0].contains("stac::put_item"));
    }
}

#[test]
fn an_object_at_the_root_goes_alone() {
    let world = World::of(
        &["s3://processed/readme", "s3://processed/readme/of/others"],
        &[],
    );
    let belongings = world
        .belongings(&item("klima", "x", &["s3://processed/readme"]))
        .unwrap();
    assert_eq!(goes(&belongings), ["s3://processed/readme"]);
    let belongings = world
        .belongings(&item("klima", "x", &["s3://processed/gone"]))
        .unwrap();
    assert_eq!(belongings.missing.len(), 1);
}
