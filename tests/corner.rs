//! A corner of a lake that is one test's own: a domain with the items and objects that the test puts there, and an
//! operator whose journals and locks lie in a folder of their own, so that tests on one lake do not wait for each other.

use serde_json::{Value, json};

use super::lakes::{Lake, Served};
use super::operator::{Operator, Ran};
use super::wire::Wire;

/// The domain, who works on it, and the lake it is in.
pub struct Corner {
    pub operator: Operator,
    pub domain: String,
    pub served: Served,
}

impl Corner {
    /// On a lake.
    pub fn of(lake: Lake) -> Corner {
        let served = lake.served();
        Corner::new(served.operator(), served)
    }

    /// On a lake behind taps: the store's and the catalogue's.
    pub fn tapped(lake: Lake) -> (Corner, Wire, Wire) {
        let tapped = lake.tapped();
        let corner = Corner::new(tapped.operator, tapped.served);
        (corner, tapped.s3, tapped.stac)
    }

    fn new(operator: Operator, served: Served) -> Corner {
        let domain = Lake::name("corner");
        let operator = operator.with("DASHI_STATE_URL", format!("s3://curated/.state/{domain}/"));
        operator.run(&["domain", "create", &domain]).success();
        Corner {
            operator,
            domain,
            served,
        }
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.operator.run(arguments)
    }

    /// What an expression gives that may create.
    pub fn write(&self, script: &str) -> Value {
        let line = ["eval", "--effect", "write", "--json", script];
        self.run(&line).json()
    }

    /// What an expression gives that reads.
    pub fn read(&self, script: &str) -> Value {
        self.run(&["eval", "--json", script]).json()
    }

    /// `s3://processed/<domain>/<key>`
    pub fn uri(&self, key: &str) -> String {
        format!("s3://processed/{}/{key}", self.domain)
    }

    /// Writes objects of the domain, each with bytes, a media type and metadata of its own.
    pub fn put_objects(&self, keys: &[&str]) {
        let uris: Vec<String> = keys.iter().map(|key| self.uri(key)).collect();
        self.write(&format!(
            "for uri in json::parse(`{}`) {{
                let bytes = `bytes of ${{uri}}`.to_blob(); bytes.push(0); bytes.push(255);
                s3::write(uri, bytes, #{{content_type: \"image/x-\" + uri.len, metadata: #{{keeper: \"k\" + uri.len}}}});
            }}",
            json!(uris)
        ));
    }

    /// Puts an item of the domain with these assets, `{"name": "href"}`.
    pub fn put_item(&self, id: &str, assets: &Value) {
        self.put_item_with(id, assets, &json!({}));
    }

    /// The same with more properties.
    pub fn put_item_with(&self, id: &str, assets: &Value, properties: &Value) {
        let record = self.record(id, assets, properties);
        self.write(&format!("stac::put_item(json::parse(`{record}`))"));
    }

    fn record(&self, id: &str, assets: &Value, properties: &Value) -> Value {
        let assets = assets.as_object().unwrap().iter();
        let assets: Value = assets
            .map(|(name, href)| (name.clone(), json!({"href": href, "roles": ["data"]})))
            .collect();
        let mut record = json!({
            "type": "Feature", "stac_version": "1.0.0", "id": id, "collection": self.domain, "assets": assets,
            "stac_extensions": ["https://stac-extensions.github.io/projection/v1.1.0/schema.json"],
            "geometry": {"type": "Point", "coordinates": [8.25, 50.0]}, "bbox": [8.25, 50.0, 8.25, 50.0],
            "properties": {"datetime": "2026-04-27T00:00:00Z", "title": "Höhe", "proj:code": null, "gsd": 0.1, "n": [1, 2.5]},
            "links": [{"rel": "license", "href": "https://example.org/l"}, {"rel": "data", "href": "https://example.org/d"}],
        });
        let more = properties.as_object().unwrap().clone();
        record["properties"].as_object_mut().unwrap().extend(more);
        record
    }

    /// An item as the catalogue gives it, or null.
    pub fn item(&self, id: &str) -> Value {
        self.read(&format!("stac::try_item(\"{}\", \"{id}\")", self.domain))
    }

    /// The objects below a key of the domain, with bytes, media type and metadata, and without when they were written.
    pub fn objects(&self, below: &str) -> Value {
        self.read(&format!(
            "s3::list(\"{}\").map(|o| {{
                let head = s3::head(o.uri);
                #{{ uri: o.uri, etag: o.etag, content_type: head.content_type, metadata: head.metadata,
                    content: s3::read(o.uri, #{{blob: true}}).to_array() }}
            }}).collect()",
            self.uri(below)
        ))
    }

    /// The keys of the objects that are there below a key of the domain, without it.
    pub fn keys(&self, below: &str) -> Vec<String> {
        let above = self.uri(below);
        let objects = self.read(&format!("s3::list(\"{above}\").map(|o| o.uri).collect()"));
        let uris = objects.as_array().unwrap().iter();
        let keys = uris.map(|uri| uri.as_str().unwrap().replacen(&above, "", 1));
        let mut keys: Vec<String> = keys.collect();
        // SeaweedFS lists a folder before what only begins like it.
        keys.sort();
        keys
    }

    /// Deletes an item.
    pub fn delete(&self, id: &str, flags: &[&str]) -> Ran {
        let at = format!("{}/{id}", self.domain);
        let line = [&["item", "delete", at.as_str()], flags].concat();
        self.run(&line)
    }

    /// The latest run.
    pub fn last_run(&self) -> String {
        let runs = self.run(&["log", "list", "--json"]).json();
        runs[0]["run"].as_str().unwrap().to_owned()
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        let runs = self.run(&["log", "list", "--json"]).json();
        runs.as_array().unwrap().len()
    }

    /// The locks that are held.
    pub fn locks(&self) -> Value {
        self.run(&["lock", "list", "--json"]).json()
    }
}

impl Drop for Corner {
    /// A walk of the real lake, which all tests share, is not to become longer with each test.
    fn drop(&mut self) {
        let url = format!("{}/collections/{}", self.served.addresses.stac, self.domain);
        if !std::thread::panicking() {
            dashictl::clients::tls::install_provider();
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let _ = runtime.block_on(http.delete(url).send());
        }
    }
}

/// The fates of the rows of `item delete --json`, by target.
pub fn fate<'a>(rows: &'a Value, target: &str) -> &'a str {
    let rows = rows.as_array().unwrap();
    let row = rows.iter().find(|row| row["target"] == target);
    row.map_or("not told", |row| row["fate"].as_str().unwrap())
}
