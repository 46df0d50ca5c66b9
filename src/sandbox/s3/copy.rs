//! CopyObject: a new row for the same bytes, so that a copy of any size is instant.

use std::sync::Arc;

use s3s::S3ErrorCode;
use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, ETag, MetadataDirective};

use super::blob;
use super::condition::Conditions;
use super::failure::{Answer, named};
use super::headers::{self, Headers, timestamp};
use super::source::Source;
use super::version::{self, New};
use crate::sandbox::state::State;

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
    let modified = headers::now(state.clock());
    let output = state
        .write(move |database| {
            let found = source.find(database, &conditions, S3ErrorCode::PreconditionFailed)?;
            let copy_source_version_id = found.id();
            let original = found.version;
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
                segments: found.segments,
                modified,
            };
            let version_id = version::put(database, &bucket, &key, &new)?;
            Ok(CopyObjectOutput {
                copy_object_result: Some(CopyObjectResult {
                    e_tag: Some(ETag::Strong(new.etag)),
                    last_modified: Some(timestamp(modified)),
                    ..CopyObjectResult::default()
                }),
                copy_source_version_id,
                version_id,
                ..CopyObjectOutput::default()
            })
        })
        .await?;
    blob::bury(state).await?;
    Ok(output)
}
