//! A place where files land: a domain of a test's own, an ingest-api in front of a lake whose services are behind taps, and
//! an operator with an empty HOME who ingests there. What has landed goes with the test.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use aws_sdk_s3::Client;
use dashictl::sandbox::{IngestApi, IngestLake};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;

use super::flows::in_time;
use super::lakes::{Addresses, Lake, Tapped};
use super::operator::{Operator, Ran};
use super::taps::store_at;
use super::wire::{Request, Wire};

/// What a file begins with that the ingest-api takes for a point cloud.
const LAS: &[u8] = b"LASF";
/// A part, as the ingest-api makes them.
pub const PART: u64 = 16 << 20;
/// So many flow runs Prefect gives at once.
const PREFECT_PAGE: usize = 200;

/// The domain, who ingests into it, and the lake behind taps.
pub struct Pier {
    pub operator: Operator,
    pub domain: String,
    /// The store.
    pub s3: Wire,
    /// The ingest-api.
    pub api: Wire,
    pub tapped: Tapped,
    addresses: Addresses,
    runtime: Runtime,
    store: Client,
    _api: IngestApi,
}

impl Pier {
    /// On a lake.
    pub fn new(lake: Lake) -> Pier {
        Pier::where_urls_are_valid(lake, 900)
    }

    /// On a lake, with an ingest-api whose URLs are valid for so many seconds.
    pub fn where_urls_are_valid(lake: Lake, seconds: i64) -> Pier {
        let tapped = lake.tapped();
        let plain = tapped.served.addresses.clone();
        let runtime = Runtime::new().unwrap();
        let settings = IngestLake {
            s3: tapped.s3.url().to_owned(),
            region: plain.region.clone(),
            access_key: plain.access_key.clone(),
            secret_key: plain.secret_key.clone(),
            stac: plain.stac.clone(),
            prefect: plain.prefect.clone(),
            valid: seconds,
        };
        let started = runtime.block_on(IngestApi::start(settings, 0)).unwrap();
        let api = Wire::before(started.url());
        let addresses = Addresses {
            s3: tapped.s3.url().to_owned(),
            ingest: api.url().to_owned(),
            ..plain.clone()
        };
        let operator = addresses.operator();
        let domain = Lake::name("pier");
        operator.run(&["domain", "create", &domain]).success();
        Pier {
            store: store_at(&plain, &plain.s3),
            s3: tapped.s3.clone(),
            operator,
            domain,
            api,
            tapped,
            addresses,
            runtime,
            _api: started,
        }
    }

    /// Somebody without keys for the store.
    pub fn without_keys(&self) -> Operator {
        let addresses = Addresses {
            access_key: String::new(),
            secret_key: String::new(),
            ..self.addresses.clone()
        };
        addresses.operator()
    }

    /// Ingests these into the domain.
    pub fn ingest(&self, words: &[&str]) -> Ran {
        self.operator.run(&self.line(words))
    }

    /// `ingest … --domain <domain>`
    pub fn line<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        [&["ingest"], words, &["--domain", &self.domain]].concat()
    }

    /// Files of a kind each that the ingest-api knows, and one that it does not.
    pub fn small_files(&self) {
        let geojson = json!({"type": "FeatureCollection", "features": []}).to_string();
        self.operator.work_file("tiles/points.geojson", &geojson);
        self.operator.work_file("tiles/deep/scene.tif", "II*\0....");
        self.operator.work_file("tiles/notes.txt", "notes");
    }

    /// A file of so many bytes that are not the same in any two parts; what is not written takes no room on disk.
    pub fn large_file(operator: &Operator, name: &str, size: u64) -> PathBuf {
        let path = operator.work().join(name);
        fs::create_dir_all(operator.work()).unwrap();
        let mut file = File::create(&path).unwrap();
        file.set_len(size).unwrap();
        for at in (0..size).step_by(1 << 20) {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&at.to_le_bytes()).unwrap();
        }
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(LAS).unwrap();
        path
    }

    /// The digest of an object, and how long it is.
    pub fn object(&self, uri: &str) -> (String, u64) {
        let (bucket, key) = uri.strip_prefix("s3://").unwrap().split_once('/').unwrap();
        self.runtime.block_on(async {
            let object = self.store.get_object().bucket(bucket).key(key).send().await;
            let mut reader = object.unwrap().body.into_async_read();
            let (mut digest, mut size, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 20]);
            loop {
                match reader.read(&mut chunk).await.unwrap() {
                    0 => return (hex::encode(digest.finalize()), size),
                    read => {
                        digest.update(&chunk[..read]);
                        size += read as u64;
                    }
                }
            }
        })
    }

    /// The keys of the domain in the landing bucket.
    pub fn keys(&self) -> Vec<String> {
        let listing = self.store.list_objects_v2().bucket("landing");
        let listing = listing.prefix(format!("{}/", self.domain)).send();
        let listing = self.runtime.block_on(listing).unwrap();
        let keys = listing.contents().iter().filter_map(|object| object.key());
        keys.map(str::to_owned).collect()
    }

    /// Takes an object of the landing bucket away.
    pub fn remove(&self, uri: &str) {
        let key = uri.strip_prefix("s3://landing/").unwrap();
        let delete = self.store.delete_object().bucket("landing").key(key);
        self.runtime.block_on(delete.send()).unwrap();
    }

    /// The uploads to the domain that are open, as key and id.
    pub fn open_uploads(&self) -> Vec<(String, String)> {
        let listing = self.store.list_multipart_uploads().bucket("landing").send();
        let listing = self.runtime.block_on(listing).unwrap();
        let uploads = listing.uploads().iter().map(|upload| {
            let text = |it: Option<&str>| it.unwrap_or_default().to_owned();
            (text(upload.key()), text(upload.upload_id()))
        });
        uploads
            .filter(|(key, _)| key.starts_with(&self.domain))
            .collect()
    }

    /// The id of a flow run of the domain that is none of these, once there is one.
    pub fn run_beside(&self, known: &[Value]) -> String {
        let is_known = |run: &Value| known.iter().any(|known| known["id"] == run["id"]);
        let fresh = || self.runs().into_iter().find(|run| !is_known(run));
        let run = in_time("a flow run is started", fresh);
        run["id"].as_str().unwrap().to_owned()
    }

    /// The flow runs of the domain, however many others the lake has: a random id may stand on any page.
    pub fn runs(&self) -> Vec<Value> {
        let mut runs: BTreeMap<String, Value> = BTreeMap::new();
        for offset in (0..).step_by(PREFECT_PAGE) {
            let body = json!({"sort": "ID_DESC", "limit": PREFECT_PAGE, "offset": offset});
            let page = self.ask_prefect("flow_runs/filter", &body);
            let page = page.as_array().unwrap();
            let ours = page
                .iter()
                .filter(|run| run["parameters"]["domain"] == self.domain.as_str());
            runs.extend(ours.map(|run| (run["id"].to_string(), run.clone())));
            if page.len() < PREFECT_PAGE {
                break;
            }
        }
        runs.into_values().collect()
    }

    /// Ends a run as a worker would.
    pub fn end(&self, run: &str, state: &str) {
        let body = json!({"state": {"type": state, "message": format!("{state} by the test")}, "force": true});
        self.ask_prefect(&format!("flow_runs/{run}/set_state"), &body);
    }

    fn ask_prefect(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/api/{path}", self.tapped.served.addresses.prefect);
        self.runtime.block_on(async {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let answer = http.post(url).json(body).send().await.unwrap();
            let status = answer.status();
            assert!(
                status.is_success(),
                "{status}: {}",
                answer.text().await.unwrap()
            );
            answer.json().await.unwrap()
        })
    }
}

impl Drop for Pier {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for key in self.keys() {
            self.remove(&format!("s3://landing/{key}"));
        }
        for (key, id) in self.open_uploads() {
            let abort = self.store.abort_multipart_upload().bucket("landing");
            let _ = self.runtime.block_on(abort.key(key).upload_id(id).send());
        }
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!(
            "{}/collections/{}",
            self.tapped.served.addresses.stac, self.domain
        );
        let _ = self.runtime.block_on(http.delete(url).send());
    }
}

/// The digest of a file, and how long it is.
pub fn digest(path: &PathBuf) -> (String, u64) {
    let bytes = fs::read(path).unwrap();
    (hex::encode(Sha256::digest(&bytes)), bytes.len() as u64)
}

/// Whether a request carries a part.
pub fn is_part(request: &Request) -> bool {
    request.method == "PUT" && request.target.contains("partNumber=")
}

/// The number of the part that a request carries.
pub fn part_number(request: &Request) -> Option<u64> {
    let (_, after) = request.target.split_once("partNumber=")?;
    after.split('&').next()?.parse().ok()
}

/// The numbers of the parts that the store took, in order.
pub fn parts_taken(wire: &Wire) -> Vec<u64> {
    let taken = wire.requests().into_iter();
    let taken = taken.filter(|request| is_part(request) && request.answer == Some(200));
    let mut numbers: Vec<u64> = taken.filter_map(|request| part_number(&request)).collect();
    numbers.sort_unstable();
    numbers
}
