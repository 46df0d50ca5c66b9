//! ListMultipartUploads: uploads that were begun and neither completed nor aborted.

use std::sync::Arc;

use rusqlite::{Connection, params};
use s3s::dto::{
    CommonPrefix, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    MultipartUpload, StorageClass,
};

use super::bucket::owner;
use super::failure::Answer;
use super::headers::timestamp;
use super::listing::{Entry, Listed, Page, Position, Scope, Spelling, walk};
use super::version;
use crate::sandbox::state::State;

/// An open upload.
#[derive(Debug)]
struct Open {
    id: String,
    key: String,
    started: i64,
}

impl Listed for Open {
    fn key(&self) -> &str {
        &self.key
    }

    fn after(&self) -> Position {
        Position {
            key: self.key.clone(),
            within: Some(self.id.clone()),
        }
    }
}

/// ListMultipartUploads
pub(crate) async fn list(
    state: &Arc<State>,
    input: ListMultipartUploadsInput,
) -> Answer<ListMultipartUploadsOutput> {
    let scope = Scope::new(input.prefix, input.delimiter, input.max_uploads)?;
    let key_marker = input.key_marker.filter(|marker| !marker.is_empty());
    let upload_marker = input.upload_id_marker.filter(|marker| !marker.is_empty());
    let start = match (&key_marker, &upload_marker) {
        (None, _) => Position::at(""),
        (Some(key), None) => scope.after_marker(key),
        (Some(key), Some(upload)) => Position {
            key: key.clone(),
            within: Some(upload.clone()),
        },
    };
    let page = page(state, input.bucket.clone(), scope.clone(), start).await?;
    let spelling = Spelling::new(input.encoding_type.as_ref());
    let (next_key, next_upload) = match page.entries.last().filter(|_| page.truncated) {
        Some(Entry::Row(open)) => (Some(open.key.clone()), Some(open.id.clone())),
        Some(Entry::Prefix(prefix)) => (Some(prefix.clone()), None),
        None => (None, None),
    };
    let mut output = ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(spelling.write(&scope.prefix)),
        delimiter: spelling.maybe(scope.delimiter.as_deref()),
        key_marker: Some(spelling.write(key_marker.as_deref().unwrap_or_default())),
        upload_id_marker: upload_marker,
        max_uploads: i32::try_from(scope.most).ok(),
        is_truncated: Some(page.truncated),
        next_key_marker: spelling.maybe(next_key.as_deref()),
        next_upload_id_marker: next_upload,
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    };
    fill(&mut output, page, spelling);
    Ok(output)
}

async fn page(
    state: &Arc<State>,
    bucket: String,
    scope: Scope,
    start: Position,
) -> Answer<Page<Open>> {
    state
        .read(move |database| {
            version::versioning(database, &bucket)?;
            let end = scope.end();
            walk(&scope, start, |from, most| {
                rows(database, &bucket, from, end.as_deref(), most)
            })
        })
        .await
}

fn rows(
    database: &Connection,
    bucket: &str,
    from: &Position,
    end: Option<&str>,
    most: i64,
) -> Answer<Vec<Open>> {
    let mut statement = database.prepare_cached(
        "SELECT id, key, started FROM upload
         WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key > ?2 OR id > ?3) AND (?4 IS NULL OR key < ?4)
         ORDER BY key, id LIMIT ?5",
    )?;
    let rows = statement.query_map(params![bucket, from.key, from.within, end, most], |row| {
        Ok(Open {
            id: row.get(0)?,
            key: row.get(1)?,
            started: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn fill(output: &mut ListMultipartUploadsOutput, page: Page<Open>, spelling: Spelling) {
    let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            Entry::Row(open) => uploads.push(MultipartUpload {
                key: Some(spelling.write(&open.key)),
                upload_id: Some(open.id),
                initiated: Some(timestamp(open.started)),
                storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                owner: Some(owner()),
                initiator: Some(initiator()),
                ..MultipartUpload::default()
            }),
            Entry::Prefix(prefix) => prefixes.push(CommonPrefix {
                prefix: Some(spelling.write(&prefix)),
            }),
        }
    }
    output.uploads = Some(uploads);
    output.common_prefixes = Some(prefixes);
}

/// Who begins all uploads.
pub(crate) fn initiator() -> Initiator {
    let owner = owner();
    Initiator {
        display_name: owner.display_name,
        id: owner.id,
    }
}
