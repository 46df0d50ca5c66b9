//! Uploads into the landing bucket: a presigned URL for a small file, a multipart upload for a large one, and the
//! registration of what has arrived.

use axum::body::Bytes;
use axum::extract::State as Held;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::answer::Refusal;
use super::signature::Presigned;
use super::wanted::{LANDING, User, Wanted, landing_key};
use super::{Desk, store};
use crate::sandbox::reply;

/// The largest file: 50 GiB.
const CAP: i64 = 51_200 << 20;
/// Files from here on are uploaded in parts.
const THRESHOLD: i64 = 500 << 20;
/// The size of a part.
const PART: i64 = 16 << 20;

/// `POST /presign`
pub(crate) async fn presign(
    Held(desk): Held<Desk>,
    _: User,
    body: Bytes,
) -> Result<Response, Refusal> {
    let file = File::parse(&body)?;
    let key = file.key();
    let put = Presigned {
        lake: &desk.lake,
        method: Method::PUT,
        key: &key,
        query: Vec::new(),
        content_type: Some(&file.content_type),
    };
    let answer = json!({
        "url": put.url(Timestamp::now()),
        "bucket": LANDING,
        "key": key,
        "s3_uri": format!("s3://{LANDING}/{key}"),
        "expires_in": desk.lake.valid,
    });
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `POST /multipart/start`
pub(crate) async fn start(
    Held(desk): Held<Desk>,
    _: User,
    body: Bytes,
) -> Result<Response, Refusal> {
    let file = File::parse(&body)?;
    if file.length < THRESHOLD {
        return Err(Refusal::bad(
            "content_length below multipart threshold (500 MiB) — use POST /presign for small files.",
        ));
    }
    let key = file.key();
    let upload = store::begin(&desk, &key, &file.content_type).await?;
    let parts = (file.length + PART - 1) / PART;
    let now = Timestamp::now();
    let urls: Vec<String> = (1..=parts)
        .map(|number| {
            let query = vec![
                ("partNumber", number.to_string()),
                ("uploadId", upload.clone()),
            ];
            let part = Presigned {
                lake: &desk.lake,
                method: Method::PUT,
                key: &key,
                query,
                content_type: None,
            };
            part.url(now)
        })
        .collect();
    let answer = json!({
        "upload_id": upload,
        "bucket": LANDING,
        "key": key,
        "s3_uri": format!("s3://{LANDING}/{key}"),
        "part_size": PART,
        "part_count": parts,
        "urls": urls,
        "expires_in": desk.lake.valid,
    });
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `POST /multipart/complete`
pub(crate) async fn complete(
    Held(desk): Held<Desk>,
    _: User,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mut wanted = Wanted::of(&body)?;
    let target = Target::read(&mut wanted);
    let parts = wanted.parts();
    wanted.settle()?;
    target.check()?;
    let etag = store::complete(&desk, &target.key, &target.upload, &parts).await?;
    let uri = format!("s3://{LANDING}/{}", target.key);
    let answer = json!({"s3_uri": uri, "etag": format!("\"{etag}\"")});
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `POST /multipart/abort`
pub(crate) async fn abort(
    Held(desk): Held<Desk>,
    _: User,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mut wanted = Wanted::of(&body)?;
    let target = Target::read(&mut wanted);
    wanted.settle()?;
    target.check()?;
    store::abort(&desk, &target.key, &target.upload).await?;
    Ok(reply::json(StatusCode::OK, &json!({"ok": true})))
}

/// `POST /register`: what has arrived under a landing key.
pub(crate) async fn register(
    Held(desk): Held<Desk>,
    _: User,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mut wanted = Wanted::of(&body)?;
    let uri = wanted.text("s3_uri", 8, usize::MAX);
    wanted.settle()?;
    let key = landing_key(&uri, "register")?;
    let object = store::head(&desk, &key).await?;
    let answer = json!({
        "s3_uri": uri,
        "bucket": LANDING,
        "key": key,
        "content_length": object.length,
        "content_type": object.content_type,
        "last_modified": object.modified.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
    });
    Ok(reply::json(StatusCode::OK, &answer))
}

/// A file that is to be uploaded.
struct File {
    domain: String,
    name: String,
    content_type: String,
    length: i64,
}

impl File {
    fn parse(body: &[u8]) -> Result<File, Refusal> {
        let mut wanted = Wanted::of(body)?;
        let file = File {
            domain: wanted.domain(),
            name: wanted.text("filename", 1, 200),
            content_type: wanted
                .maybe_text("content_type", 128)
                .unwrap_or_else(|| "application/octet-stream".to_owned()),
            length: wanted.positive("content_length"),
        };
        wanted.settle()?;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if !file.name.chars().all(fits) || file.name.trim_matches('.').is_empty() {
            return Err(Refusal::bad(
                "filename must match [A-Za-z0-9._-] and contain no path components",
            ));
        }
        if file.length > CAP {
            return Err(Refusal::Detail(
                StatusCode::PAYLOAD_TOO_LARGE,
                "file exceeds Phase-1 upload cap (51200 MiB). Use the dashi-ingest CLI for bulk uploads."
                    .to_owned(),
            ));
        }
        Ok(file)
    }

    /// A landing key that nobody has used.
    fn key(&self) -> String {
        let upload = Uuid::new_v4().simple();
        format!("{}/incoming/{upload}/{}", self.domain, self.name)
    }
}

/// A multipart upload that is named.
struct Target {
    bucket: String,
    key: String,
    upload: String,
}

impl Target {
    fn read(wanted: &mut Wanted) -> Target {
        Target {
            bucket: wanted.text("bucket", 0, usize::MAX),
            key: wanted.text("key", 0, usize::MAX),
            upload: wanted.text("upload_id", 0, usize::MAX),
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.bucket != LANDING {
            return Err(Refusal::bad("multipart only allowed on bucket=landing"));
        }
        // Without a key or an id the store would be asked to delete the bucket, or the object itself.
        if self.key.is_empty() || self.upload.is_empty() {
            let said = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
            return Err(Refusal::of_service("s3", "NoSuchUpload", said));
        }
        Ok(())
    }
}
