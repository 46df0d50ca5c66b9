//! ListObjectVersions: every version and delete marker of a bucket, of each key the newest first.

use std::sync::Arc;

use rusqlite::{Connection, params};
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, ETag, ListObjectVersionsInput, ListObjectVersionsOutput,
    ObjectVersion, ObjectVersionStorageClass,
};

use super::bucket::owner;
use super::failure::Answer;
use super::headers::timestamp;
use super::listing::{Entry, Listed, Page, Position, Scope, Spelling, walk};
use super::version::{self, Version};
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
}

/// ListObjectVersions
pub(crate) async fn list(
    state: &Arc<State>,
    input: ListObjectVersionsInput,
) -> Answer<ListObjectVersionsOutput> {
    let scope = Scope::new(input.prefix, input.delimiter, input.max_keys)?;
    let key_marker = input.key_marker.filter(|marker| !marker.is_empty());
    let version_marker = input.version_id_marker.filter(|marker| !marker.is_empty());
    let page = page(
        state,
        input.bucket.clone(),
        scope.clone(),
        key_marker.clone(),
        version_marker.clone(),
    )
    .await?;
    let spelling = Spelling::new(input.encoding_type.as_ref());
    let (next_key, next_version) = match page.entries.last().filter(|_| page.truncated) {
        Some(Entry::Row(Member(version))) => (Some(version.key.clone()), Some(version.id.clone())),
        Some(Entry::Prefix(prefix)) => (Some(prefix.clone()), None),
        None => (None, None),
    };
    let mut output = ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(spelling.write(&scope.prefix)),
        delimiter: spelling.maybe(scope.delimiter.as_deref()),
        key_marker: Some(spelling.write(key_marker.as_deref().unwrap_or_default())),
        version_id_marker: version_marker,
        max_keys: i32::try_from(scope.most).ok(),
        is_truncated: Some(page.truncated),
        next_key_marker: spelling.maybe(next_key.as_deref()),
        next_version_id_marker: next_version,
        encoding_type: input.encoding_type,
        ..ListObjectVersionsOutput::default()
    };
    fill(&mut output, page, spelling);
    Ok(output)
}

async fn page(
    state: &Arc<State>,
    bucket: String,
    scope: Scope,
    key_marker: Option<String>,
    version_marker: Option<String>,
) -> Answer<Page<Member>> {
    state
        .read(move |database| {
            version::versioning(database, &bucket)?;
            let start = match (key_marker, version_marker) {
                (None, _) => Position::at(""),
                (Some(key), None) => scope.after_marker(&key),
                (Some(key), Some(id)) => within(database, &bucket, key, &id)?,
            };
            let end = scope.end();
            walk(&scope, start, |from, most| {
                rows(database, &bucket, from, end.as_deref(), most)
            })
        })
        .await
}

/// After this version of a key. A version that has been deleted since still has its place, by its id.
fn within(database: &Connection, bucket: &str, key: String, id: &str) -> Answer<Position> {
    let found = version::find(database, bucket, &key, id)?;
    let place = found
        .map(|version| version.seq)
        .or_else(|| version::place_of(id));
    Ok(match place {
        Some(seq) => Position {
            key,
            within: Some(seq.to_string()),
        },
        None => Position::past(&key),
    })
}

fn rows(
    database: &Connection,
    bucket: &str,
    from: &Position,
    end: Option<&str>,
    most: i64,
) -> Answer<Vec<Member>> {
    let before: Option<i64> = from.within.as_deref().and_then(|seq| seq.parse().ok());
    let mut statement = database.prepare_cached(&format!(
        "SELECT {} FROM object_version INDEXED BY object_version_age
         WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key > ?2 OR seq < ?3) AND (?4 IS NULL OR key < ?4)
         ORDER BY key, seq DESC LIMIT ?5",
        version::COLUMNS
    ))?;
    let rows = statement.query_map(params![bucket, from.key, before, end, most], |row| {
        Version::from_row(row).map(Member)
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn fill(output: &mut ListObjectVersionsOutput, page: Page<Member>, spelling: Spelling) {
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            Entry::Row(Member(version)) if version.marker => markers.push(DeleteMarkerEntry {
                key: Some(spelling.write(&version.key)),
                version_id: Some(version.id),
                is_latest: Some(version.latest),
                last_modified: Some(timestamp(version.modified)),
                owner: Some(owner()),
            }),
            Entry::Row(Member(version)) => versions.push(ObjectVersion {
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
            }),
            Entry::Prefix(prefix) => prefixes.push(CommonPrefix {
                prefix: Some(spelling.write(&prefix)),
            }),
        }
    }
    output.versions = Some(versions);
    output.delete_markers = Some(markers);
    output.common_prefixes = Some(prefixes);
}
