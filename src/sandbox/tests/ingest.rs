//! Uploads through ingest-api, to the object in the landing bucket and the item in the catalogue.

use serde_json::{Value, json};

use super::Lake;

#[tokio::test]
async fn a_presigned_url_takes_the_file_it_was_made_for() {
    let lake = Lake::start().await;
    let base = lake.sandbox.ingest_url();
    let ask = json!({"domain": "gelaende-umwelt", "filename": "a.tif", "content_type": "image/tiff", "content_length": 4});
    let (_, presigned) = lake.post(base, "/presign", &ask).await;
    let url = presigned["url"].as_str().expect("a url");
    let put = |kind: &'static str| {
        lake.http
            .put(url)
            .header("Content-Type", kind)
            .body("II*\0")
            .send()
    };
    assert_eq!(put("text/plain").await.expect("an answer").status(), 403);
    assert_eq!(put("image/tiff").await.expect("an answer").status(), 200);
    let uri = json!({"s3_uri": presigned["s3_uri"]});
    let (_, registered) = lake.post(base, "/register", &uri).await;
    assert_eq!(
        (&registered["content_length"], &registered["content_type"]),
        (&json!(4), &json!("image/tiff"))
    );
    let (_, scanned) = lake.post(base, "/scan", &uri).await;
    assert_eq!(scanned["rows"][0]["driver"], "GTiff");
    let trigger = json!({"s3_uri": presigned["s3_uri"], "domain": "gelaende-umwelt"});
    let (status, run) = lake.post(base, "/trigger", &trigger).await;
    assert_eq!((status, &run["state"]), (200, &json!("SCHEDULED")));
    let path = format!(
        "/api/flow_runs/{}",
        run["flow_run_id"].as_str().expect("an id")
    );
    let (_, run) = lake.get(lake.sandbox.prefect_url(), &path).await;
    assert_eq!(
        run["tags"],
        json!([
            "submitted-by:operator",
            "domain:gelaende-umwelt",
            "dashi",
            "ingest"
        ])
    );
    assert_eq!(run["parameters"]["classification"], "int");
}

#[tokio::test]
async fn a_large_file_is_uploaded_in_parts_and_completed() {
    let lake = Lake::start().await;
    let base = lake.sandbox.ingest_url();
    let ask =
        json!({"domain": "gelaende-umwelt", "filename": "big.laz", "content_length": 524_288_000});
    let (_, started) = lake.post(base, "/multipart/start", &ask).await;
    assert_eq!(started["part_count"], 32);
    let mut parts: Vec<Value> = Vec::new();
    // The store does not know the announced length: two parts will do.
    for (number, body) in [(1_usize, vec![1_u8; 5 << 20]), (2, vec![2; 10])] {
        let url = started["urls"][number - 1].as_str().expect("a url");
        let response = lake
            .http
            .put(url)
            .body(body)
            .send()
            .await
            .expect("an answer");
        let etag = response.headers()["etag"]
            .to_str()
            .expect("an etag")
            .to_owned();
        parts.push(json!({"part_number": number, "etag": etag}));
    }
    let complete = json!({"bucket": "landing", "key": started["key"], "upload_id": started["upload_id"], "parts": parts});
    let (status, completed) = lake.post(base, "/multipart/complete", &complete).await;
    assert_eq!((status, &completed["s3_uri"]), (200, &started["s3_uri"]));
    let key = started["key"].as_str().expect("a key");
    let head = lake
        .s3()
        .head_object()
        .bucket("landing")
        .key(key)
        .send()
        .await
        .expect("the object");
    assert_eq!(head.content_length(), Some((5 << 20) + 10));
}

#[tokio::test]
async fn nobody_gets_past_the_proxy_without_a_name() {
    let lake = Lake::start().await;
    let url = format!("{}/me", lake.sandbox.ingest_url());
    assert_eq!(
        lake.http
            .get(&url)
            .send()
            .await
            .expect("an answer")
            .status(),
        401
    );
    let named = lake
        .http
        .get(&url)
        .header("Remote-User", "ada")
        .header("Remote-Groups", "ops, data");
    let body: Value = named
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("json");
    assert_eq!(body, json!({"user": "ada", "groups": ["ops", "data"]}));
    let (_, domains) = lake.get(lake.sandbox.ingest_url(), "/domains").await;
    assert_eq!(domains["domains"][1]["max_classification"], "pub");
}
