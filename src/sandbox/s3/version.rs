//! The rows behind objects: finding a version, writing one, taking one away, by S3's versioning rules.
//!
//! Nothing here knows HTTP; everything runs within the caller's transaction.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::failure::{Answer, no_such_bucket};
use super::headers::{self, Headers};
use crate::sandbox::clock::Clock;
use crate::sandbox::sql;

/// One version of an object, or a delete marker.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// Its place in the order of arrival.
    pub(crate) seq: i64,
    /// The key it belongs to.
    pub(crate) key: String,
    /// Its version id; `null` outside versioning.
    pub(crate) id: String,
    /// Whether it is the key's newest.
    pub(crate) latest: bool,
    /// Whether it marks a deletion.
    pub(crate) marker: bool,
    /// Bytes.
    pub(crate) size: i64,
    /// The ETag without quotes.
    pub(crate) etag: String,
    /// When it was written, in milliseconds since 1970.
    pub(crate) modified: i64,
    /// What it carries besides its bytes.
    pub(crate) headers: Headers,
}

/// The columns that make a [`Version`].
pub(crate) const COLUMNS: &str = "seq, key, version, latest, marker, size, etag, modified, headers";

impl Version {
    /// Reads a row of [`COLUMNS`].
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Version> {
        let kept: String = row.get(8)?;
        Ok(Version {
            seq: row.get(0)?,
            key: row.get(1)?,
            id: row.get(2)?,
            latest: row.get(3)?,
            marker: row.get(4)?,
            size: row.get(5)?,
            etag: row.get(6)?,
            modified: row.get(7)?,
            headers: Headers::from_text(&kept),
        })
    }
}

/// A run of bytes in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The file's name.
    pub(crate) blob: String,
    /// Bytes.
    pub(crate) size: i64,
}

/// An object about to be written.
#[derive(Debug, Clone)]
pub(crate) struct New {
    /// The ETag without quotes.
    pub(crate) etag: String,
    /// What it carries besides its bytes.
    pub(crate) headers: Headers,
    /// Its bytes, in order.
    pub(crate) segments: Vec<Segment>,
    /// When it counts as written, in milliseconds since 1970.
    pub(crate) modified: i64,
}

/// How a bucket treats versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versioning {
    /// Never asked for.
    Never,
    /// Every write adds one.
    Enabled,
    /// Old ones stay, writes go to `null`.
    Suspended,
}

/// How this bucket treats versions; an error when there is no such bucket.
pub(crate) fn versioning(database: &Connection, bucket: &str) -> Answer<Versioning> {
    let mut statement = database.prepare_cached("SELECT versioning FROM bucket WHERE name = ?1")?;
    let kept: Option<Option<String>> =
        statement.query_row([bucket], |row| row.get(0)).optional()?;
    match kept.ok_or_else(no_such_bucket)?.as_deref() {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some(_) => Ok(Versioning::Suspended),
        None => Ok(Versioning::Never),
    }
}

/// The newest version of a key, which may be a delete marker.
pub(crate) fn latest(
    database: &Connection,
    bucket: &str,
    key: &str,
) -> rusqlite::Result<Option<Version>> {
    let mut statement = database.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM object_version WHERE bucket = ?1 AND key = ?2 ORDER BY seq DESC LIMIT 1"
    ))?;
    statement
        .query_row([bucket, key], Version::from_row)
        .optional()
}

/// The object that a plain read of a key sees: its newest version, unless that marks a deletion.
pub(crate) fn live(
    database: &Connection,
    bucket: &str,
    key: &str,
) -> rusqlite::Result<Option<Version>> {
    Ok(latest(database, bucket, key)?.filter(|version| !version.marker))
}

/// The version of a key with this id.
pub(crate) fn find(
    database: &Connection,
    bucket: &str,
    key: &str,
    id: &str,
) -> rusqlite::Result<Option<Version>> {
    let mut statement = database.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM object_version WHERE bucket = ?1 AND key = ?2 AND version = ?3"
    ))?;
    statement
        .query_row([bucket, key, id], Version::from_row)
        .optional()
}

/// The bytes of a version.
pub(crate) fn segments(database: &Connection, seq: i64) -> rusqlite::Result<Vec<Segment>> {
    let query = "SELECT blob, size FROM segment WHERE seq = ?1 ORDER BY number";
    sql::select(database, query, [seq], |row| {
        Ok(Segment {
            blob: row.get(0)?,
            size: row.get(1)?,
        })
    })
}

/// Writes an object. Answers its version id, `None` where the bucket never had versions.
pub(crate) fn put(
    database: &Transaction<'_>,
    bucket: &str,
    key: &str,
    new: &New,
) -> Answer<Option<String>> {
    let how = versioning(database, bucket)?;
    insert(database, bucket, key, how, Some(new))
}

/// Deletes a key as a plain DELETE does: the object goes, or a delete marker comes. Answers the marker's id.
pub(crate) fn remove(
    database: &Transaction<'_>,
    bucket: &str,
    key: &str,
) -> Answer<Option<String>> {
    match versioning(database, bucket)? {
        Versioning::Never => {
            database
                .prepare_cached("DELETE FROM object_version WHERE bucket = ?1 AND key = ?2")?
                .execute([bucket, key])?;
            Ok(None)
        }
        how => insert(database, bucket, key, how, None),
    }
}

/// Deletes one version for good; the newest of those left becomes the latest. Answers whether it marked a deletion,
/// `None` when there was no such version.
pub(crate) fn remove_version(
    database: &Transaction<'_>,
    bucket: &str,
    key: &str,
    id: &str,
) -> Answer<Option<bool>> {
    let Some(version) = find(database, bucket, key, id)? else {
        return Ok(None);
    };
    database.execute("DELETE FROM object_version WHERE seq = ?1", [version.seq])?;
    database.execute(
        "UPDATE object_version SET latest = 1 WHERE seq =
         (SELECT max(seq) FROM object_version WHERE bucket = ?1 AND key = ?2)",
        [bucket, key],
    )?;
    Ok(Some(version.marker))
}

/// Adds the newest version of a key, or with no object a delete marker.
fn insert(
    database: &Transaction<'_>,
    bucket: &str,
    key: &str,
    how: Versioning,
    new: Option<&New>,
) -> Answer<Option<String>> {
    let seq: i64 = database.query_row(
        "SELECT coalesce(max(seq), 0) + 1 FROM object_version",
        [],
        |row| row.get(0),
    )?;
    let id = if how == Versioning::Enabled {
        version_id(seq)
    } else {
        let replaced =
            "DELETE FROM object_version WHERE bucket = ?1 AND key = ?2 AND version = 'null'";
        database.prepare_cached(replaced)?.execute([bucket, key])?;
        "null".to_owned()
    };
    database
        .prepare_cached(
            "UPDATE object_version SET latest = 0 WHERE bucket = ?1 AND key = ?2 AND latest = 1",
        )?
        .execute([bucket, key])?;
    let size: i64 = new.map_or(0, |new| {
        new.segments.iter().map(|segment| segment.size).sum()
    });
    let modified = new.map_or_else(
        || headers::now(&Clock::beside(database)),
        |new| new.modified,
    );
    database
        .prepare_cached(
            "INSERT INTO object_version (seq, bucket, key, version, latest, marker, size, etag, modified, headers)
             VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            seq,
            bucket,
            key,
            id,
            new.is_none(),
            size,
            new.map_or("", |new| new.etag.as_str()),
            modified,
            new.map_or_else(|| "{}".to_owned(), |new| new.headers.to_text()),
        ])?;
    for (number, segment) in (0_i64..).zip(new.map_or(&[][..], |new| new.segments.as_slice())) {
        database
            .prepare_cached(
                "INSERT INTO segment (seq, number, blob, size) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![seq, number, segment.blob, segment.size])?;
    }
    Ok((how != Versioning::Never).then_some(id))
}

/// A version id that sorts by arrival, so that a listing can go on after a version that has been deleted since.
fn version_id(seq: i64) -> String {
    let salt: u32 = rand::random();
    format!("{seq:016x}{salt:08x}")
}

/// The place in the order of arrival that a version id stands for.
pub(crate) fn place_of(id: &str) -> Option<i64> {
    id.get(..16)
        .and_then(|place| i64::from_str_radix(place, 16).ok())
}
