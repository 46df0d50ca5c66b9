//! ListObjects and ListObjectsV2: the newest versions of a bucket's keys.

use std::sync::Arc;

use rusqlite::{Connection, params};
use s3s::S3ErrorCode;
use s3s::dto::{
    ETag, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    ObjectStorageClass,
};

use super::bucket::owner;
use super::failure::{Answer, named};
use super::headers::timestamp;
use super::listing::{self, Listed, Position, Scope, Spelling};
use super::version::{self, Version};
use crate::sandbox::sql;
use crate::sandbox::state::State;

impl Listed for Version {
    fn key(&self) -> &str {
        &self.key
    }

    fn after(&self) -> Position {
        Position::past(&self.key)
    }
}

/// ListObjectsV2
pub(crate) async fn v2(
    state: &Arc<State>,
    input: ListObjectsV2Input,
) -> Answer<ListObjectsV2Output> {
    let scope = Scope::new(input.bucket, input.prefix, input.delimiter, input.max_keys)?;
    let start = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => Position::at(position_of(token)?),
        (None, Some(key)) => Position::past(key),
        (None, None) => Position::at(""),
    };
    let page = listing::page(state, scope.clone(), |_, _| Ok(start), rows).await?;
    let next = page.truncated.then(|| hex::encode(&page.next.key));
    let spelling = Spelling::new(input.encoding_type.as_ref());
    let count = i32::try_from(page.entries.len()).ok();
    let (versions, prefixes) = page.split(spelling);
    let with_owner = input.fetch_owner == Some(true);
    Ok(ListObjectsV2Output {
        name: Some(scope.bucket),
        prefix: Some(spelling.write(&scope.prefix)),
        delimiter: spelling.maybe(scope.delimiter.as_deref()),
        max_keys: i32::try_from(scope.most).ok(),
        key_count: count,
        continuation_token: input.continuation_token,
        start_after: spelling.maybe(input.start_after.as_deref()),
        is_truncated: Some(next.is_some()),
        next_continuation_token: next,
        contents: Some(shown(versions, spelling, with_owner)),
        common_prefixes: Some(prefixes),
        encoding_type: input.encoding_type,
        ..ListObjectsV2Output::default()
    })
}

/// ListObjects
pub(crate) async fn v1(state: &Arc<State>, input: ListObjectsInput) -> Answer<ListObjectsOutput> {
    let scope = Scope::new(input.bucket, input.prefix, input.delimiter, input.max_keys)?;
    let start = match &input.marker {
        Some(marker) => scope.after_marker(marker),
        None => Position::at(""),
    };
    let page = listing::page(state, scope.clone(), |_, _| Ok(start), rows).await?;
    let spelling = Spelling::new(input.encoding_type.as_ref());
    let truncated = page.truncated;
    // Without a delimiter the last key is the next marker, and S3 leaves it to the client to see that.
    let last = page.next_marker().key;
    let next = last.filter(|_| scope.delimiter.is_some());
    let (versions, prefixes) = page.split(spelling);
    Ok(ListObjectsOutput {
        name: Some(scope.bucket),
        prefix: Some(spelling.write(&scope.prefix)),
        delimiter: spelling.maybe(scope.delimiter.as_deref()),
        marker: Some(spelling.write(input.marker.as_deref().unwrap_or_default())),
        max_keys: i32::try_from(scope.most).ok(),
        is_truncated: Some(truncated),
        next_marker: spelling.maybe(next.as_deref()),
        contents: Some(shown(versions, spelling, true)),
        common_prefixes: Some(prefixes),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    })
}

fn rows(database: &Connection, scope: &Scope, from: &Position, most: i64) -> Answer<Vec<Version>> {
    let end = scope.end();
    // Two statements, so that each runs along the index.
    let below = if end.is_some() {
        "AND key < ?3"
    } else {
        "AND ?3 IS NULL"
    };
    let query = format!(
        "SELECT {} FROM object_version INDEXED BY object_live
         WHERE bucket = ?1 AND latest = 1 AND marker = 0 AND key >= ?2 {below}
         ORDER BY key LIMIT ?4",
        version::COLUMNS
    );
    let values = params![scope.bucket, from.key, end, most];
    Ok(sql::select(database, &query, values, Version::from_row)?)
}

fn shown(versions: Vec<Version>, spelling: Spelling, with_owner: bool) -> Vec<Object> {
    versions
        .into_iter()
        .map(|version| Object {
            key: Some(spelling.write(&version.key)),
            size: Some(version.size),
            e_tag: Some(ETag::Strong(version.etag)),
            last_modified: Some(timestamp(version.modified)),
            storage_class: Some(ObjectStorageClass::from_static(
                ObjectStorageClass::STANDARD,
            )),
            owner: with_owner.then(owner),
            ..Object::default()
        })
        .collect()
}

/// A continuation token is the hex of the first key that the next page may hold.
fn position_of(token: &str) -> Answer<String> {
    let bytes = hex::decode(token).ok();
    let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| {
        named(
            S3ErrorCode::InvalidArgument,
            "The continuation token provided is incorrect",
        )
    })
}
