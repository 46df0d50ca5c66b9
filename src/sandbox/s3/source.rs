//! What is read: an object named by bucket, key and perhaps version, found under the conditions of a read or a copy.
//!
//! Which of its bytes are read, and where they go, belongs to whoever asks.

use http::{HeaderMap, HeaderValue};
use rusqlite::Connection;
use s3s::dto::CopySource;
use s3s::{S3Error, S3ErrorCode, s3_error};

use super::condition::Conditions;
use super::failure::{Answer, Failure, named, no_such_key, no_such_version};
use super::version::{self, Segment, Version, Versioning};

/// The object a request reads.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its bucket.
    pub(crate) bucket: String,
    /// Its key.
    pub(crate) key: String,
    /// The version asked for.
    pub(crate) version: Option<String>,
}

/// The object as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its version.
    pub(crate) version: Version,
    /// Its bytes, in order.
    pub(crate) segments: Vec<Segment>,
    versioned: bool,
}

impl Source {
    /// From the header of a copy; only plain buckets are there.
    pub(crate) fn parse(source: CopySource) -> Answer<Source> {
        match source {
            CopySource::Bucket {
                bucket,
                key,
                version_id,
            } => Ok(Source {
                bucket: bucket.into(),
                key: key.into(),
                version: version_id.map(Into::into),
            }),
            _ => Err(s3_error!(NotImplemented, "the sandbox copies from buckets only").into()),
        }
    }

    /// Finds it. `unchanged` is what an unmet `If-None-Match` means: 304 or 412.
    pub(crate) fn find(
        &self,
        database: &Connection,
        conditions: &Conditions,
        unchanged: S3ErrorCode,
    ) -> Answer<Found> {
        let how = version::versioning(database, &self.bucket)?;
        let version = resolve(database, &self.bucket, &self.key, self.version.as_deref())?;
        conditions.check_read(&version, unchanged)?;
        Ok(Found {
            segments: version::segments(database, version.seq)?,
            version,
            versioned: how != Versioning::Never,
        })
    }
}

impl Found {
    /// The version id, where the bucket has versions.
    pub(crate) fn id(&self) -> Option<String> {
        self.versioned.then(|| self.version.id.clone())
    }
}

/// The version that a key and perhaps a version id name; a delete marker is not one to read.
fn resolve(database: &Connection, bucket: &str, key: &str, id: Option<&str>) -> Answer<Version> {
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
