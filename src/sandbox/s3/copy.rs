//! CopyObject: a new row for the same bytes, so that a copy of any size is instant.

use std::sync::Arc;

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag, MetadataDirective,
};
use s3s::{S3ErrorCode, s3_error};

use super::condition::Conditions;
use super::failure::{Answer, named};
use super::headers::{self, Headers, timestamp};
use super::version::{self, New, Versioning};
use super::{blob, read};
use crate::sandbox::state::State;

/// The object a copy reads.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its bucket.
    pub(crate) bucket: String,
    /// Its key.
    pub(crate) key: String,
    /// The version asked for.
    pub(crate) version: Option<String>,
}

impl Source {
    /// From the header; only plain buckets are there.
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
}

/// CopyObject
pub(crate) async fn copy(state: &Arc<State>, input: CopyObjectInput) -> Answer<CopyObjectOutput> {
    let source = Source::parse(input.copy_source)?;
    let conditions = Conditions {
        matching: input.copy_source_if_match,
        differing: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    let replace = input
        .metadata_directive
        .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    let replacement = replace.then(|| {
        Headers {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            content_language: input.content_language,
            ..Headers::default()
        }
        .with_metadata(input.metadata)
    });
    let (bucket, key) = (input.bucket, input.key);
    let modified = headers::now();
    let output = state
        .write(move |database| {
            let how = version::versioning(database, &source.bucket)?;
            let id = source.version.as_deref();
            let original = read::resolve(database, &source.bucket, &source.key, id)?;
            conditions.check_read(&original, S3ErrorCode::PreconditionFailed)?;
            let onto_itself = (&source.bucket, &source.key) == (&bucket, &key);
            if onto_itself && original.latest && replacement.is_none() {
                return Err(named(
                    S3ErrorCode::InvalidRequest,
                    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
                ));
            }
            let new = New {
                etag: original.etag,
                headers: replacement.unwrap_or(original.headers),
                segments: version::segments(database, original.seq)?,
                modified,
            };
            let version_id = version::put(database, &bucket, &key, &new)?;
            Ok(CopyObjectOutput {
                copy_object_result: Some(CopyObjectResult {
                    e_tag: Some(ETag::Strong(new.etag)),
                    last_modified: Some(timestamp(modified)),
                    ..CopyObjectResult::default()
                }),
                copy_source_version_id: (how != Versioning::Never).then_some(original.id),
                version_id,
                ..CopyObjectOutput::default()
            })
        })
        .await?;
    blob::bury(state).await?;
    Ok(output)
}
