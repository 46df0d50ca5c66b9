//! The ingest-api in front of both lakes, and in front of a store that misbehaves: what it tells a client, and what it
//! makes of that in the lake. What it says to wrong requests is compared with the recorded server in `src/sandbox/tests`.

use dashictl::clients::tls;
use dashictl::sandbox::{IngestApi, IngestLake};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::corner::Corner;
use super::fake::{Answer, FakeService};
use super::lakes::on_both_lakes;

on_both_lakes! {
    fn an_upload_arrives_and_becomes_a_flow_run(lake) {
        let corner = Corner::of(lake);
        let api = Client::of(&corner.served.addresses.ingest);
        let file = json!({"domain": corner.domain, "filename": "a.tif", "content_type": "image/tiff", "content_length": 8});
        let (_, presigned) = api.post("/presign", &file);
        let uri = json!({"s3_uri": presigned["s3_uri"]});
        let missing = "s3 object not found: An error occurred (404) when calling the HeadObject operation: Not Found";
        for path in ["/register", "/scan"] {
            assert_eq!(api.post(path, &uri), (404, json!({"detail": missing})));
        }
        assert_eq!(api.put(&presigned["url"], "text/plain", b"II*\0....").0, 403);
        assert_eq!(api.put(&presigned["url"], "image/tiff", b"II*\0....").0, 200);
        let (_, registered) = api.post("/register", &uri);
        assert_eq!([&registered["content_length"], &registered["content_type"]], [&json!(8), &json!("image/tiff")]);
        let written: jiff::Timestamp = registered["last_modified"].as_str().unwrap().parse().unwrap();
        assert!(written.duration_until(jiff::Timestamp::now()).as_mins().abs() < 60, "{registered}");
        assert_eq!(api.post("/scan", &uri).1["rows"][0]["driver"], "GTiff");
        api.triggers(&corner, &presigned["s3_uri"]);
    }

    fn objects_are_looked_at_whatever_they_are_called_and_hold(lake) {
        let corner = Corner::of(lake);
        let api = Client::of(&corner.served.addresses.ingest);
        for (name, bytes, kind) in [
            ("empty", "", "unknown"),
            ("ä b+c%20&=?.geojson", r#"{"type": "FeatureCollection"}"#, "vector"),
            ("error.xml", "<Error><Code>NoSuchKey</Code></Error>", "unknown"),
        ] {
            let uri = format!("s3://landing/{}/{name}", corner.domain);
            corner.write(&format!("s3::write(`{uri}`, `{bytes}`)"));
            let (status, scanned) = api.post("/scan", &json!({"s3_uri": uri}));
            assert_eq!((status, &scanned["rows"][0]["kind"]), (200, &json!(kind)), "{name}");
            let (_, registered) = api.post("/register", &json!({"s3_uri": uri}));
            assert_eq!(registered["content_length"], json!(bytes.len()), "{registered}");
        }
    }

    fn an_upload_in_parts_is_completed_or_given_up(lake) {
        let corner = Corner::of(lake);
        let api = Client::of(&corner.served.addresses.ingest);
        let started = || {
            let file = json!({"domain": corner.domain, "filename": "big.laz", "content_length": 524_288_000});
            api.post("/multipart/start", &file).1
        };
        let upload = started();
        // The store does not know the announced length: two parts will do.
        let parts: Vec<Value> = (0..2).map(|at| {
            let bytes = vec![1; [5 << 20, 10][at]];
            let (status, etag) = api.put(&upload["urls"][at], "application/octet-stream", &bytes);
            assert_eq!(status, 200);
            json!({"part_number": at + 1, "etag": etag})
        }).collect();
        let (status, completed) = api.post("/multipart/complete", &target(&upload, &parts));
        assert_eq!((status, &completed["s3_uri"]), (200, &upload["s3_uri"]), "{completed}");
        assert!(completed["etag"].as_str().unwrap().ends_with("-2\""), "{completed}");
        let (_, registered) = api.post("/register", &json!({"s3_uri": upload["s3_uri"]}));
        assert_eq!(registered["content_length"], json!((5 << 20) + 10));

        let upload = started();
        assert_eq!(api.post("/multipart/abort", &target(&upload, &[])), (200, json!({"ok": true})));
        let (key, id) = (upload["key"].as_str().unwrap(), upload["upload_id"].as_str().unwrap());
        // SeaweedFS lets an upload be given up twice.
        for (path, key, id) in [
            ("/multipart/complete", key, id),
            ("/multipart/complete", "", id),
            ("/multipart/abort", key, ""),
            ("/multipart/abort", "", id),
        ] {
            let (status, refused) = api.post(path, &target(&json!({"key": key, "upload_id": id}), &parts));
            let said = refused["detail"].as_str().unwrap_or_default();
            assert!(status == 502 && said.starts_with("s3 error: NoSuchUpload ("), "{path} {key} {status} {refused}");
        }
    }

    fn domains_are_those_of_the_whole_catalogue(lake) {
        let corner = Corner::of(lake);
        let api = Client::of(&corner.served.addresses.ingest);
        let (_, told) = api.get("/domains");
        let told: Vec<&str> = told["domains"].as_array().unwrap().iter().map(|domain| domain["id"].as_str().unwrap()).collect();
        assert!(told.contains(&corner.domain.as_str()) && told.is_sorted(), "{told:?}");
        for nobody in ["", "..", "no/such", "no-such-domain"] {
            let trigger = json!({"s3_uri": "s3://landing/a", "domain": nobody});
            assert_eq!(api.post("/trigger", &trigger), (404, json!({"detail": format!("domain '{nobody}' not found")})));
        }
    }
}

#[test]
fn a_store_that_fails_in_the_middle_of_its_answer_has_not_completed() {
    let said = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  <Error><Code>InternalError</Code>\
        <Message>We &#34;failed&#34;.</Message><ETag>1</ETag></Error>";
    let store = FakeService::start(vec![Answer::status(200, said)]);
    let (status, refused) = completed_by(store.url());
    let detail = "s3 error: InternalError (We \"failed\".)";
    assert_eq!((status, refused), (502, json!({"detail": detail})));
    let asked = &store.asked()[0];
    assert!(
        asked.line.starts_with("POST /landing/k?X-Amz-Algorithm=")
            && asked.line.contains("&uploadId=u&"),
        "{asked:?}"
    );
    let parts = "<Part><PartNumber>1</PartNumber><ETag>\"e&lt;&amp;\"</ETag></Part>";
    assert!(asked.body.contains(parts), "{asked:?}");
}

#[test]
fn a_store_that_is_gone_is_said_to_be() {
    let (status, refused) = completed_by("http://127.0.0.1:9");
    let said = refused["detail"].as_str().unwrap();
    assert_eq!(status, 502, "{said}");
    assert!(
        said.starts_with("no answer from s3 at http://127.0.0.1:9: Connection refused"),
        "{said}"
    );
}

#[test]
fn a_catalogue_in_pages_is_read_to_the_end() {
    let page = |id: &str, links: Value| {
        Answer::json(
            &json!({"collections": [{"id": id, "dashi:max_classification": "pub"}], "links": links}),
        )
    };
    let next = json!([{"rel": "self", "href": "{url}"}, {"rel": "next", "href": "{url}/collections?offset=1"}]);
    let stac = FakeService::start(vec![page("b", next), page("a", json!([]))]);
    let (_runtime, api) = in_front_of("http://127.0.0.1:9", stac.url());
    let (_, told) = Client::of(api.url()).get("/domains");
    let domain = |id| json!({"id": id, "title": id, "description": null, "max_classification": "pub", "retention": "indefinite"});
    assert_eq!(told, json!({"domains": [domain("a"), domain("b")]}));
    assert_eq!(stac.lines()[1], "GET /collections?offset=1");
}

/// What the ingest-api says when an upload is to be completed in this store.
fn completed_by(store: &str) -> (u16, Value) {
    let (_runtime, api) = in_front_of(store, "http://127.0.0.1:9");
    let upload = json!({"key": "k", "upload_id": "u"});
    let parts = [json!({"part_number": 1, "etag": "\"e<&\""})];
    Client::of(api.url()).post("/multipart/complete", &target(&upload, &parts))
}

/// An ingest-api in front of these services, and what it runs on.
fn in_front_of(store: &str, stac: &str) -> (Runtime, IngestApi) {
    let runtime = Runtime::new().unwrap();
    let lake = IngestLake {
        s3: store.to_owned(),
        region: "us-east-1".to_owned(),
        access_key: "key".to_owned(),
        secret_key: "made-up-for-a-test".to_owned(),
        stac: stac.to_owned(),
        prefect: "http://127.0.0.1:9".to_owned(),
        valid: 900,
    };
    let api = runtime.block_on(IngestApi::start(lake, 0)).unwrap();
    (runtime, api)
}

/// An upload in parts that was started, as it is named to complete it or to give it up.
fn target(upload: &Value, parts: &[Value]) -> Value {
    json!({"bucket": "landing", "key": upload["key"], "upload_id": upload["upload_id"], "parts": parts})
}

/// Whom the proxy in front of the ingest-api calls `operator`.
struct Client {
    http: reqwest::Client,
    runtime: Runtime,
    url: String,
}

impl Client {
    fn of(url: &str) -> Client {
        tls::install_provider();
        Client {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            runtime: Runtime::new().unwrap(),
            url: url.to_owned(),
        }
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.json(self.http.get(format!("{}{path}", self.url)))
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.json(self.http.post(format!("{}{path}", self.url)).json(body))
    }

    fn json(&self, request: RequestBuilder) -> (u16, Value) {
        let request = request.header("Remote-User", "operator");
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json().await.unwrap())
        })
    }

    /// Sends bytes to a presigned URL. Gives the status and the ETag.
    fn put(&self, url: &Value, kind: &str, bytes: &[u8]) -> (u16, String) {
        let put = self.http.put(url.as_str().unwrap());
        let put = put.header("Content-Type", kind).body(bytes.to_vec());
        let answer = self.runtime.block_on(put.send()).unwrap();
        let etag = answer.headers().get("etag");
        let etag = etag.map_or("", |etag| etag.to_str().unwrap());
        (answer.status().as_u16(), etag.to_owned())
    }

    /// Triggers the ingestion, within the domain's ceiling only. The run is cancelled, so that no other test meets it.
    fn triggers(&self, corner: &Corner, uri: &Value) {
        let above = json!({"s3_uri": uri, "domain": corner.domain, "classification": "cnf"});
        assert_eq!(self.post("/trigger", &above).0, 403);
        let trigger =
            json!({"s3_uri": uri, "domain": corner.domain, "collection_description": "d"});
        let (status, told) = self.post("/trigger", &trigger);
        assert_eq!(
            (status, &told["state"]),
            (200, &json!("SCHEDULED")),
            "{told}"
        );
        let (id, prefect) = (
            told["flow_run_id"].as_str().unwrap(),
            &corner.served.addresses.prefect,
        );
        assert_eq!(
            told["ui_url"],
            json!(format!("{prefect}/runs/flow-run/{id}"))
        );
        let url = format!("{prefect}/api/flow_runs/{id}");
        let (_, run) = self.json(self.http.get(&url));
        assert_eq!(run["name"], told["flow_run_name"]);
        let mut tags: Vec<String> = serde_json::from_value(run["tags"].clone()).unwrap();
        tags.sort();
        assert_eq!(
            tags,
            [
                "dashi",
                &format!("domain:{}", corner.domain),
                "ingest",
                "submitted-by:operator"
            ]
        );
        let expected = json!({"source_path": uri, "domain": corner.domain, "classification": "int", "collection_description": "d"});
        assert_eq!(run["parameters"], expected);
        let cancelled = json!({"state": {"type": "CANCELLED"}, "force": true});
        let cancelling = self.http.post(format!("{url}/set_state")).json(&cancelled);
        assert_eq!(self.json(cancelling).0, 201);
    }
}
