//! Tests of the sandbox as its clients meet it: over HTTP, through the AWS SDK, and against the recorded contracts.

mod changes;
mod contract;
mod ingest;
mod lifecycle;
mod listing;
mod loki;
mod objects;
mod parts;
mod prefect;
mod stac;
mod tail;
mod versions;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use serde_json::Value;

use super::{Ports, Sandbox};

/// A sandbox in a folder of its own.
struct Lake {
    sandbox: Sandbox,
    http: reqwest::Client,
    dir: tempfile::TempDir,
}

impl Lake {
    async fn start() -> Lake {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let sandbox = Sandbox::start(dir.path(), Ports::default())
            .await
            .expect("a sandbox");
        Lake {
            sandbox,
            http: http(),
            dir,
        }
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        s3(&self.sandbox)
    }

    async fn get(&self, base: &str, path: &str) -> (u16, Value) {
        self.send(self.http.get(format!("{base}{path}"))).await
    }

    async fn post(&self, base: &str, path: &str, body: &Value) -> (u16, Value) {
        self.send(self.http.post(format!("{base}{path}")).json(body))
            .await
    }

    /// Sends as the user whom ingest-api's proxy would name.
    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let request = request.header("Remote-User", "operator");
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, body)
    }

    /// Puts a small object through the S3 API.
    async fn put(&self, bucket: &str, key: &str, content_type: &str, bytes: &'static [u8]) {
        self.s3()
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .body(bytes.to_vec().into())
            .send()
            .await
            .expect("an object");
    }
}

fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client")
}

fn s3(sandbox: &Sandbox) -> aws_sdk_s3::Client {
    let credentials = Credentials::new(
        sandbox.access_key(),
        sandbox.secret_key(),
        None,
        None,
        "sandbox",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(sandbox.region().to_owned()))
        .credentials_provider(credentials)
        .endpoint_url(sandbox.s3_endpoint())
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .http_client(transport())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// The code of a failed S3 call.
fn code<T: std::fmt::Debug, E>(result: Result<T, aws_sdk_s3::error::SdkError<E>>) -> Option<String>
where
    E: aws_sdk_s3::error::ProvideErrorMetadata + std::fmt::Debug,
{
    let error = result.expect_err("a refusal");
    error
        .as_service_error()
        .and_then(|error| error.code())
        .map(str::to_owned)
        .or_else(|| {
            error
                .raw_response()
                .map(|raw| raw.status().as_u16().to_string())
        })
}

/// The bytes of an object in the landing bucket.
async fn bytes(lake: &Lake, key: &str) -> Vec<u8> {
    let got = lake
        .s3()
        .get_object()
        .bucket("landing")
        .key(key)
        .send()
        .await
        .expect("the object");
    got.body.collect().await.expect("its bytes").to_vec()
}

/// The transport that the program itself reaches the store with.
fn transport() -> crate::clients::s3_transport::Transport {
    crate::clients::tls::install_provider();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client");
    crate::clients::s3_transport::Transport::new(
        client,
        crate::clients::http::Tracer::new(|_| (), 0, Vec::new()),
    )
}
