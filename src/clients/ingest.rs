//! dashi's ingest-api: uploads into the landing bucket by URLs that it signs, what it sees in what has landed, the flow run
//! that ingests it. It sits behind a proxy that says who asks. The bytes go to the store and are `presigned`'s business.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Answer;
use super::http::{Request, Sender};
use super::s3_upload::Part;
use crate::effects::Permit;
use crate::error::Result;
use crate::lake::ObjectRef;

/// The client of the ingest-api.
#[derive(Clone)]
pub struct Ingest {
    sender: Sender,
}

/// A file that is to land.
#[derive(Debug, Clone, Copy)]
pub struct Landing<'a> {
    /// The domain it is for.
    pub domain: &'a str,
    /// Its name, without folders.
    pub name: &'a str,
    /// Its media type.
    pub content_type: &'a str,
    /// Its bytes.
    pub size: u64,
}

impl Landing<'_> {
    fn body(&self) -> Value {
        json!({
            "domain": self.domain,
            "filename": self.name,
            "content_type": self.content_type,
            "content_length": self.size,
        })
    }
}

/// Where a file lands in one request.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    /// The URL it is put to, with its media type.
    pub url: String,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// For how many seconds the URL is valid.
    pub expires_in: u64,
}

/// An upload in parts that was begun.
#[derive(Debug, Clone, Deserialize)]
pub struct Started {
    /// The store's id of it.
    pub upload_id: String,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The bytes of every part but the last.
    pub part_size: u64,
    /// A URL for every part, in order.
    pub urls: Vec<String>,
    /// For how many seconds the URLs are valid.
    pub expires_in: u64,
}

/// What the API makes of what has landed. What it does not count is no answer: nothing is started on a guess.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Scan {
    rows: Vec<Seen>,
    primary_count: u64,
    blocking_errors: u64,
}

/// One thing that is in what has landed.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Seen {
    path: String,
    kind: String,
    driver: Option<String>,
    layer: Option<String>,
    #[serde(default)]
    reason: String,
    ok: bool,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    errors: Vec<String>,
}

impl Ingest {
    /// A client that sends through `sender`.
    #[must_use]
    pub fn new(sender: Sender) -> Ingest {
        Ingest { sender }
    }

    /// The same client, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Ingest {
        Ingest {
            sender: self.sender.within(bound),
        }
    }

    /// Where the API is.
    #[must_use]
    pub fn url(&self) -> &str {
        self.sender.settings().url.as_str()
    }

    /// What the API says of itself: `status`, `service`, `version`.
    pub async fn health(&self) -> Result<Value> {
        self.sender.json(Request::get("/healthz")).await
    }

    /// Who the API takes the caller for: `user`, `groups`.
    pub async fn me(&self) -> Result<Value> {
        self.sender.json(Request::get("/me")).await
    }

    /// The domains that can be uploaded to: `id`, `title`, `max_classification`, `retention` and more.
    pub async fn domains(&self) -> Result<Vec<Value>> {
        let answer = self.sender.send(Request::get("/domains")).await?;
        match answer.json()?["domains"].take() {
            Value::Array(domains) => Ok(domains),
            _ => Err(answer.fault("no list 'domains'")),
        }
    }

    /// A place for a small file. Nothing is made by asking.
    pub async fn presign(&self, landing: &Landing<'_>) -> Result<Place> {
        let request = Request::ask("/presign", landing.body());
        read(&self.sender.send(request).await?)
    }

    /// Begins an upload in parts.
    pub async fn start(&self, permit: Permit, landing: &Landing<'_>) -> Result<Started> {
        let request = Request::post(permit, "/multipart/start", landing.body());
        read(&self.sender.send(request).await?)
    }

    /// Makes an object of the parts of an upload. Gives its ETag where the API tells it.
    pub async fn complete(
        &self,
        permit: Permit,
        at: &ObjectRef,
        id: &str,
        parts: &[Part],
    ) -> Result<Option<String>> {
        let parts = parts
            .iter()
            .map(|part| json!({"part_number": part.number, "etag": format!("\"{}\"", part.etag)}));
        let mut body = of_upload(at, id);
        body["parts"] = parts.collect();
        let request = Request::post(permit, "/multipart/complete", body);
        let done = self.sender.json(request).await?;
        Ok(done["etag"]
            .as_str()
            .map(|etag| etag.trim_matches('"').to_owned()))
    }

    /// Gives an upload in parts up.
    pub async fn abort(&self, permit: Permit, at: &ObjectRef, id: &str) -> Result<()> {
        let request = Request::post(permit, "/multipart/abort", of_upload(at, id));
        self.sender.send(request).await.map(drop)
    }

    /// What has landed there: `s3_uri`, `bucket`, `key`, `content_length`, `content_type`, `last_modified`.
    pub async fn register(&self, uri: &str) -> Result<Value> {
        self.sender
            .json(Request::ask("/register", json!({"s3_uri": uri})))
            .await
    }

    /// What the API makes of what has landed: `rows`, `primary_count`, `blocking_errors`.
    pub async fn scan(&self, uri: &str) -> Result<Value> {
        let request = Request::ask("/scan", json!({"s3_uri": uri}));
        let answer = self.sender.send(request).await?;
        let scan: Scan = read(&answer)?;
        serde_json::to_value(scan).map_err(|error| answer.fault("no scan").cause(error.to_string()))
    }

    /// What time it is where the API is, as its answers say; none where they do not.
    pub async fn clock(&self) -> Result<Option<SystemTime>> {
        Ok(self.sender.send(Request::get("/healthz")).await?.date())
    }

    /// Starts the flow run that ingests what has landed: `flow_run_id`, `flow_run_name`, `state`, `ui_url`.
    pub async fn trigger(
        &self,
        permit: Permit,
        uri: &str,
        domain: &str,
        classification: &str,
    ) -> Result<Value> {
        let body = json!({"s3_uri": uri, "domain": domain, "classification": classification});
        let answer = self
            .sender
            .send(Request::post(permit, "/trigger", body))
            .await?;
        let run = answer.json()?;
        if run["flow_run_id"].is_string() {
            return Ok(run);
        }
        Err(answer.fault("no 'flow_run_id'"))
    }
}

fn of_upload(at: &ObjectRef, id: &str) -> Value {
    json!({"bucket": at.bucket, "key": at.key, "upload_id": id})
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    serde_json::from_value(answer.json()?).map_err(|error| {
        answer
            .fault("an answer of another form")
            .cause(error.to_string())
    })
}
