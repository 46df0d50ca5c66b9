//! What other records keep.

use serde_json::json;

use super::{World, collection, flow, goes, item, stays};
use crate::error::Kind;

const SCENE: &str = "s3://processed/klima/x/scene.tif";
const LEGEND: &str = "s3://processed/klima/legende/temperatur.json";

#[test]
fn a_legend_that_two_items_share_stays_however_the_other_spells_it() {
    let shared = item("klima", "x", &[SCENE, LEGEND]);
    for href in [
        LEGEND.to_owned(),
        LEGEND.replace("s3://", "s3a://"),
        flow("klima/legende/temperatur.json"),
        flow("klima/legende/temperatur%2Ejson"),
        "http://localhost:9000/processed/klima/legende/temperatur.json?X-Amz-Signature=1"
            .to_owned(),
        "https://tiles.example/cog?url=s3%3A%2F%2Fprocessed%2Fklima%2Flegende%2Ftemperatur.json"
            .to_owned(),
        "https://public.example/klima/legende/temperatur.json".to_owned(),
        "klima/legende/temperatur.json".to_owned(),
    ] {
        let world = World::of(&[SCENE, LEGEND], &[item("klima", "y", &[&href])]);
        let belongings = world.belongings(&shared).unwrap();
        assert_eq!(goes(&belongings), [SCENE], "{href}");
        assert_eq!(
            stays(&belongings),
            [(LEGEND, "item klima/y, assets.a0.href")],
            "{href}"
        );
    }
}

#[test]
fn what_lies_below_anothers_directory_stays() {
    let parts = [
        "s3://processed/klima/x/vector/a/1",
        "s3://processed/klima/x/vector/ab/2",
        "s3://processed/klima/x/vector/b/3",
    ];
    let mine = item("klima", "x", &[&flow("klima/x/vector/")]);
    for href in [flow("klima/x/vector/a/"), flow("klima/x/vector/a")] {
        let world = World::of(&parts, &[item("raw", "y", &[&href])]);
        let belongings = world.belongings(&mine).unwrap();
        assert_eq!(goes(&belongings), parts[1..], "{href}");
        assert_eq!(
            stays(&belongings),
            [(parts[0], "item raw/y, assets.a0.href")],
            "{href}"
        );
    }
    let whole = World::of(&parts, &[item("raw", "y", &["s3://processed/"])]);
    assert_eq!(goes(&whole.belongings(&mine).unwrap()), Vec::<&str>::new());
}

#[test]
fn the_item_itself_keeps_nothing_and_its_namesake_elsewhere_does() {
    let mine = item("klima", "x", &[SCENE]);
    let alone = World::of(&[SCENE], &[]);
    assert_eq!(goes(&alone.belongings(&mine).unwrap()), [SCENE]);
    let beside = World::of(&[SCENE], &[item("raw", "x", &[SCENE])]);
    assert_eq!(
        stays(&beside.belongings(&mine).unwrap()),
        [(SCENE, "item raw/x, assets.a0.href")]
    );
}

#[test]
fn a_collection_keeps_what_it_refers_to() {
    let mine = item("klima", "x", &[SCENE, LEGEND]);
    let world = World::of(
        &[SCENE, LEGEND],
        &[collection(
            "raw",
            &format!("Drawn with {LEGEND}, as everybody knows."),
        )],
    );
    assert_eq!(
        stays(&world.belongings(&mine).unwrap()),
        [(LEGEND, "collection raw, description")]
    );
}

#[test]
fn every_string_of_a_record_keeps() {
    let mine = item("klima", "x", &[SCENE]);
    let mut other = item("raw", "y", &[]);
    other["assets"] =
        json!({"a": {"href": "s3://processed/raw/y/a", "alternate": {"old": {"href": SCENE}}}});
    let world = World::of(&[SCENE], &[other]);
    assert_eq!(
        stays(&world.belongings(&mine).unwrap()),
        [(SCENE, "item raw/y, assets.a.alternate.old.href")]
    );
    let mut other = item("raw", "y", &[]);
    other["properties"] = json!({"made_of": [[SCENE]]});
    let world = World::of(&[SCENE], &[other]);
    assert_eq!(
        stays(&world.belongings(&mine).unwrap()),
        [(SCENE, "item raw/y, properties.made_of[0][0]")]
    );
}

#[test]
fn a_live_item_keeps_its_dataset_in_every_bucket() {
    let mine = item(
        "klima",
        "x",
        &[
            "s3://curated/klima/y/tiles/1.pbf",
            "s3://processed/klima/yy/a",
        ],
    );
    let world = World::of(
        &[
            "s3://curated/klima/y/tiles/1.pbf",
            "s3://processed/klima/yy/a",
        ],
        &[item("klima", "y", &[])],
    );
    let belongings = world.belongings(&mine).unwrap();
    assert_eq!(goes(&belongings), ["s3://processed/klima/yy/a"]);
    assert_eq!(
        stays(&belongings),
        [(
            "s3://curated/klima/y/tiles/1.pbf",
            "item klima/y, whose dataset it is in"
        )]
    );
}

#[test]
fn a_record_that_cannot_be_read_ends_it() {
    let mine = item("klima", "x", &[SCENE]);
    let endless = format!("raw/a%{}2Fb", "25".repeat(12));
    for (record, what) in [
        (collection("raw", &endless), "collection raw, description"),
        (item("raw", "y", &[&endless]), "item raw/y, assets.a0.href"),
    ] {
        let error = World::of(&[SCENE], &[record])
            .belongings(&mine)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        let said = error.to_string();
        assert!(
            said.contains(&format!("{what} names more places")),
            "{said}"
        );
    }
}

#[test]
fn thousands_of_items_are_held_against_thousands_of_objects() {
    let parts: Vec<String> = (0..2_000)
        .map(|part| format!("s3://processed/klima/x/vector/h3={part}/part-0.parquet"))
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let others: Vec<_> = (0..2_000)
        .map(|id| {
            item(
                "klima",
                &format!("y{id}"),
                &[&flow(&format!("klima/y{id}/vector/")), parts[id % 10]],
            )
        })
        .collect();
    let belongings =
        World::of(&parts, &others).belongings(&item("klima", "x", &[&flow("klima/x/vector/")]));
    let belongings = belongings.unwrap();
    assert_eq!(
        (belongings.objects.len(), belongings.kept.len()),
        (1_990, 10)
    );
}
