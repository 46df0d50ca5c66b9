//! The object store: buckets, listings, objects, versioning, through `aws-sdk-s3` built by hand (path style, no
//! credential chain, checksums only where S3 demands them). Retries are ours, so that they are the same everywhere.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_smithy_types::date_time::{DateTime, Format};
use serde_json::{Value, json};

use super::connection;
use super::pace::Pace;
use super::retry::{self, Tried, Tries};
use super::s3_error::{Asked, Refusal, Said};
use super::s3_habits::Habits;
use super::s3_transport::Transport;
use super::trace::Tracer;
use crate::config::S3Settings;
use crate::error::{Error, Kind, Result};

/// A piece that nothing comes of is sent again so often.
const SILENT_TRIES: u32 = 2;

/// The client of the object store. Clones share connections.
#[derive(Clone)]
pub struct S3 {
    inner: Arc<Inner>,
    within: Option<Duration>,
}

struct Inner {
    settings: S3Settings,
    tracer: Tracer,
    client: Client,
    plain: reqwest::Client,
    listing: Pace,
    copying: Pace,
    deleting: Pace,
    sending: Pace,
    fetching: Pace,
    habits: Habits,
}

impl S3 {
    /// A client of the store that the settings name. The secret is read here.
    pub fn new(settings: S3Settings, tracer: Tracer) -> Result<S3> {
        let builder = connection::builder("s3", &settings.endpoint, &settings.transport)?;
        // Per read, not per request: the body of an object may take as long as it flows.
        let builder = as_stored(builder.read_timeout(settings.transport.timeout));
        let plain = connection::build("s3", builder)?;
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(settings.endpoint.as_str())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials(&settings)?)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .http_client(Transport::new(plain.clone(), tracer.clone()).with_long_bodies(&settings))
            .build();
        Ok(S3 {
            inner: Arc::new(Inner {
                settings,
                tracer,
                client: Client::from_conf(config),
                plain,
                listing: Pace::new(4, 32),
                copying: Pace::new(8, 64),
                deleting: Pace::new(4, 32),
                sending: Pace::new(2, 16),
                fetching: Pace::new(4, 16),
                habits: Habits::default(),
            }),
            within: None,
        })
    }

    /// The same client, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> S3 {
        S3 {
            inner: Arc::clone(&self.inner),
            within: bound.or(self.within),
        }
    }

    /// The names of the buckets that the credentials may see, with their creation time.
    pub async fn buckets(&self) -> Result<Vec<Value>> {
        let asked = self.asked("ListBuckets", "the buckets");
        let answer = self
            .reading(&asked, || self.client().list_buckets().send())
            .await?;
        let row = |bucket: &aws_sdk_s3::types::Bucket| json!({"name": bucket.name(), "created": bucket.creation_date().and_then(rfc3339)});
        Ok(answer.buckets().iter().map(row).collect())
    }

    /// Fails unless the bucket exists and the credentials may see it.
    pub async fn check_bucket(&self, bucket: &str) -> Result<()> {
        let asked = self.asked("HeadBucket", format!("bucket '{bucket}'"));
        self.reading(&asked, || self.client().head_bucket().bucket(bucket).send())
            .await
            .map(drop)
    }

    /// What the store knows of an object without its bytes.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<Value> {
        let asked = self.asked("HeadObject", format!("s3://{bucket}/{key}"));
        let head = self
            .reading(&asked, || {
                self.client().head_object().bucket(bucket).key(key).send()
            })
            .await?;
        let metadata = head.metadata().cloned().unwrap_or_default();
        let size = head.content_length();
        let size = size.ok_or_else(|| asked.fault("an object without a size"))?;
        Ok(json!({
            "uri": format!("s3://{bucket}/{key}"),
            "bucket": bucket,
            "key": key,
            "size": size,
            "etag": head.e_tag().map(unquoted),
            "last_modified": head.last_modified().and_then(rfc3339),
            "content_type": head.content_type(),
            "version_id": head.version_id(),
            "encryption": head.server_side_encryption().map(aws_sdk_s3::types::ServerSideEncryption::as_str),
            "metadata": metadata,
        }))
    }

    /// The bytes of an object, or of a range of it (`0-99`, both ends included), up to `limit` bytes.
    pub async fn read(
        &self,
        bucket: &str,
        key: &str,
        range: Option<&str>,
        limit: usize,
    ) -> Result<Vec<u8>> {
        let asked = self.asked("GetObject", format!("s3://{bucket}/{key}"));
        let range = range.map(|range| format!("bytes={range}"));
        let ask = || {
            self.client()
                .get_object()
                .bucket(bucket)
                .key(key)
                .set_range(range.clone())
                .send()
        };
        let mut answer = self.reading(&asked, ask).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| asked.broke_off(&error))?);
            if bytes.len() > limit {
                let message = format!("s3://{bucket}/{key} is larger than {limit} bytes");
                return Err(Error::new(Kind::Invalid, message)
                    .hint("read a part of it (range), or raise max_bytes"));
            }
        }
        Ok(bytes)
    }

    /// Whether a bucket keeps versions: `Enabled`, `Suspended`, or `Off` where that was never set.
    pub async fn versioning(&self, bucket: &str) -> Result<String> {
        let asked = self.asked("GetBucketVersioning", format!("bucket '{bucket}'"));
        let answer = self
            .reading(&asked, || {
                self.client().get_bucket_versioning().bucket(bucket).send()
            })
            .await?;
        Ok(answer
            .status()
            .map_or("Off", |status| status.as_str())
            .to_owned())
    }

    /// What the store's clock says. An answer of any status has a `Date`.
    pub async fn date(&self) -> Result<SystemTime> {
        let asked = self.asked("GET", "the store's clock");
        let settings = &self.inner.settings;
        let bound = self.within.unwrap_or(settings.transport.timeout);
        let asking = self
            .inner
            .plain
            .get(settings.endpoint.clone())
            .timeout(bound)
            .send();
        let answer = asking.await.map_err(|error| {
            if error.is_timeout() && !error.is_connect() {
                asked.silent(bound)
            } else {
                asked.unreached(&error)
            }
        })?;
        let date = answer
            .headers()
            .get(http::header::DATE)
            .and_then(|date| date.to_str().ok());
        date.and_then(|date| httpdate::parse_http_date(date).ok())
            .ok_or_else(|| asked.fault("an answer without a date"))
    }

    pub(super) fn client(&self) -> &Client {
        &self.inner.client
    }

    /// What it was found to be like when it deletes.
    #[must_use]
    pub fn habits(&self) -> &Habits {
        &self.inner.habits
    }

    /// What bounds how many of these requests are under way.
    fn pace(&self, operation: &str) -> Option<&Pace> {
        match operation {
            "ListObjectsV2" => Some(&self.inner.listing),
            "CopyObject" | "UploadPartCopy" => Some(&self.inner.copying),
            "DeleteObject" | "DeleteObjects" => Some(&self.inner.deleting),
            "UploadPart" => Some(&self.inner.sending),
            "GetObject" => Some(&self.inner.fetching),
            _ => None,
        }
    }

    pub(super) fn asked(&self, operation: &'static str, target: impl Display) -> Asked {
        Asked::new(&self.inner.settings, operation, target.to_string())
    }

    /// Sends a request that changes nothing, or comes to the same however often it is done, again after a passing failure.
    pub(super) async fn reading<T, E, F>(&self, asked: &Asked, send: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Refusal<E>>>,
        E: Said,
    {
        let passes = |error: &Error, _| error.kind() == Kind::Unavailable;
        let retries = self.inner.settings.transport.retries;
        self.trying(asked, (retries, passes), send).await
    }

    /// Sends a piece of something large, which is the same however often it is sent: longer than anything else, for much
    /// would be lost with it.
    pub(super) async fn piece<T, E, F>(&self, asked: &Asked, send: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Refusal<E>>>,
        E: Said,
    {
        self.trying(asked, (self.piece_retries(), is_passing), send)
            .await
    }

    /// Sends a request that its caller sends again, from where it broke off.
    pub(super) async fn once<T, E, F>(&self, asked: &Asked, send: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Refusal<E>>>,
        E: Said,
    {
        self.trying(asked, (0, |_: &Error, _| false), send).await
    }

    pub(super) fn piece_retries(&self) -> u32 {
        self.inner.settings.transport.retries.saturating_mul(3)
    }

    /// Sends a request that changes something, again only where the store itself said "not now": after a broken
    /// connection, or the word of a gateway, nobody knows whether it was done.
    pub(super) async fn changing<T, E, F>(&self, asked: &Asked, send: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Refusal<E>>>,
        E: Said,
    {
        let passes = |error: &Error, _| matches!(error.detail().status, Some(429 | 503));
        let retries = self.inner.settings.transport.retries;
        self.trying(asked, (retries, passes), send).await
    }

    async fn trying<T, E, F>(
        &self,
        asked: &Asked,
        (retries, passes): (u32, impl Fn(&Error, u32) -> bool),
        send: impl Fn() -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Refusal<E>>>,
        E: Said,
    {
        let passes = &passes;
        let pace = self.pace(asked.operation());
        let tries = Tries {
            service: "s3",
            retries,
            within: self.within,
            tracer: &self.inner.tracer,
        };
        let attempt = |count| {
            // The library's futures are some 20 KiB each.
            let sent = Box::pin(send());
            async move {
                let mut turn = match pace {
                    Some(pace) => Some(pace.turn().await),
                    None => None,
                };
                let answer = sent.await.map_err(|refusal| asked.refused(&refusal));
                if let Some(turn) = &mut turn {
                    turn.end(answer.as_ref().err());
                }
                Ok(answer.map_or_else(
                    |error| {
                        let pause = passes(&error, count).then(|| retry::pause(count));
                        Tried::Failed(error, pause)
                    },
                    Tried::Answered,
                ))
            }
        };
        tries.run(|bound| asked.silent(bound), attempt).await
    }
}

/// Bytes come as they are stored: what an object's own encoding is, is its reader's business.
pub(super) fn as_stored(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.no_gzip().no_brotli()
}

/// Whether a piece of something large may come through at another try.
pub(super) fn is_passing(error: &Error, tries: u32) -> bool {
    // A line on which nothing moves is soon called dead: each try of it lasts as long as the timeout.
    error.kind() == Kind::Unavailable || (error.kind() == Kind::Timeout && tries < SILENT_TRIES)
}

fn credentials(settings: &S3Settings) -> Result<Credentials> {
    let missing = |setting: &str, variable: &str| {
        Error::config(format!(
            "there are no credentials for s3: {setting} is not set"
        ))
        .hint(format!("set {setting} in the config file, or {variable}"))
    };
    let access = settings
        .access_key
        .as_ref()
        .ok_or_else(|| missing("s3.access_key", "DASHI_S3_ACCESS_KEY"))?;
    let secret = settings
        .secret_key
        .as_ref()
        .ok_or_else(|| missing("s3.secret_key", "DASHI_S3_SECRET_KEY"))?;
    let token = settings
        .session_token
        .as_ref()
        .map(|token| token.expose())
        .transpose()?
        .map(str::to_owned);
    Ok(Credentials::new(
        access.expose()?,
        secret.expose()?,
        token,
        None,
        "dashictl",
    ))
}

pub(super) fn rfc3339(time: &DateTime) -> Option<String> {
    time.fmt(Format::DateTime).ok()
}

/// An ETag without quotes, and without the mark of one that is only nearly exact: it is as good as any to know an object by.
pub(super) fn unquoted(etag: &str) -> &str {
    etag.trim_start_matches("W/").trim_matches('"')
}
