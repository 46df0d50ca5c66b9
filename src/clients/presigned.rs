//! Uploads to URLs that somebody else has signed: a file, or a part of one, read as it is sent. How many go at once and
//! how often one is tried belongs here; who hands out the URLs, and what happens when they expire, does not.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::pace::Pace;
use super::retry::{self, Tried, Tries};
use super::s3::{as_stored, unquoted};
use super::s3_flow::Flow;
use super::s3_upload::read_as_sent;
use super::trace::Tracer;
use super::{advice, connection};
use crate::config::{IN_CLUSTER_S3, S3Settings};
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};
use crate::local_file::{LocalFile, tells};
use crate::time;

/// So many parts are sent at a time at first, and at most.
const PARTS: (u32, u32) = (4, 16);
/// A refusal of the store is read up to so many bytes.
const REFUSAL: usize = 16 << 10;

/// The client of presigned URLs. Clones share connections and pace.
#[derive(Clone)]
pub struct Presigned(Arc<Inner>);

struct Inner {
    settings: S3Settings,
    tracer: Tracer,
    clients: [OnceLock<reqwest::Client>; 2],
    pace: Pace,
    /// Whether a store has answered yet.
    has_answered: AtomicBool,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Put<'a> {
    /// The URL.
    pub url: &'a str,
    /// What it is, for errors: `part 3 of s3://landing/a`.
    pub what: &'a str,
    /// The media type, where the URL was signed with one.
    pub content_type: Option<&'a str>,
    /// The file.
    pub file: &'a LocalFile,
    /// The MD5 of what is sent of it.
    pub md5: [u8; 16],
    /// Where the bytes are counted that go out, whatever becomes of them: it tells how fast the line is.
    pub sent: &'a Arc<AtomicU64>,
}

impl Presigned {
    /// A client that reaches the store as the settings say: where a URL names it by one of its aliases, it is asked at the
    /// endpoint, which is what a port-forward needs.
    #[must_use]
    pub fn new(settings: S3Settings, tracer: Tracer) -> Presigned {
        Presigned(Arc::new(Inner {
            settings,
            tracer,
            clients: Default::default(),
            pace: Pace::new(PARTS.0, PARTS.1),
            has_answered: AtomicBool::new(false),
        }))
    }

    /// Puts a range of a file to a URL. Gives the ETag of what was made. Tried again after a passing failure: it is the same
    /// however often it is sent. A URL that has expired is `Kind::Forbidden`, a store that was never there to be reached
    /// `Kind::Unavailable` after a few tries.
    pub async fn put(&self, _: Permit, put: &Put<'_>, range: Range<u64>) -> Result<Option<String>> {
        let silent = |_| self.silent(put);
        let few = self.0.settings.transport.retries.min(2);
        let many = self.0.settings.transport.retries.saturating_mul(3);
        let tries = Tries {
            service: "s3",
            retries: many,
            within: None,
            tracer: &self.0.tracer,
        };
        let attempt = |count| {
            let range = range.clone();
            async move {
                let mut turn = self.0.pace.turn().await;
                let answer = self.try_once(put, range).await;
                turn.end(answer.as_ref().err());
                let has_answered = self.0.has_answered.load(Ordering::Relaxed);
                let may_pass = |error: &Error| {
                    matches!(error.kind(), Kind::Unavailable | Kind::Timeout)
                        && (has_answered || count < few)
                };
                Ok(match answer {
                    Ok(etag) => Tried::Answered(etag),
                    Err(error) => {
                        let pause = may_pass(&error).then(|| retry::pause(count));
                        Tried::Failed(error, pause)
                    }
                })
            }
        };
        tries.run(silent, attempt).await
    }

    async fn try_once(&self, put: &Put<'_>, range: Range<u64>) -> Result<Option<String>> {
        let (url, host) = self.way(put)?;
        let headers = headers(put, host)?;
        let tracer = &self.0.tracer;
        tracer.sent("s3", "PUT", url.as_str(), &headers, None);
        let began = Instant::now();
        let flow = Flow::among(put.sent);
        let bytes = read_as_sent(put.file, range)
            .await
            .map_err(|error| put.failed(Kind::Io, "cannot be read").caused_by(&error))?;
        let sending = self
            .client(&url)?
            .put(url)
            .headers(headers)
            .body(reqwest::Body::wrap(flow.through(bytes.into_inner())));
        let response = tokio::select! {
            response = sending.send() => response.map_err(|error| self.unreached(put, &error))?,
            () = flow.stalled(self.0.settings.transport.timeout) => return Err(self.silent(put)),
        };
        self.0.has_answered.store(true, Ordering::Relaxed);
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        tracer.came_back("s3", status, began.elapsed(), &headers, None);
        if status >= 300 {
            return Err(self.refused(put, status, response).await);
        }
        let etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.map(|etag| unquoted(etag).to_owned());
        match &etag {
            Some(other) if tells(other) && *other != hex::encode(put.md5) => {
                let what =
                    format!("was answered with the ETag {other}, and its bytes have another");
                Err(put.failed(Kind::Protocol, &what))
            }
            _ => Ok(etag),
        }
    }

    /// Where a URL is asked, and the host that it was signed for where that is another.
    fn way(&self, put: &Put<'_>) -> Result<(Url, Option<HeaderValue>)> {
        let wrong = |_| put.failed(Kind::Protocol, "was given no URL");
        let url = Url::parse(put.url).map_err(wrong)?;
        let S3Settings {
            endpoint, aliases, ..
        } = &self.0.settings;
        // The name inside the cluster always counts, as it does in hrefs.
        let aliases = aliases.iter().map(Url::as_str).chain([IN_CLUSTER_S3]);
        let is_alias = aliases
            .filter_map(|alias| Url::parse(alias).ok())
            .any(|alias| alias.origin() == url.origin());
        if !is_alias || endpoint.origin() == url.origin() || endpoint.path() != "/" {
            return Ok((url, None));
        }
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let host = HeaderValue::from_str(&host)
            .map_err(|_| put.failed(Kind::Protocol, "was given a URL without a host"))?;
        let mut way = endpoint.clone();
        way.set_path(url.path());
        way.set_query(url.query());
        Ok((way, Some(host)))
    }

    /// The client for this way: plain, or with certificates, whichever the API says, whatever the endpoint is.
    fn client(&self, way: &Url) -> Result<&reqwest::Client> {
        let of_scheme = &self.0.clients[usize::from(way.scheme() == "https")];
        if let Some(client) = of_scheme.get() {
            return Ok(client);
        }
        let transport = &self.0.settings.transport;
        // The host that a URL was signed for can be named beside another address only by HTTP/1.1.
        let builder = as_stored(connection::builder("s3", way, transport)?).http1_only();
        let client = connection::build("s3", builder)?;
        Ok(of_scheme.get_or_init(|| client))
    }

    /// The store said no.
    async fn refused(&self, put: &Put<'_>, status: u16, mut response: reqwest::Response) -> Error {
        let mut text = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            text.extend_from_slice(&chunk);
            if text.len() > REFUSAL {
                break;
            }
        }
        let text = String::from_utf8_lossy(&text);
        let (code, message) = (element(&text, "Code"), element(&text, "Message"));
        let kind = match code {
            Some("RequestTimeout" | "IncompleteBody" | "SlowDown" | "InternalError") => {
                Kind::Unavailable
            }
            _ => Kind::of_status(status),
        };
        let error = put.failed(kind, "was refused").status(status);
        let words = [code, message].into_iter().flatten().collect::<Vec<_>>();
        if words.is_empty() {
            return error;
        }
        error.cause(words.join(": "))
    }

    fn unreached(&self, put: &Put<'_>, error: &reqwest::Error) -> Error {
        let settings = &self.0.settings;
        if error.is_connect() {
            let what = format!("was not taken: {} cannot be reached", origin(put.url));
            let reached = put.failed(Kind::Unavailable, &what).caused_by(error);
            return match advice::certificate(error, &settings.transport) {
                Some(hint) => reached.hint(hint),
                None => reached.hint(format!(
                    "the ingest-api names the store so; if that is s3.endpoint by another name, add it to s3.aliases (s3.endpoint is {})",
                    settings.endpoint
                )),
            };
        }
        put.failed(Kind::Unavailable, "broke off").caused_by(error)
    }

    fn silent(&self, put: &Put<'_>) -> Error {
        let transport = &self.0.settings.transport;
        let what = format!("stood still for {}", time::spell(transport.timeout));
        put.failed(Kind::Timeout, &what)
            .hint(advice::timeout(transport))
    }
}

impl Put<'_> {
    fn failed(&self, kind: Kind, what: &str) -> Error {
        Error::new(kind, format!("the upload of {} {what}", self.what)).request(
            "s3",
            "PUT",
            &origin(self.url),
        )
    }
}

/// The headers that a request goes with.
fn headers(put: &Put<'_>, host: Option<HeaderValue>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut insert = |name: HeaderName, text: &str| {
        let value = HeaderValue::from_str(text)
            .map_err(|_| Error::usage(format!("'{text}' cannot be sent as {name}")))?;
        headers.insert(name, value);
        Ok::<_, Error>(())
    };
    insert(
        HeaderName::from_static("content-md5"),
        &STANDARD.encode(put.md5),
    )?;
    if let Some(kind) = put.content_type {
        insert(CONTENT_TYPE, kind)?;
    }
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
    Ok(headers)
}

/// Scheme, host and port of a URL, without what signs it.
fn origin(url: &str) -> String {
    Url::parse(url).map_or_else(
        |_| "(no URL)".to_owned(),
        |url| url.origin().ascii_serialization(),
    )
}

/// The text of an element of the store's errors, which are XML of one form.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.trim()).filter(|inner| !inner.is_empty())
}
