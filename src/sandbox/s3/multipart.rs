//! Multipart uploads as a whole: begun, completed into an object, aborted.
//!
//! Completing moves no bytes: the parts' files become the object's segments. Single parts belong to `part`.

use md5::{Digest, Md5};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use s3s::S3ErrorCode;

use super::failure::{Answer, named, no_such_upload};
use super::headers::{self, Headers};
use super::version::{self, New, Segment};
use crate::sandbox::clock::Clock;

/// Every part but the last has at least so many bytes.
const SMALLEST_PART: i64 = 5 << 20;

/// Begins an upload. Answers its id.
pub(crate) fn begin(
    database: &Transaction<'_>,
    bucket: &str,
    key: &str,
    headers: &Headers,
) -> Answer<String> {
    version::versioning(database, bucket)?;
    let id = uuid::Uuid::now_v7().simple().to_string();
    database.execute(
        "INSERT INTO upload (id, bucket, key, started, headers) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            id,
            bucket,
            key,
            headers::now(&Clock::beside(database)),
            headers.to_text()
        ],
    )?;
    Ok(id)
}

/// The headers an upload was begun with; an error when there is no such upload of that key.
pub(crate) fn find(
    database: &Connection,
    bucket: &str,
    key: &str,
    upload: &str,
) -> Answer<Headers> {
    version::versioning(database, bucket)?;
    let kept: Option<String> = database
        .query_row(
            "SELECT headers FROM upload WHERE id = ?1 AND bucket = ?2 AND key = ?3",
            [upload, bucket, key],
            |row| row.get(0),
        )
        .optional()?;
    let kept = kept.ok_or_else(no_such_upload)?;
    Ok(Headers::from_text(&kept))
}

/// Forgets an upload and its parts.
pub(crate) fn abort(
    database: &Transaction<'_>,
    bucket: &str,
    key: &str,
    upload: &str,
) -> Answer<()> {
    find(database, bucket, key, upload)?;
    database.execute("DELETE FROM upload WHERE id = ?1", [upload])?;
    Ok(())
}

/// What completing an upload made.
#[derive(Debug)]
pub(crate) struct Completed {
    /// The object's ETag without quotes: the MD5 of the parts' MD5s, and how many there are.
    pub(crate) etag: String,
    /// Its version id, where the bucket has versions.
    pub(crate) version: Option<String>,
}

/// Makes an object of the parts named, as pairs of number and ETag in ascending order.
pub(crate) fn complete(
    database: &Transaction<'_>,
    bucket: &str,
    key: &str,
    upload: &str,
    parts: &[(i32, String)],
) -> Answer<Completed> {
    let headers = find(database, bucket, key, upload)?;
    if parts.is_empty() {
        return Err(named(
            S3ErrorCode::MalformedXML,
            "You must specify at least one part",
        ));
    }
    if !parts.is_sorted_by(|(one, _), (other, _)| one < other) {
        return Err(named(
            S3ErrorCode::InvalidPartOrder,
            "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
        ));
    }
    let mut digests = Md5::new();
    let mut segments = Vec::with_capacity(parts.len());
    for (place, (number, etag)) in parts.iter().enumerate() {
        let segment = stored(database, upload, *number, etag)?;
        if place + 1 < parts.len() && segment.size < SMALLEST_PART {
            return Err(named(
                S3ErrorCode::EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size",
            ));
        }
        digests.update(hex::decode(etag.trim_matches('"')).unwrap_or_default());
        segments.push(segment);
    }
    segments.retain(|segment| segment.size > 0);
    let new = New {
        etag: format!("{}-{}", hex::encode(digests.finalize()), parts.len()),
        headers,
        segments,
        modified: headers::now(&Clock::beside(database)),
    };
    let version = version::put(database, bucket, key, &new)?;
    database.execute("DELETE FROM upload WHERE id = ?1", [upload])?;
    Ok(Completed {
        etag: new.etag,
        version,
    })
}

fn stored(database: &Connection, upload: &str, number: i32, etag: &str) -> Answer<Segment> {
    let found: Option<(String, i64, String)> = database
        .prepare_cached("SELECT blob, size, etag FROM part WHERE upload = ?1 AND number = ?2")?
        .query_row(params![upload, number], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match found {
        Some((blob, size, kept)) if kept == etag.trim_matches('"') => Ok(Segment { blob, size }),
        _ => Err(named(
            S3ErrorCode::InvalidPart,
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        )),
    }
}
