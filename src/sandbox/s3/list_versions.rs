//! ListObjectVersions: every version and delete marker of a bucket, of each key the newest first.

use std::sync::Arc;

use rusqlite::{Connection, params};
use s3s::dto::{
    DeleteMarkerEntry, ETag, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion,
    ObjectVersionStorageClass,
};

use super::bucket::owner;
use super::failure::Answer;
use super::headers::timestamp;
use super::listing::{self, Listed, Marker, Position, Scope, Spelling};
use super::version::{self, Version};
use crate::sandbox::sql;
use crate::sandbox::state::State;

/// A version listed as one of many of its key.
#[derive(Debug)]
struct Member(Version);

impl Listed for Member {
    fn key(&self) -> &str {
        &self.0.key
    }

    fn after(&self) -> Position {
        Position {
            key: self.0.key.clone(),
            within: Some(self.0.seq.to_string()),
        }
    }

    fn within(&self) -> Option<&str> {
        Some(&self.0.id)
    }
}

/// ListObjectVersions
pub(crate) async fn list(
    state: &Arc<State>,
    input: ListObjectVersionsInput,
) -> Answer<ListObjectVersionsOutput> {
    let scope = Scope::new(input.bucket, input.prefix, input.delimiter, input.max_keys)?;
    let marker = Marker::new(input.key_marker, input.version_id_marker);
    let from = marker.clone();
    let start = move |database: &Connection, scope: &Scope| {
        from.start(scope, |key, id| within(database, &scope.bucket, key, id))
    };
    let page = listing::page(state, scope.clone(), start, rows).await?;
    let spelling = Spelling::new(input.encoding_type.as_ref());
    let truncated = page.truncated;
    let next = page.next_marker();
    let (members, prefixes) = page.split(spelling);
    let (markers, versions): (Vec<Member>, Vec<Member>) = members
        .into_iter()
        .partition(|Member(version)| version.marker);
    Ok(ListObjectVersionsOutput {
        name: Some(scope.bucket),
        prefix: Some(spelling.write(&scope.prefix)),
        delimiter: spelling.maybe(scope.delimiter.as_deref()),
        key_marker: Some(spelling.write(marker.key.as_deref().unwrap_or_default())),
        version_id_marker: marker.within,
        max_keys: i32::try_from(scope.most).ok(),
        is_truncated: Some(truncated),
        next_key_marker: spelling.maybe(next.key.as_deref()),
        next_version_id_marker: next.within,
        encoding_type: input.encoding_type,
        versions: Some(
            versions
                .into_iter()
                .map(|Member(version)| shown(version, spelling))
                .collect(),
        ),
        delete_markers: Some(
            markers
                .into_iter()
                .map(|Member(version)| shown_marker(version, spelling))
                .collect(),
        ),
        common_prefixes: Some(prefixes),
        ..ListObjectVersionsOutput::default()
    })
}

/// After this version of a key. A version that has been deleted since still has its place, by its id.
fn within(database: &Connection, bucket: &str, key: &str, id: &str) -> Answer<Position> {
    let found = version::find(database, bucket, key, id)?;
    let place = found
        .map(|version| version.seq)
        .or_else(|| version::place_of(id));
    Ok(match place {
        Some(seq) => Position {
            key: key.to_owned(),
            within: Some(seq.to_string()),
        },
        None => Position::past(key),
    })
}

fn rows(database: &Connection, scope: &Scope, from: &Position, most: i64) -> Answer<Vec<Member>> {
    let before: Option<i64> = from.within.as_deref().and_then(|seq| seq.parse().ok());
    let query = format!(
        "SELECT {} FROM object_version INDEXED BY object_version_age
         WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key > ?2 OR seq < ?3) AND (?4 IS NULL OR key < ?4)
         ORDER BY key, seq DESC LIMIT ?5",
        version::COLUMNS
    );
    let values = params![scope.bucket, from.key, before, scope.end(), most];
    Ok(sql::select(database, &query, values, |row| {
        Version::from_row(row).map(Member)
    })?)
}

fn shown(version: Version, spelling: Spelling) -> ObjectVersion {
    ObjectVersion {
        key: Some(spelling.write(&version.key)),
        version_id: Some(version.id),
        is_latest: Some(version.latest),
        last_modified: Some(timestamp(version.modified)),
        size: Some(version.size),
        e_tag: Some(ETag::Strong(version.etag)),
        storage_class: Some(ObjectVersionStorageClass::from_static(
            ObjectVersionStorageClass::STANDARD,
        )),
        owner: Some(owner()),
        ..ObjectVersion::default()
    }
}

fn shown_marker(version: Version, spelling: Spelling) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        key: Some(spelling.write(&version.key)),
        version_id: Some(version.id),
        is_latest: Some(version.latest),
        last_modified: Some(timestamp(version.modified)),
        owner: Some(owner()),
    }
}
