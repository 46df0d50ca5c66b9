//! Sidecars and leftovers: whose dataset it is.

use super::{World, flow, goes, item, stays};

const SCENE: &str = "s3://processed/klima/set/raster/scene.tif";
const SIDECAR: &str = "s3://processed/klima/set/_metadata.json";

#[test]
fn a_sidecar_goes_with_the_last_item_of_its_dataset() {
    let inner = "s3://processed/klima/set/raster/_metadata.json";
    let world = World::of(
        &[SCENE, SIDECAR, inner],
        &[item("klima", "y", &[&flow("klima/set2/a.tif")])],
    );
    let belongings = world.belongings(&item("klima", "x", &[SCENE])).unwrap();
    assert_eq!(goes(&belongings), [SIDECAR, inner, SCENE]);
    assert_eq!(belongings.objects[0].asset, "sidecar");
}

#[test]
fn a_sidecar_stays_while_another_item_lives_in_the_dataset() {
    for (other, by) in [
        (
            item("raw", "y", &[&flow("klima/set/raster/gone.tif")]),
            "item raw/y, assets.a0.href, in the same dataset",
        ),
        (
            item(
                "raw",
                "y",
                &["https://public.example/p/klima/set/raster/b.tif"],
            ),
            "item raw/y, assets.a0.href, in the same dataset",
        ),
        (
            item("klima", "set", &[]),
            "item klima/set, whose dataset it is in",
        ),
    ] {
        let mine = item("klima", "x", &[SCENE]);
        let belongings = World::of(&[SCENE, SIDECAR], &[other])
            .belongings(&mine)
            .unwrap();
        assert_eq!(stays(&belongings)[0], (SIDECAR, by));
        assert_eq!(belongings.left.objects, 0);
    }
}

#[test]
fn a_sidecar_inside_of_a_directory_asset_is_one_and_an_asset_of_that_name_is_none() {
    let neighbour = [item("raw", "y", &[&flow("klima/set/other.tif")])];
    let world = World::of(&[SCENE, SIDECAR], &neighbour);
    let belongings = world
        .belongings(&item("klima", "x", &["s3://processed/klima/set/"]))
        .unwrap();
    assert_eq!(goes(&belongings), [SCENE]);
    let belongings = world
        .belongings(&item("klima", "x", &[SIDECAR, SCENE]))
        .unwrap();
    assert_eq!(goes(&belongings), [SIDECAR, SCENE]);
}

#[test]
fn the_datasets_are_above_the_assets_and_under_the_items_id_in_each_bucket() {
    let sidecars = [
        "s3://curated/klima/x/_metadata.json",
        "s3://processed/klima/set/_metadata.json",
        "s3://processed/klima/x/_metadata.json",
    ];
    let elsewhere = [
        "s3://landing/klima/x/_metadata.json",
        "s3://processed/klima/other/_metadata.json",
        "s3://processed/raw/x/_metadata.json",
    ];
    let assets = ["s3://curated/tiles/a.pbf", SCENE];
    let world = World::of(&[&sidecars[..], &elsewhere, &assets].concat(), &[]);
    let belongings = world.belongings(&item("klima", "x", &assets)).unwrap();
    assert_eq!(
        goes(&belongings),
        [sidecars[0], assets[0], sidecars[1], SCENE, sidecars[2]]
    );
}

#[test]
fn an_item_without_assets_has_the_sidecar_under_its_id() {
    let sidecar = "s3://processed/klima/x/_metadata.json";
    let belongings = World::of(&[sidecar], &[])
        .belongings(&item("klima", "x", &[]))
        .unwrap();
    assert_eq!(goes(&belongings), [sidecar]);
}

#[test]
fn what_no_asset_names_is_left_and_counted_once() {
    let left =
        ["a", "b", "c", "d"].map(|name| format!("s3://processed/klima/set/raster/{name}.tif"));
    let mut uris: Vec<&str> = left.iter().map(String::as_str).collect();
    uris.extend([SCENE, SIDECAR, "s3://processed/klima/other/e.tif"]);
    let belongings = World::of(&uris, &[])
        .belongings(&item("klima", "set", &[SCENE]))
        .unwrap();
    assert_eq!((belongings.left.objects, belongings.left.bytes), (4, 40));
    assert_eq!(belongings.left.samples, left[..3]);
}
