//! What is really there: the walk of a whole catalogue, and what belongs to an item of the sandbox.

use serde_json::{Value, json};

use super::fake::{Answer, FakeService};
use super::visit::Visit;
use dashictl::error::{Error, Kind, Result};
use dashictl::inventory::{Belongings, Record, Walked, belongings, walk};
use dashictl::lake::{Lake, Settings};

impl Visit {
    /// Walks the catalogue. Gives the names of its records as well.
    fn walk(&self) -> Result<(Walked, Vec<String>)> {
        let stac = self.session.stac()?;
        let mut names = Vec::new();
        let walked = self.session.wait(walk(stac, |record: Record<'_>| {
            // A record may be shown twice where it was read in two ways.
            if !names.contains(&record.name()) {
                names.push(record.name());
            }
            Ok(())
        }))?;
        Ok((walked, names))
    }

    fn item(&self, collection: &str, id: &str) -> Value {
        let stac = self.session.stac().unwrap();
        self.session.wait(stac.item(collection, id)).unwrap()
    }

    fn belongings(&self, item: &Value) -> Result<Belongings> {
        self.belongings_in(self.session.lake()?, item)
    }

    fn belongings_in(&self, lake: &Lake, item: &Value) -> Result<Belongings> {
        let session = &self.session;
        let found = belongings(session.stac()?, session.s3()?, lake, item);
        session.wait(found)
    }
}

/// The uris of what goes.
fn goes(belongings: &Belongings) -> Vec<&str> {
    let objects = belongings.objects.iter();
    objects.map(|object| object.uri.as_str()).collect()
}

#[test]
fn a_walk_shows_every_record_once() {
    let (walked, names) = Visit::of_sandbox().walk().unwrap();
    assert_eq!((walked.collections, walked.items), (2, 12));
    assert!(names.contains(&"collection gelaende-umwelt".to_owned()));
    let is_item = |name: &&String| name.starts_with("item ");
    let mut items: Vec<String> = names.iter().filter(is_item).cloned().collect();
    items.sort();
    items.dedup();
    assert_eq!(items.len(), 12);
    assert!(items.contains(&"item klima-historisch/klimaatlas-2024".to_owned()));
}

#[test]
fn a_vector_dataset_goes_with_its_parts_and_its_sidecar() {
    let visit = Visit::of_sandbox();
    let found = visit
        .belongings(&visit.item("gelaende-umwelt", "landbedeckung-2025"))
        .unwrap();
    let folder = "s3://processed/gelaende-umwelt/landbedeckung-2025";
    assert_eq!(
        goes(&found),
        [
            format!("{folder}/_metadata.json"),
            format!("{folder}/vector/h3_7=871f1d489ffffff/part-0.parquet"),
            format!("{folder}/vector/h3_7=871f1d48bffffff/part-0.parquet"),
            format!("{folder}/vector/h3_7=871f1d4d6ffffff/part-0.parquet"),
        ]
    );
    let assets: Vec<&str> = found
        .objects
        .iter()
        .map(|object| object.asset.as_str())
        .collect();
    assert_eq!(assets, ["sidecar", "data", "data", "data"]);
    assert!(
        found.objects.iter().all(|object| object.size > 0
            && object.etag.is_some()
            && object.last_modified.is_some())
    );
    assert!(found.kept.is_empty() && found.missing.is_empty() && found.foreign.is_empty());
    assert_eq!(found.left.objects, 0);
}

#[test]
fn a_legend_of_two_items_stays() {
    let visit = Visit::of_sandbox();
    let found = visit
        .belongings(&visit.item("klima-historisch", "klimaatlas-2024"))
        .unwrap();
    let folder = "s3://processed/klima-historisch/klimaatlas-2024";
    assert_eq!(
        goes(&found),
        [
            format!("{folder}/_metadata.json"),
            format!("{folder}/raster/scene.tif")
        ]
    );
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["kept"].as_array().unwrap().len(), 1);
    assert_eq!(
        json["kept"][0]["uri"],
        "s3://processed/klima-historisch/legende/temperatur.json"
    );
    assert_eq!(json["kept"][0]["asset"], "legend");
    assert_eq!(
        json["kept"][0]["by"],
        "item klima-historisch/hyras-tas-1981-2010, assets.legend.href"
    );
}

#[test]
fn an_item_that_moved_into_a_dataset_keeps_its_sidecar() {
    let visit = Visit::of_sandbox();
    let mut neighbour = visit.item("gelaende-umwelt", "dgm1-harz-2025");
    neighbour["properties"]["dashi:parent"] =
        json!("s3://processed/gelaende-umwelt/als-harz-2025/pointcloud/old.laz");
    visit.put(&neighbour);
    let found = visit
        .belongings(&visit.item("gelaende-umwelt", "als-harz-2025"))
        .unwrap();
    assert_eq!(
        goes(&found),
        ["s3://processed/gelaende-umwelt/als-harz-2025/pointcloud/points.copc.laz"]
    );
    assert_eq!(found.kept.len(), 1);
    assert_eq!(
        found.kept[0].by,
        "item gelaende-umwelt/dgm1-harz-2025, properties.dashi:parent, in the same dataset"
    );
}

#[test]
fn a_missing_object_is_told_from_a_missing_bucket() {
    let visit = Visit::of_sandbox();
    let mut item = visit.item("gelaende-umwelt", "dop20-harz-2025");
    item["assets"]["gone"] =
        json!({"href": "s3://processed/gelaende-umwelt/dop20-harz-2025/gone.tif"});
    item["assets"]["tiles"] = json!({"href": "s3://no-such-bucket/a/b/"});
    let found = visit.belongings(&item).unwrap();
    assert_eq!(
        found.missing[0].uri,
        "s3://processed/gelaende-umwelt/dop20-harz-2025/gone.tif"
    );
    assert_eq!(
        found.foreign[0].why,
        "'no-such-bucket' is not a bucket of the lake"
    );

    let misled = Lake::new(&Settings {
        endpoint: "http://localhost:9000",
        aliases: &[],
        landing: "landing",
        processed: "no-such-bucket",
        curated: "curated",
        others: &[],
        services: &[],
    })
    .unwrap();
    for href in ["s3://no-such-bucket/a/b.tif", "s3://no-such-bucket/a/b/"] {
        item["assets"] = json!({"data": {"href": href}});
        let error = visit.belongings_in(&misled, &item).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains("no-such-bucket"), "{error}");
    }
}

#[test]
fn a_whole_domain_is_refused_once_it_is_found_to_be_one() {
    let visit = Visit::of_sandbox();
    let mut item = visit.item("gelaende-umwelt", "dop20-harz-2025");
    item["assets"]["all"] = json!({"href": "s3://processed/gelaende-umwelt"});
    let error = visit.belongings(&item).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(
        error
            .to_string()
            .contains("a whole domain, s3://processed/gelaende-umwelt/"),
        "{error}"
    );
}

fn collections(ids: &[&str]) -> Answer {
    let records: Vec<Value> = ids
        .iter()
        .map(|id| json!({"id": id, "type": "Collection"}))
        .collect();
    Answer::json(&json!({"collections": records, "links": []}))
}

fn count(number: u64) -> Answer {
    Answer::json(&json!({"features": [], "links": [], "numberMatched": number}))
}

fn collection_count(number: u64) -> Answer {
    Answer::json(&json!({"collections": [], "links": [], "numberMatched": number}))
}

fn items(collection: &str, ids: &[&str]) -> Answer {
    let record =
        |id: &&str| json!({"id": id, "collection": collection, "type": "Feature", "assets": {}});
    Answer::json(&json!({"features": ids.iter().map(record).collect::<Vec<_>>(), "links": []}))
}

fn failed_walk(answers: Vec<Answer>) -> Error {
    let service = FakeService::start(answers);
    let error = Visit::of_catalogue(&service).walk().unwrap_err();
    assert!(
        error.to_string().contains("so nothing was planned"),
        "{error}"
    );
    assert!(
        error
            .detail()
            .hints
            .iter()
            .any(|hint| hint.contains("run it again")),
        "{error:?}"
    );
    error
}

/// The answers to a walk whose one search for all items gives none: what all count, then for each listing of the
/// collections what comes after it.
fn catalogue(total: u64, rounds: Vec<(&[&str], Vec<Answer>)>) -> Vec<Answer> {
    let first = rounds[0].0;
    let mut answers = vec![count(total)];
    for _ in 0..5 {
        answers.push(items("a", &[]));
        answers.extend([collection_count(first.len() as u64), collections(first)]);
        answers.push(count(total));
    }
    for (ids, more) in rounds {
        answers.push(collection_count(ids.len() as u64));
        answers.push(collections(ids));
        answers.extend(more);
    }
    answers
}

#[test]
fn a_small_catalogue_is_read_in_one_search() {
    let both = json!({"features": [
        {"id": "x", "collection": "a", "type": "Feature", "assets": {}}, {"id": "x", "collection": "b", "type": "Feature", "assets": {}},
    ], "links": []});
    let service = FakeService::start(vec![
        count(2),
        Answer::json(&both),
        collection_count(3),
        collections(&["a", "b", "empty"]),
        count(2),
    ]);
    let (walked, names) = Visit::of_catalogue(&service).walk().unwrap();
    assert_eq!((walked.collections, walked.items), (3, 2));
    assert_eq!(names[..2], ["item a/x", "item b/x"]);
    assert_eq!(names.len(), 5);
    let asked = service.asked();
    assert_eq!(
        serde_json::from_str::<Value>(&asked[1].body).unwrap(),
        json!({"limit": 1000, "fields": {"exclude": ["geometry", "bbox"]}})
    );
    assert_eq!(asked.len(), 5);
}

#[test]
fn a_small_catalogue_that_changes_meanwhile_is_read_again() {
    let service = FakeService::start(vec![
        count(1),
        items("a", &["x"]),
        collection_count(1),
        collections(&["a"]),
        count(2),
        items("a", &["x", "y"]),
        collection_count(1),
        collections(&["a"]),
        count(2),
    ]);
    let (walked, names) = Visit::of_catalogue(&service).walk().unwrap();
    assert_eq!(walked.items, 2);
    assert_eq!(names, ["item a/x", "collection a", "item a/y"]);
}

#[test]
fn a_walk_asks_for_all_but_the_geometry_and_proves_that_nothing_is_missing() {
    let service = FakeService::start(catalogue(
        2,
        vec![
            (&["a"], vec![count(2), items("a", &["x", "y"]), count(2)]),
            (&["a"], vec![]),
        ],
    ));
    let (walked, names) = Visit::of_catalogue(&service).walk().unwrap();
    assert_eq!((walked.collections, walked.items), (1, 2));
    assert_eq!(names, ["collection a", "item a/x", "item a/y"]);
    let asked = service.asked();
    assert_eq!(
        serde_json::from_str::<Value>(&asked[24].body).unwrap(),
        json!({"collections": ["a"], "limit": 1000, "fields": {"exclude": ["geometry", "bbox"]}})
    );
    assert_eq!(asked.len(), 28);
}

#[test]
fn a_collection_whose_items_change_while_they_are_read_is_read_again() {
    let service = FakeService::start(catalogue(
        1,
        vec![
            (
                &["a"],
                vec![
                    count(1),
                    items("a", &["x"]),
                    count(2),
                    items("a", &["x", "y"]),
                    count(2),
                ],
            ),
            (&["a"], vec![]),
        ],
    ));
    let (walked, names) = Visit::of_catalogue(&service).walk().unwrap();
    assert_eq!(walked.items, 2);
    assert!(names.contains(&"item a/y".to_owned()));
}

#[test]
fn a_collection_that_never_stands_still_ends_the_walk() {
    let mut read = vec![count(1)];
    for round in 1..=5 {
        let ids: Vec<String> = (0..round).map(|id| id.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        read.extend([items("a", &ids), count(round + 1)]);
    }
    let error = failed_walk(catalogue(1, vec![(&["a"], read)]));
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(
        error
            .to_string()
            .contains("collection 'a' had 5 items before and 6 after"),
        "{error}"
    );
}

#[test]
fn items_that_are_missing_repeated_or_of_another_collection_end_the_walk() {
    for (page, said) in [
        (
            items("a", &["x"]),
            "collection 'a' counts 2 items, and 1 were read",
        ),
        (
            items("a", &["x", "y", "z"]),
            "collection 'a' counts 2 items, and 3 were read",
        ),
        (
            items("a", &["x", "x"]),
            "of 2 items of collection 'a' only 1 have an id of their own",
        ),
        (
            items("b", &["x", "y"]),
            "it gave the item 'x' of collection \"b\"",
        ),
        (
            items("a", &["x", ""]),
            "an item of collection 'a' has no id",
        ),
        (
            Answer::json(&json!({"features": [{"id": "x", "collection": "a"}], "links": []})),
            "the item 'x' of collection 'a' has no assets",
        ),
    ] {
        let error = failed_walk(catalogue(2, vec![(&["a"], vec![count(2), page, count(2)])]));
        assert_eq!(error.kind(), Kind::Protocol);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_collection_that_comes_while_the_catalogue_is_read_is_read_too() {
    let service = FakeService::start(catalogue(
        1,
        vec![
            (&["a"], vec![count(1), items("a", &["x"]), count(1)]),
            (&["a", "b"], vec![count(1), items("b", &["y"]), count(1)]),
            (&["a", "b"], vec![]),
        ],
    ));
    let (walked, names) = Visit::of_catalogue(&service).walk().unwrap();
    assert_eq!((walked.collections, walked.items), (2, 2));
    assert_eq!(
        names,
        ["collection a", "item a/x", "collection b", "item b/y"]
    );
}

#[test]
fn a_collection_that_was_never_listed_ends_the_walk() {
    let one = || vec![count(1), items("a", &["x"]), count(1)];
    let mut hidden = catalogue(3, vec![(&["a"], one()), (&["a"], vec![])]);
    hidden.push(count(3));
    for _ in 0..5 {
        hidden.extend([count(1), count(3)]);
    }
    let error = failed_walk(hidden);
    assert!(
        error
            .to_string()
            .contains("it counts 3 items, and its collections hold 1"),
        "{error}"
    );
    // More items than are read in one search.
    let mut short = vec![count(9_999)];
    for _ in 0..5 {
        short.extend([collection_count(2), collections(&["a"])]);
    }
    let error = failed_walk(short);
    assert!(
        error
            .to_string()
            .contains("it counts 2 collections, and lists 1"),
        "{error}"
    );
}

#[test]
fn an_item_that_goes_and_one_that_comes_elsewhere_do_not_end_the_walk() {
    let mut busy = catalogue(
        3,
        vec![
            (&["a"], vec![count(1), items("a", &["x"]), count(1)]),
            (&["a", "b"], vec![count(1), items("b", &["y"]), count(1)]),
            (&["a", "b"], vec![]),
        ],
    );
    busy.extend([count(3), count(2), count(1), count(3)]);
    let (walked, _) = Visit::of_catalogue(&FakeService::start(busy))
        .walk()
        .unwrap();
    assert_eq!((walked.collections, walked.items), (2, 2));
}

#[test]
fn an_item_that_goes_and_comes_back_while_it_is_read_is_read_again() {
    let service = FakeService::start(catalogue(
        2,
        vec![
            (
                &["a"],
                vec![
                    count(2),
                    items("a", &["x"]),
                    count(2),
                    count(2),
                    items("a", &["x", "y"]),
                    count(2),
                ],
            ),
            (&["a"], vec![]),
        ],
    ));
    let (walked, _) = Visit::of_catalogue(&service).walk().unwrap();
    assert_eq!(walked.items, 2);
}

#[test]
fn a_collection_without_items_is_not_searched() {
    let mut answers = catalogue(1, vec![(&["a"], vec![count(0)]), (&["a"], vec![])]);
    answers.push(count(1));
    for _ in 0..5 {
        answers.extend([count(0), count(1)]);
    }
    let service = FakeService::start(answers);
    let error = Visit::of_catalogue(&service).walk().unwrap_err();
    assert!(
        error.to_string().contains("its collections hold 0"),
        "{error}"
    );
    let searches = service.asked();
    let searches = searches.iter().filter(|asked| {
        asked.body.contains("\"limit\":1000") && asked.body.contains("collections")
    });
    assert_eq!(searches.count(), 0);
}

#[test]
fn a_catalogue_that_fails_in_the_middle_ends_the_walk() {
    let error = failed_walk(catalogue(
        1,
        vec![(&["a"], vec![count(1), Answer::status(500, "no")])],
    ));
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error.to_string().contains("could not be read completely"),
        "{error}"
    );
}

#[test]
fn what_a_visitor_says_ends_the_walk_as_it_is() {
    let service = FakeService::start(catalogue(0, vec![(&["a"], vec![])]));
    let visit = Visit::of_catalogue(&service);
    let stac = visit.session.stac().unwrap();
    let stop = |_: Record<'_>| Err(Error::usage("enough"));
    let error = visit.session.wait(walk(stac, stop)).unwrap_err();
    assert_eq!(error.to_string(), "enough");
}
