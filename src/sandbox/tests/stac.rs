//! Searches and paging of the STAC API.

use serde_json::{Value, json};

use super::Lake;

/// A collection `many` with items `i-00` … `i-24`, one a day, kinds in turn.
async fn many(lake: &Lake) {
    let base = lake.sandbox.stac_url();
    let collection = json!({"type": "Collection", "id": "many", "description": "d", "license": "x", "links": [],
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [[null, null]]}}});
    assert_eq!(lake.post(base, "/collections", &collection).await.0, 201);
    let features: Vec<Value> = (0..25)
        .map(|number| {
            json!({
                "type": "Feature", "id": format!("i-{number:02}"), "links": [], "assets": {},
                "geometry": {"type": "Point", "coordinates": [number, 50]},
                "properties": {
                    "datetime": format!("2026-01-{:02}T00:00:00Z", number + 1),
                    "dashi:kind": if number % 2 == 0 { "raster" } else { "vector" },
                    "n": number, "flag": number == 3,
                },
            })
        })
        .collect();
    let body = json!({"type": "FeatureCollection", "features": features});
    assert_eq!(
        lake.post(base, "/collections/many/items", &body).await.0,
        201
    );
}

fn ids(answer: &Value) -> Vec<String> {
    let features = answer["features"].as_array().expect("features");
    let id = |feature: &Value| feature["id"].as_str().expect("an id").to_owned();
    features.iter().map(id).collect()
}

fn link<'a>(answer: &'a Value, rel: &str) -> Option<&'a Value> {
    let links = answer["links"].as_array().expect("links");
    links.iter().find(|link| link["rel"] == rel)
}

#[tokio::test]
async fn a_search_is_walked_to_the_end_and_back() {
    let lake = Lake::start().await;
    many(&lake).await;
    let base = lake.sandbox.stac_url();
    let mut body = json!({"collections": ["many"], "limit": 7});
    let (mut seen, mut pages) = (Vec::new(), Vec::new());
    loop {
        let (_, page) = lake.post(base, "/search", &body).await;
        seen.extend(ids(&page));
        let next = link(&page, "next").map(|next| next["body"].clone());
        pages.push(page);
        match next {
            Some(next) => body = next,
            None => break,
        }
    }
    let newest_first: Vec<String> = (0..25)
        .rev()
        .map(|number| format!("i-{number:02}"))
        .collect();
    assert_eq!(seen, newest_first);
    assert_eq!(pages.len(), 4);
    let back = link(&pages[3], "previous").expect("a way back");
    let (_, page) = lake.post(base, "/search", &back["body"]).await;
    assert_eq!(ids(&page), ids(&pages[2]));
    assert!(pages[0]["numberMatched"].is_null());
}

#[tokio::test]
async fn a_get_walk_follows_links_with_the_token_in_the_query() {
    let lake = Lake::start().await;
    many(&lake).await;
    let base = lake.sandbox.stac_url();
    let mut url = format!("{base}/collections/many/items?limit=10");
    let mut seen = 0;
    loop {
        let (status, page) = lake.send(lake.http.get(&url)).await;
        assert_eq!(status, 200);
        seen += ids(&page).len();
        let Some(next) = link(&page, "next") else {
            break;
        };
        assert_eq!(next["method"], "GET");
        let href = next["href"].as_str().expect("a href").to_owned();
        assert!(
            href.starts_with(base) && href.contains("token=next%3A6d616e79%3A"),
            "{href}"
        );
        url = href;
    }
    assert_eq!(seen, 25);
}

#[tokio::test]
async fn a_token_whose_item_is_gone_fails_the_walk() {
    let lake = Lake::start().await;
    many(&lake).await;
    let base = lake.sandbox.stac_url();
    let (_, page) = lake
        .post(
            base,
            "/search",
            &json!({"collections": ["many"], "limit": 5}),
        )
        .await;
    let next = link(&page, "next").expect("a next page")["body"].clone();
    let gone = format!("{base}/collections/many/items/i-20");
    assert_eq!(lake.send(lake.http.delete(gone)).await.0, 200);
    let (status, body) = lake.post(base, "/search", &next).await;
    assert_eq!((status, body), (500, json!("Internal Server Error")));
}

#[tokio::test]
async fn filters_mean_what_they_mean_in_pgstac() {
    let lake = Lake::start().await;
    many(&lake).await;
    let base = lake.sandbox.stac_url();
    let property = |name: &str| json!({"property": name});
    let cases = [
        (
            json!({"op": "=", "args": [property("dashi:kind"), "raster"]}),
            13,
        ),
        (
            json!({"op": ">=", "args": [property("properties.n"), 20]}),
            5,
        ),
        (
            json!({"op": "and", "args": [
            {"op": "<", "args": [property("n"), 4]}, {"op": "not", "args": [{"op": "=", "args": [property("n"), 2]}]}]}),
            3,
        ),
        (
            json!({"op": "or", "args": [
            {"op": "=", "args": [property("id"), "i-01"]}, {"op": "like", "args": [property("id"), "i-2%"]}]}),
            6,
        ),
        (
            json!({"op": "in", "args": [property("id"), ["i-03", "i-04", "none"]]}),
            2,
        ),
        (json!({"op": "isNull", "args": [property("none")]}), 25),
        (json!({"op": "=", "args": [property("flag"), true]}), 1),
        (
            json!({"op": "<=", "args": [property("datetime"), {"timestamp": "2026-01-03T00:00:00Z"}]}),
            3,
        ),
        (json!({"op": "between", "args": [property("n"), 3, 5]}), 3),
    ];
    for (filter, expected) in cases {
        let body = json!({"collections": ["many"], "filter": filter, "filter-lang": "cql2-json",
            "limit": 1, "conf": {"context": "on"}});
        let (status, found) = lake.post(base, "/search", &body).await;
        assert_eq!(
            (status, &found["numberMatched"]),
            (200, &json!(expected)),
            "{filter}"
        );
    }
}

#[tokio::test]
async fn a_search_is_narrowed_by_ids_box_and_time() {
    let lake = Lake::start().await;
    many(&lake).await;
    let base = lake.sandbox.stac_url();
    let count = async |mut body: Value| {
        body["collections"] = json!(["many"]);
        body["conf"] = json!({"context": "on"});
        lake.post(base, "/search", &body).await.1["numberMatched"].clone()
    };
    assert_eq!(count(json!({"ids": ["i-01", "i-02", "x"]})).await, 2);
    assert_eq!(count(json!({"bbox": [2.5, 0, 5.5, 90]})).await, 3);
    assert_eq!(
        count(json!({"datetime": "2026-01-05T00:00:00Z/.."})).await,
        21
    );
    assert_eq!(
        count(json!({"datetime": "../2026-01-05T00:00:00Z"})).await,
        5
    );
    assert_eq!(count(json!({"datetime": "2026-01-05T00:00:00Z"})).await, 1);
    let path = "/search?collections=many&sortby=%2Bproperties.n&limit=2&fields=id,-links";
    let (_, page) = lake.get(base, path).await;
    assert_eq!(
        page["features"],
        json!([
        {"id": "i-00", "collection": "many"}, {"id": "i-01", "collection": "many"}])
    );
}

#[tokio::test]
async fn wrong_searches_are_refused() {
    let lake = Lake::start().await;
    let base = lake.sandbox.stac_url();
    for (body, status) in [
        (json!({"limit": 0}), 400),
        (json!({"collections": "many"}), 400),
        (json!({"datetime": "soon"}), 400),
        (json!({"bbox": [1, 2]}), 400),
        (
            json!({"intersects": {"type": "Point", "coordinates": [1, 2]}}),
            400,
        ),
        (json!({"token": "next:zz"}), 500),
        (json!({"sortby": [{"field": "id", "direction": "up"}]}), 500),
    ] {
        assert_eq!(lake.post(base, "/search", &body).await.0, status, "{body}");
    }
    assert_eq!(
        lake.post(base, "/search", &json!({"limit": 20_000}))
            .await
            .0,
        200
    );
    assert_eq!(
        lake.get(base, "/nowhere").await,
        (404, json!({"detail": "Not Found"}))
    );
}

#[tokio::test]
async fn items_are_checked_against_where_they_are_sent() {
    let lake = Lake::start().await;
    many(&lake).await;
    let base = lake.sandbox.stac_url();
    let item = |id: &str, collection: &str| {
        json!({"type": "Feature", "id": id, "collection": collection, "links": [],
        "assets": {}, "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {"datetime": "2026-01-01T00:00:00Z"}})
    };
    let post = async |path: &str, body: Value| lake.post(base, path, &body).await;
    assert_eq!(
        post("/collections/none/items", item("a", "none")).await.0,
        500
    );
    assert_eq!(
        post("/collections/many/items", item("a", "other")).await.0,
        400
    );
    assert_eq!(
        post("/collections/many/items", item("a/b", "many")).await.0,
        400
    );
    let put = |id: &str, body: Value| {
        lake.send(
            lake.http
                .put(format!("{base}/collections/many/items/{id}"))
                .json(&body),
        )
    };
    assert_eq!(put("none", item("none", "many")).await.0, 404);
    assert_eq!(put("i-00", item("i-01", "many")).await.0, 400);
    assert_eq!(put("i-00", item("i-00", "many")).await.0, 200);
    let (_, read) = lake.get(base, "/collections/many/items/i-00").await;
    assert_eq!(read["properties"]["n"], Value::Null);
}

#[tokio::test]
async fn collections_are_paged_by_offset() {
    let lake = Lake::start().await;
    let base = lake.sandbox.stac_url();
    let (_, page) = lake.get(base, "/collections?limit=1").await;
    assert_eq!(
        (&page["numberMatched"], &page["numberReturned"]),
        (&json!(2), &json!(1))
    );
    let next = link(&page, "next").expect("a next page")["href"]
        .as_str()
        .expect("a href")
        .to_owned();
    assert!(next.ends_with("limit=1&offset=1"), "{next}");
    let (_, page) = lake.send(lake.http.get(next)).await;
    assert!(link(&page, "next").is_none());
    let back = link(&page, "previous").expect("a way back");
    assert!(
        back["href"]
            .as_str()
            .expect("a href")
            .ends_with("/collections?limit=1")
    );
}
