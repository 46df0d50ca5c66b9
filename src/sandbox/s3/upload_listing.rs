//! ListMultipartUploads: uploads that were begun and neither completed nor aborted.

use std::sync::Arc;

use rusqlite::{Connection, params};
use s3s::dto::{
    Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload, StorageClass,
};

use super::bucket::owner;
use super::failure::Answer;
use super::headers::timestamp;
use super::listing::{self, Listed, Marker, Position, Scope, Spelling};
use crate::sandbox::sql;
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

    fn within(&self) -> Option<&str> {
        Some(&self.id)
    }
}

/// ListMultipartUploads
pub(crate) async fn list(
    state: &Arc<State>,
    input: ListMultipartUploadsInput,
) -> Answer<ListMultipartUploadsOutput> {
    let scope = Scope::new(
        input.bucket,
        input.prefix,
        input.delimiter,
        input.max_uploads,
    )?;
    let marker = Marker::new(input.key_marker, input.upload_id_marker);
    let start = marker.start(&scope, |key, id| {
        Ok(Position {
            key: key.to_owned(),
            within: Some(id.to_owned()),
        })
    })?;
    let page = listing::page(state, scope.clone(), |_, _| Ok(start), rows).await?;
    let spelling = Spelling::new(input.encoding_type.as_ref());
    let truncated = page.truncated;
    let next = page.next_marker();
    let (uploads, prefixes) = page.split(spelling);
    Ok(ListMultipartUploadsOutput {
        bucket: Some(scope.bucket),
        prefix: Some(spelling.write(&scope.prefix)),
        delimiter: spelling.maybe(scope.delimiter.as_deref()),
        key_marker: Some(spelling.write(marker.key.as_deref().unwrap_or_default())),
        upload_id_marker: marker.within,
        max_uploads: i32::try_from(scope.most).ok(),
        is_truncated: Some(truncated),
        next_key_marker: spelling.maybe(next.key.as_deref()),
        next_upload_id_marker: next.within,
        encoding_type: input.encoding_type,
        uploads: Some(
            uploads
                .into_iter()
                .map(|open| shown(open, spelling))
                .collect(),
        ),
        common_prefixes: Some(prefixes),
        ..ListMultipartUploadsOutput::default()
    })
}

fn rows(database: &Connection, scope: &Scope, from: &Position, most: i64) -> Answer<Vec<Open>> {
    let query = "SELECT id, key, started FROM upload
         WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key > ?2 OR id > ?3) AND (?4 IS NULL OR key < ?4)
         ORDER BY key, id LIMIT ?5";
    let values = params![scope.bucket, from.key, from.within, scope.end(), most];
    Ok(sql::select(database, query, values, |row| {
        Ok(Open {
            id: row.get(0)?,
            key: row.get(1)?,
            started: row.get(2)?,
        })
    })?)
}

fn shown(open: Open, spelling: Spelling) -> MultipartUpload {
    MultipartUpload {
        key: Some(spelling.write(&open.key)),
        upload_id: Some(open.id),
        initiated: Some(timestamp(open.started)),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        owner: Some(owner()),
        initiator: Some(initiator()),
        ..MultipartUpload::default()
    }
}

/// Who begins all uploads.
pub(crate) fn initiator() -> Initiator {
    let owner = owner();
    Initiator {
        display_name: owner.display_name,
        id: owner.id,
    }
}
