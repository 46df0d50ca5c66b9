//! The lake's store as ingest-api asks it: one object or one multipart upload of the landing bucket, over S3.
//!
//! Requests and the XML of their answers belong here. Which keys may be asked for is decided by the handlers.

use std::collections::BTreeMap;

use axum::body::Bytes;
use jiff::Timestamp;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LAST_MODIFIED, RANGE};
use reqwest::{Method, RequestBuilder, StatusCode};
use s3s::xml::{DeResult, Deserializer};

use super::Desk;
use super::answer::Refusal;
use super::signature::Presigned;

/// What is known of an object without its bytes.
pub(crate) struct Object {
    /// Bytes.
    pub(crate) length: u64,
    /// Its content type.
    pub(crate) content_type: String,
    /// When it was written.
    pub(crate) modified: Timestamp,
}

/// What there is under a key.
pub(crate) async fn head(desk: &Desk, key: &str) -> Result<Object, Refusal> {
    let request = request(desk, Method::HEAD, named(key)?, Vec::new());
    let headers = ask(request).await?.of_object()?.headers;
    let text = |name| headers.get(&name).and_then(|value| value.to_str().ok());
    let modified = text(LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
    Ok(Object {
        length: text(CONTENT_LENGTH)
            .and_then(|length| length.parse().ok())
            .unwrap_or_default(),
        content_type: text(CONTENT_TYPE)
            .unwrap_or("binary/octet-stream")
            .to_owned(),
        modified: modified
            .and_then(|date| Timestamp::try_from(date).ok())
            .unwrap_or_default(),
    })
}

/// The first bytes of an object, at most so many.
pub(crate) async fn first(desk: &Desk, key: &str, most: u64) -> Result<Bytes, Refusal> {
    let request = request(desk, Method::GET, named(key)?, Vec::new());
    let range = format!("bytes=0-{}", most - 1);
    let answer = ask(request.header(RANGE, range)).await?;
    // An empty object has no first byte.
    if answer.status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(Bytes::new());
    }
    Ok(answer.of_object()?.body)
}

/// Begins a multipart upload. Answers its id.
pub(crate) async fn begin(desk: &Desk, key: &str, content_type: &str) -> Result<String, Refusal> {
    let query = vec![("uploads", String::new())];
    // The type is not signed: a signature holds it with its white space put right, and clients may write what they like.
    let request = request(desk, Method::POST, key, query).header(CONTENT_TYPE, content_type);
    ask(request).await?.text("UploadId")
}

/// Makes an object of the parts named, as pairs of number and ETag. Answers its ETag without quotes.
pub(crate) async fn complete(
    desk: &Desk,
    key: &str,
    upload: &str,
    parts: &[(i32, String)],
) -> Result<String, Refusal> {
    let query = vec![("uploadId", upload.to_owned())];
    let request = request(desk, Method::POST, key, query).body(listed(parts));
    let etag = ask(request).await?.text("ETag")?;
    Ok(etag.trim_matches('"').to_owned())
}

/// Forgets a multipart upload and its parts.
pub(crate) async fn abort(desk: &Desk, key: &str, upload: &str) -> Result<(), Refusal> {
    let query = vec![("uploadId", upload.to_owned())];
    let request = request(desk, Method::DELETE, key, query);
    ask(request).await?.accepted().map(drop)
}

/// A key that a URL can name: one with a segment of dots is none, and no object is reached under it.
fn named(key: &str) -> Result<&str, Refusal> {
    let is_dots = |segment| matches!(segment, "." | "..");
    if key.split('/').any(is_dots) {
        return Err(Refusal::no_object());
    }
    Ok(key)
}

/// The parts of an upload as S3 wants them named.
fn listed(parts: &[(i32, String)]) -> String {
    let part = |(number, etag): &(i32, String)| {
        let etag = etag.trim_matches('"');
        let etag = etag.replace('&', "&amp;").replace('<', "&lt;");
        format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

fn request(desk: &Desk, method: Method, key: &str, query: Vec<(&str, String)>) -> RequestBuilder {
    let signed = Presigned {
        lake: &desk.lake,
        method: method.clone(),
        key,
        query,
        content_type: None,
    };
    desk.http.request(method, signed.url(Timestamp::now()))
}

async fn ask(request: RequestBuilder) -> Result<Answer, Refusal> {
    let silent = |error| Refusal::unreached("s3", error);
    let response = request.send().await.map_err(silent)?;
    Ok(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.map_err(silent)?,
    })
}

/// What the store answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// This answer, or the store's refusal.
    fn accepted(self) -> Result<Answer, Refusal> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(self.refusal())
    }

    /// The same for an object, which may be missing.
    fn of_object(self) -> Result<Answer, Refusal> {
        if self.status == StatusCode::NOT_FOUND {
            return Err(Refusal::no_object());
        }
        self.accepted()
    }

    /// One text of an accepted answer. A success may hold an error: S3 begins to answer before it is done.
    fn text(self, name: &str) -> Result<String, Refusal> {
        let answer = self.accepted()?;
        let result = elements(&answer.body).filter(|(root, _)| root != "Error");
        let found = result.and_then(|(_, mut texts)| texts.remove(name));
        found.ok_or_else(|| answer.refusal())
    }

    /// The store's refusal: its code and words, or the status where it says nothing, as to HEAD.
    fn refusal(&self) -> Refusal {
        let (_, said) = elements(&self.body).unwrap_or_default();
        let of = |name: &str| said.get(name).map(String::as_str);
        let reason = self.status.canonical_reason().unwrap_or_default();
        let code = of("Code").unwrap_or(self.status.as_str());
        Refusal::of_service("s3", code, of("Message").unwrap_or(reason))
    }
}

/// The name of an XML text's root, and the texts directly below it.
fn elements(xml: &[u8]) -> Option<(String, BTreeMap<String, String>)> {
    let name_of = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let read = |reader: &mut Deserializer<'_>, root: &[u8]| -> DeResult<_> {
        let mut texts = BTreeMap::new();
        reader.for_each_element(|reader, name| {
            texts.insert(name_of(name), reader.content()?);
            Ok(())
        })?;
        Ok((name_of(root), texts))
    };
    Deserializer::new(xml).element(read).ok()
}
