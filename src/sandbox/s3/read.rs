//! GetObject and HeadObject: a version, the conditions on it, a range of its bytes.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use rusqlite::Connection;
use s3s::dto::{ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range};
use s3s::{S3Error, S3ErrorCode, s3_error};

use super::blob;
use super::condition::Conditions;
use super::failure::{Answer, Failure, named, no_such_key, no_such_version};
use super::headers::timestamp;
use super::version::{self, Segment, Version, Versioning};
use crate::sandbox::state::State;

/// GetObject
pub(crate) async fn get(state: &Arc<State>, input: GetObjectInput) -> Answer<GetObjectOutput> {
    let conditions = Conditions {
        matching: input.if_match,
        differing: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    let wanted = Wanted {
        bucket: input.bucket,
        key: input.key,
        version: input.version_id,
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let found = look(state, &wanted, &conditions).await?;
        let slice = Slice::of(input.range.as_ref(), input.part_number, &found.version)?;
        let (version, named) = (&found.version, found.id());
        let body = blob::send(state, found.segments, slice.start, slice.length).await;
        let body = match body {
            // Somebody replaced the object between the look and the opening of its file.
            Err(Failure::File(error))
                if error.kind() == std::io::ErrorKind::NotFound && attempt < 5 =>
            {
                continue;
            }
            body => body?,
        };
        let headers = &version.headers;
        return Ok(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(body),
            cache_control: headers.cache_control.clone(),
            content_disposition: headers.content_disposition.clone(),
            content_encoding: headers.content_encoding.clone(),
            content_language: headers.content_language.clone(),
            content_length: i64::try_from(slice.length).ok(),
            content_range: slice.header,
            content_type: Some(headers.shown_type()),
            e_tag: Some(ETag::Strong(version.etag.clone())),
            last_modified: Some(timestamp(version.modified)),
            metadata: headers.shown_metadata(),
            version_id: named,
            ..GetObjectOutput::default()
        });
    }
}

/// HeadObject
pub(crate) async fn head(state: &Arc<State>, input: HeadObjectInput) -> Answer<HeadObjectOutput> {
    let conditions = Conditions {
        matching: input.if_match,
        differing: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    let wanted = Wanted {
        bucket: input.bucket,
        key: input.key,
        version: input.version_id,
    };
    let found = look(state, &wanted, &conditions).await?;
    let slice = Slice::of(input.range.as_ref(), input.part_number, &found.version)?;
    let named = found.id();
    let Version {
        headers,
        etag,
        modified,
        ..
    } = found.version;
    Ok(HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(slice.length).ok(),
        content_range: slice.header,
        content_type: Some(headers.shown_type()),
        metadata: headers.shown_metadata(),
        cache_control: headers.cache_control,
        content_disposition: headers.content_disposition,
        content_encoding: headers.content_encoding,
        content_language: headers.content_language,
        e_tag: Some(ETag::Strong(etag)),
        last_modified: Some(timestamp(modified)),
        version_id: named,
        ..HeadObjectOutput::default()
    })
}

/// The object a request names.
#[derive(Debug, Clone)]
struct Wanted {
    bucket: String,
    key: String,
    version: Option<String>,
}

struct Found {
    version: Version,
    segments: Vec<Segment>,
    versioned: bool,
}

impl Found {
    /// The version id, where the bucket has versions.
    fn id(&self) -> Option<String> {
        self.versioned.then(|| self.version.id.clone())
    }
}

async fn look(state: &Arc<State>, wanted: &Wanted, conditions: &Conditions) -> Answer<Found> {
    let (wanted, conditions) = (wanted.clone(), conditions.clone());
    state
        .read(move |database| {
            let how = version::versioning(database, &wanted.bucket)?;
            let id = wanted.version.as_deref();
            let version = resolve(database, &wanted.bucket, &wanted.key, id)?;
            conditions.check_read(&version, S3ErrorCode::NotModified)?;
            Ok(Found {
                segments: version::segments(database, version.seq)?,
                version,
                versioned: how != Versioning::Never,
            })
        })
        .await
}

/// The version that a key and perhaps a version id name; a delete marker is not one to read.
pub(crate) fn resolve(
    database: &Connection,
    bucket: &str,
    key: &str,
    id: Option<&str>,
) -> Answer<Version> {
    match id {
        None => match version::latest(database, bucket, key)? {
            Some(version) if version.marker => Err(deleted(no_such_key(), &version.id)),
            found => found.ok_or_else(no_such_key),
        },
        Some(id) => {
            let version = version::find(database, bucket, key, id)?.ok_or_else(no_such_version)?;
            if version.marker {
                let refused = named(
                    S3ErrorCode::MethodNotAllowed,
                    "The specified method is not allowed against this resource.",
                );
                return Err(deleted(refused, id));
            }
            Ok(version)
        }
    }
}

/// An error that says in its headers that a delete marker is in the way.
fn deleted(failure: Failure, marker: &str) -> Failure {
    let mut error = S3Error::from(failure);
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(marker) = HeaderValue::from_str(marker) {
        headers.insert("x-amz-version-id", marker);
    }
    error.set_headers(headers);
    Failure::S3(error)
}

/// Which bytes are asked for.
struct Slice {
    start: u64,
    length: u64,
    header: Option<String>,
}

impl Slice {
    fn of(range: Option<&Range>, part: Option<i32>, version: &Version) -> Answer<Slice> {
        if part.is_some_and(|part| part != 1) {
            let refused: S3Error =
                s3_error!(NotImplemented, "the sandbox does not read single parts");
            return Err(refused.into());
        }
        let size = u64::try_from(version.size).unwrap_or(0);
        let Some(range) = range else {
            return Ok(Slice {
                start: 0,
                length: size,
                header: None,
            });
        };
        let bytes = range.check(size).map_err(S3Error::from)?;
        Ok(Slice {
            start: bytes.start,
            length: bytes.end - bytes.start,
            header: Some(format!(
                "bytes {}-{}/{size}",
                bytes.start,
                bytes.end.saturating_sub(1)
            )),
        })
    }
}
