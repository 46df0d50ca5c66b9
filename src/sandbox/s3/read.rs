//! GetObject and HeadObject: a version, the conditions on it, a range of its bytes.

use std::sync::Arc;

use s3s::dto::{ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range};
use s3s::{S3Error, S3ErrorCode, s3_error};

use super::blob;
use super::condition::Conditions;
use super::failure::{Answer, Failure};
use super::headers::timestamp;
use super::source::{Found, Source};
use super::version::Version;
use crate::sandbox::state::State;

/// GetObject
pub(crate) async fn get(state: &Arc<State>, input: GetObjectInput) -> Answer<GetObjectOutput> {
    let conditions = Conditions {
        matching: input.if_match,
        differing: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    let source = Source {
        bucket: input.bucket,
        key: input.key,
        version: input.version_id,
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let found = look(state, &source, &conditions).await?;
        let slice = Slice::of(input.range.as_ref(), input.part_number, &found.version)?;
        let (version, named) = (&found.version, found.id());
        let body = blob::send(state, found.segments, slice.start, slice.length).await;
        let body = match body {
            // Somebody replaced the object between the look and the opening of its file.
            Err(Failure::File(error))
                if error.kind() == std::io::ErrorKind::NotFound && attempt < 5 =>
            {
                continue;
            }
            body => body?,
        };
        let headers = &version.headers;
        return Ok(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(body),
            cache_control: headers.cache_control.clone(),
            content_disposition: headers.content_disposition.clone(),
            content_encoding: headers.content_encoding.clone(),
            content_language: headers.content_language.clone(),
            content_length: i64::try_from(slice.length).ok(),
            content_range: slice.header,
            content_type: Some(headers.shown_type()),
            e_tag: Some(ETag::Strong(version.etag.clone())),
            last_modified: Some(timestamp(version.modified)),
            metadata: headers.shown_metadata(),
            version_id: named,
            ..GetObjectOutput::default()
        });
    }
}

/// HeadObject
pub(crate) async fn head(state: &Arc<State>, input: HeadObjectInput) -> Answer<HeadObjectOutput> {
    let conditions = Conditions {
        matching: input.if_match,
        differing: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    let source = Source {
        bucket: input.bucket,
        key: input.key,
        version: input.version_id,
    };
    let found = look(state, &source, &conditions).await?;
    let slice = Slice::of(input.range.as_ref(), input.part_number, &found.version)?;
    let named = found.id();
    let Version {
        headers,
        etag,
        modified,
        ..
    } = found.version;
    Ok(HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(slice.length).ok(),
        content_range: slice.header,
        content_type: Some(headers.shown_type()),
        metadata: headers.shown_metadata(),
        cache_control: headers.cache_control,
        content_disposition: headers.content_disposition,
        content_encoding: headers.content_encoding,
        content_language: headers.content_language,
        e_tag: Some(ETag::Strong(etag)),
        last_modified: Some(timestamp(modified)),
        version_id: named,
        ..HeadObjectOutput::default()
    })
}

async fn look(state: &Arc<State>, source: &Source, conditions: &Conditions) -> Answer<Found> {
    let (source, conditions) = (source.clone(), conditions.clone());
    state
        .read(move |database| source.find(database, &conditions, S3ErrorCode::NotModified))
        .await
}

/// Which bytes are asked for.
struct Slice {
    start: u64,
    length: u64,
    header: Option<String>,
}

impl Slice {
    fn of(range: Option<&Range>, part: Option<i32>, version: &Version) -> Answer<Slice> {
        if part.is_some_and(|part| part != 1) {
            let refused: S3Error =
                s3_error!(NotImplemented, "the sandbox does not read single parts");
            return Err(refused.into());
        }
        let size = u64::try_from(version.size).unwrap_or(0);
        let Some(range) = range else {
            return Ok(Slice {
                start: 0,
                length: size,
                header: None,
            });
        };
        let bytes = range.check(size).map_err(S3Error::from)?;
        Ok(Slice {
            start: bytes.start,
            length: bytes.end - bytes.start,
            header: Some(format!(
                "bytes {}-{}/{size}",
                bytes.start,
                bytes.end.saturating_sub(1)
            )),
        })
    }
}
