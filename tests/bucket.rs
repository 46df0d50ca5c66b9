//! A bucket of a test's own in the role of the processed one, with items of domains of its own that refer to its objects
//! in every spelling, and what nothing refers to. It goes with the test.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, Delete, Object, ObjectIdentifier, VersioningConfiguration,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::lakes::{Lake, Tapped};
use super::operator::{Operator, Ran};
use super::taps::store_at;

/// The bucket, who works on it, and the lake behind taps.
pub struct Bucket {
    pub tapped: Tapped,
    pub operator: Operator,
    pub name: String,
    pub domains: Vec<String>,
    runtime: Runtime,
    client: Client,
}

impl Bucket {
    /// On a lake, with so many domains.
    pub fn new(lake: Lake, domains: usize) -> Bucket {
        let tapped = lake.tapped();
        let name = Lake::name("swept");
        let client = store_at(&tapped.served.addresses, &tapped.served.addresses.s3);
        let runtime = Runtime::new().unwrap();
        runtime
            .block_on(client.create_bucket().bucket(&name).send())
            .unwrap();
        let operator = tapped
            .served
            .operator()
            .with("DASHI_PROCESSED_BUCKET", &name)
            .with("DASHI_STATE_URL", format!("s3://curated/.state/{name}/"));
        let bucket = Bucket {
            operator,
            domains: (0..domains).map(|_| Lake::name("swept")).collect(),
            name,
            runtime,
            client,
            tapped,
        };
        for domain in &bucket.domains {
            bucket.run(&["domain", "create", domain]).success();
        }
        bucket
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.operator.run(arguments)
    }

    /// Sweeps it, with these flags; objects of any age.
    pub fn gc(&self, flags: &[&str]) -> Ran {
        let line = ["gc", "--bucket", &self.name, "--min-age-hours", "0"];
        self.run(&[&line, flags].concat())
    }

    /// `s3://<bucket>/<key>`
    pub fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// Writes objects, and waits until that was before now.
    pub fn put(&self, keys: &[String]) {
        let puts = stream::iter(keys).map(async |key| {
            let body = ByteStream::from(format!("bytes of {key}").into_bytes());
            let put = self.client.put_object().bucket(&self.name).key(key);
            put.body(body).send().await.unwrap();
        });
        self.runtime
            .block_on(puts.buffer_unordered(16).collect::<Vec<()>>());
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }

    /// Adds items to a domain, each with its id and the hrefs of its assets.
    pub fn put_items(&self, domain: &str, items: &[(String, Vec<String>)]) {
        let url = format!(
            "{}/collections/{domain}/items",
            self.tapped.served.addresses.stac
        );
        for some in items.chunks(250) {
            let features: Vec<Value> = some
                .iter()
                .map(|(id, hrefs)| item(domain, id, hrefs))
                .collect();
            let all = json!({"type": "FeatureCollection", "features": features});
            self.runtime.block_on(posted(&url, &all));
        }
    }

    /// From now on it keeps what is deleted or written over.
    pub fn keep_versions(&self) {
        let status = BucketVersioningStatus::Enabled;
        let configuration = VersioningConfiguration::builder().status(status).build();
        let put = self.client.put_bucket_versioning().bucket(&self.name);
        let put = put.versioning_configuration(configuration);
        self.runtime.block_on(put.send()).unwrap();
    }

    /// Begins an upload in parts, and sends the first of them. Gives its id.
    pub fn begin_upload(&self, key: &str) -> String {
        let beginning = async {
            let begin = self.client.create_multipart_upload().bucket(&self.name);
            let begun = begin.key(key).send().await.unwrap();
            let id = begun.upload_id().unwrap().to_owned();
            self.upload_part(key, &id, 1).await;
            id
        };
        self.runtime.block_on(beginning)
    }

    /// Sends one more part.
    pub fn go_on_uploading(&self, key: &str, id: &str) {
        self.runtime.block_on(self.upload_part(key, id, 2));
    }

    async fn upload_part(&self, key: &str, id: &str, number: i32) {
        let part = self.client.upload_part().bucket(&self.name).key(key);
        let part = part.upload_id(id).part_number(number);
        let body = ByteStream::from(vec![b'x'; 5 << 20]);
        part.body(body).send().await.unwrap();
    }

    /// Every key there is, with its ETag.
    pub fn objects(&self) -> BTreeSet<(String, String)> {
        let listing = async {
            let mut pages = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .into_paginator()
                .send();
            let mut all = BTreeSet::new();
            while let Some(page) = pages.next().await {
                for object in page.unwrap().contents() {
                    let text = |it: Option<&str>| it.unwrap().to_owned();
                    all.insert((text(object.key()), text(object.e_tag())));
                }
            }
            all
        };
        self.runtime.block_on(listing)
    }

    /// Every object as a listing of S3 describes it, in order.
    pub fn listed(&self) -> Vec<String> {
        let listing = self.client.list_objects_v2().bucket(&self.name).send();
        let listing = self.runtime.block_on(listing).unwrap();
        let describe = |object: &Object| {
            format!(
                "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                object.key().unwrap(),
                object.last_modified().unwrap(),
                object.e_tag().unwrap().replace('"', "&quot;"),
                object.size().unwrap(),
            )
        };
        listing.contents().iter().map(describe).collect()
    }

    /// The keys that are no own ones of the program.
    pub fn keys(&self) -> BTreeSet<String> {
        let keys = self.objects().into_iter().map(|(key, _)| key);
        keys.filter(|key| !key.starts_with(".dashi-")).collect()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let keys: Vec<String> = self.objects().into_iter().map(|(key, _)| key).collect();
        let dropping = async {
            for some in keys.chunks(1000) {
                let all = some
                    .iter()
                    .map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
                let delete = Delete::builder().set_objects(Some(all.collect()));
                let many = self.client.delete_objects().bucket(&self.name);
                let _ = many.delete(delete.build().unwrap()).send().await;
            }
            let _ = self.client.delete_bucket().bucket(&self.name).send().await;
        };
        self.runtime.block_on(dropping);
        // A whole collection at once: other tests walk the catalogue meanwhile.
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for domain in &self.domains {
            let url = format!("{}/collections/{domain}", self.tapped.served.addresses.stac);
            let _ = self.runtime.block_on(http.delete(url).send());
        }
    }
}

/// An item of a domain, with an asset for each href.
pub fn item(domain: &str, id: &str, hrefs: &[String]) -> Value {
    let assets = hrefs.iter().enumerate();
    let assets: serde_json::Map<String, Value> = assets
        .map(|(at, href)| (format!("a{at}"), json!({ "href": href })))
        .collect();
    json!({
        "type": "Feature", "stac_version": "1.0.0", "id": id, "collection": domain, "links": [],
        "geometry": {"type": "Point", "coordinates": [8.0, 50.0]}, "bbox": [8.0, 50.0, 8.0, 50.0],
        "properties": {"datetime": "2026-04-27T00:00:00Z"}, "assets": assets,
    })
}

/// Posts items, all of them or none. The real catalogue, which other tests change at the same time, may refuse them for a
/// moment; that they are there, after a first answer was lost, is as good.
async fn posted(url: &str, all: &Value) {
    let mut refused = Vec::new();
    while refused.len() < 5 {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let told = match http.post(url).json(all).send().await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) if answer.status() == 409 && !refused.is_empty() => return,
            Ok(answer) => format!("{}: {}", answer.status(), answer.text().await.unwrap()),
            Err(error) => format!("{error:?}"),
        };
        refused.push(told);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    panic!("{refused:#?}");
}
