//! `domain list|show|create` on both lakes.

use super::fake::{Answer, FakeService};
use super::lakes::{Lake, on_both_lakes};
use super::operator::Operator;
use serde_json::json;

on_both_lakes! {
    fn creating_a_domain_twice_succeeds_and_updates(lake) {
        let (operator, id) = (lake.operator(), Lake::name("twice"));
        let first = operator.run(&["domain", "create", &id, "--title", "First", "--json"]).json();
        assert_eq!((first["id"].as_str(), first["title"].as_str()), (Some(id.as_str()), Some("First")));
        let second = operator.run(&["domain", "create", &id, "--title", "Second", "--retention", "90d", "--json"]).json();
        assert_eq!((second["title"].as_str(), second["dashi:retention"].as_str()), (Some("Second"), Some("90d")));
        let third = operator.run(&["domain", "create", &id, "--max-classification", "pub", "--json"]).json();
        assert_eq!((third["title"].as_str(), third["dashi:retention"].as_str()), (Some("Second"), Some("90d")), "what is not given stays");
    }

    fn a_new_domain_has_the_defaults_at_both_places(lake) {
        let (operator, id) = (lake.operator(), Lake::name("defaults"));
        operator.run(&["domain", "create", &id]).success();
        let domain = operator.run(&["domain", "show", &id, "--json"]).json();
        for place in [&domain, &domain["extra_fields"]] {
            assert_eq!(place["dashi:max_classification"], "int");
            assert_eq!(place["dashi:retention"], "indefinite");
        }
        assert_eq!(domain["items"], 0);
        let links = domain["links"].as_array().unwrap();
        assert_eq!(links.iter().filter(|link| link["rel"] == "self").count(), 1);
    }

    fn twelve_domains_are_all_listed(lake) {
        let (operator, stem) = (lake.operator(), Lake::name("twelve"));
        let ids: Vec<String> = (0..12).map(|n| format!("{stem}-{n}")).collect();
        for id in &ids {
            operator.run(&["domain", "create", id]).success();
        }
        let listed = operator.run(&["domain", "list", "--json"]).json();
        let listed: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|domain| domain["id"].as_str()).collect();
        assert!(ids.iter().all(|id| listed.contains(&id.as_str())), "{listed:?}");
        let table = operator.run(&["domain", "list"]).success();
        assert!(ids.iter().all(|id| table.contains(id)), "{table}");
    }

    fn small_pages_of_domains_are_followed_to_the_last(lake) {
        let (operator, stem) = (lake.operator(), Lake::name("paged"));
        for n in 0..12 {
            operator.run(&["domain", "create", &format!("{stem}-{n}")]).success();
        }
        // Other tests make and delete collections meanwhile: what counts is a reading during which none did.
        let quiet = "let ids = |page| stac::collections(#{page: page}).map(|c| c.id).collect();
            for attempt in 0..200 {
                let before = ids.call(500);
                let paged = ids.call(5);
                if before == ids.call(500) { return paged == before; }
            }
            \"never quiet\"";
        assert_eq!(operator.run(&["eval", quiet]).success(), "true\n");
    }

    fn showing_a_missing_domain_names_the_nearest(lake) {
        let operator = lake.operator();
        let ran = operator.run(&["domain", "show", "gelaende-umwelz"]);
        assert_eq!(ran.code, Some(1), "{ran}");
        assert!(ran.stderr.starts_with("error: there is no collection (domain) 'gelaende-umwelz'\n"), "{ran}");
        assert!(ran.stderr.contains("hint did you mean 'gelaende-umwelt'?"), "{ran}");
        assert!(ran.stderr.contains("/collections/gelaende-umwelz (status 404)"), "{ran}");
    }

    fn a_domain_is_shown_with_its_items(lake) {
        let shown = lake.operator().run(&["domain", "show", "gelaende-umwelt"]).success();
        assert!(shown.contains("gelaende-umwelt"), "{shown}");
        assert!(shown.lines().any(|line| line.starts_with("items ")), "{shown}");
    }

    fn a_dry_run_of_create_changes_nothing(lake) {
        let (operator, id) = (lake.operator(), Lake::name("dry"));
        let ran = operator.run(&["domain", "create", &id, "--dry-run"]);
        assert!(ran.stdout.contains(&format!("write   stac::put_collection  1              collection {id}")), "{ran}");
        let _ = ran.success();
        assert!(operator.run(&["domain", "show", &id]).failure(1).contains("there is no collection"));
    }

    fn what_is_in_a_missing_collection_is_an_error_and_not_nothing(lake) {
        let operator = lake.operator();
        for call in ["stac::count(\"gelaende-umwelz\")", "stac::items(\"gelaende-umwelz\").count()"] {
            let stderr = operator.run(&["eval", call]).failure(1);
            assert!(stderr.contains("gelaende-umwelz"), "{call}: {stderr}");
        }
        let put = "stac::put_item(#{ type: \"Feature\", stac_version: \"1.0.0\", id: \"a\", collection: \"gelaende-umwelz\", links: [],
            geometry: #{ type: \"Point\", coordinates: [8.0, 50.0] }, bbox: [8.0, 50.0, 8.0, 50.0],
            properties: #{ datetime: \"2026-04-27T00:00:00Z\" }, assets: #{} })";
        let stderr = operator.run(&["eval", "--effect", "write", put]).failure(1);
        assert!(stderr.contains("there is no collection (domain) 'gelaende-umwelz'"), "{stderr}");
        assert!(stderr.contains("did you mean 'gelaende-umwelt'?"), "{stderr}");
    }

    fn items_can_be_put_replaced_and_searched(lake) {
        let (operator, id) = (lake.operator(), Lake::name("items"));
        operator.run(&["domain", "create", &id]).success();
        let script = format!("
            let item = #{{ type: \"Feature\", stac_version: \"1.0.0\", id: \"a/b ä\", collection: \"{id}\", links: [],
                geometry: #{{ type: \"Point\", coordinates: [8.0, 50.0] }}, bbox: [8.0, 50.0, 8.0, 50.0],
                properties: #{{ datetime: \"2026-04-27T00:00:00Z\" }}, assets: #{{}} }};
            for n in 0..5 {{ let one = item; one.id = `i-${{n}}`; stac::put_item(one); }}
            item.id = \"i-0\"; item.properties.title = \"replaced\";
            stac::put_item(item);
            [stac::count(\"{id}\"), stac::items(\"{id}\", #{{page: 2}}).count(), stac::item(\"{id}\", \"i-0\").properties.title,
             stac::search(#{{collections: [\"{id}\"], ids: [\"i-3\"]}}).map(|i| i.id).collect(),
             stac::search(#{{collections: [\"{id}\"], page: 2, sortby: [#{{field: \"id\", direction: \"asc\"}}]}}).map(|i| i.id).collect(),
             stac::search(#{{collections: [\"{id}\"], page: 2, filter: #{{op: \"=\", args: [#{{property: \"id\"}}, \"i-4\"]}}}}).count(),
             stac::try_item(\"{id}\", \"none\")]");
        let value = operator.run(&["eval", "--effect", "write", "--json", &script]).json();
        assert_eq!(value, json!([5, 5, "replaced", ["i-3"], ["i-0", "i-1", "i-2", "i-3", "i-4"], 1, null]));
        let stderr = operator.run(&["eval", &format!("stac::item(\"{id}\", \"i-33\")")]).failure(1);
        assert!(stderr.contains(&format!("there is no item 'i-33' in collection '{id}'")), "{stderr}");
        assert!(stderr.contains("did you mean 'i-3'?"), "{stderr}");
    }
}

#[test]
fn a_wrong_id_or_retention_is_refused_before_anything_is_sent() {
    let service = super::listener::SilentListener::start();
    let operator = Operator::new().with("DASHI_STAC_URL", service.url());
    assert!(
        operator
            .run(&["domain", "create", "Under_score"])
            .failure(2)
            .contains("no id for a domain")
    );
    assert!(
        operator
            .run(&["domain", "create", "ok", "--retention", "soon"])
            .failure(2)
            .contains("is not a duration")
    );
    for (retention, told) in [
        ("0d", "keeps nothing at all"),
        ("99999999999d", "longer than a thousand years"),
    ] {
        let line = ["domain", "create", "ok", "--retention", retention];
        let stderr = operator.run(&line).failure(2);
        assert!(stderr.contains(told), "{stderr}");
    }
    let stderr = operator
        .run(&["domain", "create", "ok", "--max-classification", "secret"])
        .failure(2);
    assert!(stderr.contains("pub, int, rst, cnf"), "{stderr}");
    assert_eq!(service.visits(), 0);
}

#[test]
fn an_empty_catalogue_says_how_to_fill_it() {
    let service = FakeService::start(vec![Answer::json(&json!({"collections": [], "links": []}))]);
    let ran = Operator::new().run(&["domain", "list", "--stac-url", service.url()]);
    assert!(
        ran.stderr
            .contains("bash poc/scripts/seed-sample-domains.sh"),
        "{ran}"
    );
    assert_eq!(ran.success(), "");
    let json = Operator::new().run(&["domain", "list", "--json", "--stac-url", service.url()]);
    assert_eq!(json.json(), json!([]));
}

#[test]
fn extras_are_read_from_either_place() {
    let collections = json!([
        {"id": "new", "dashi:max_classification": "pub", "dashi:retention": "30d"},
        {"id": "old", "extra_fields": {"dashi:max_classification": "rst", "dashi:retention": "90d"}},
    ]);
    let service = FakeService::start(vec![Answer::json(
        &json!({"collections": collections, "links": []}),
    )]);
    let table = Operator::new()
        .run(&["domain", "list", "--stac-url", service.url()])
        .success();
    expect_test::expect![[r"
        ID   TITLE  MAX CLASSIFICATION  RETENTION
        new         pub                 30d
        old         rst                 90d
    "]]
    .assert_eq(&table);
}
