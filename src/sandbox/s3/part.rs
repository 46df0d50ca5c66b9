//! Single parts of a multipart upload: uploaded, copied from an object, listed.

use std::sync::Arc;

use rusqlite::{Transaction, params};
use s3s::checksum::ChecksumHasher;
use s3s::dto::{
    Checksum, CopyPartResult, ETag, ListPartsInput, ListPartsOutput, Part, Range, StorageClass,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3ErrorCode, TrailingHeaders};

use super::blob::{self, Received};
use super::bucket::owner;
use super::condition::Conditions;
use super::failure::{Answer, named};
use super::headers::{self, timestamp};
use super::multipart;
use super::source::Source;
use super::upload_listing::initiator;
use super::write::Sums;
use crate::sandbox::sql;
use crate::sandbox::state::State;

/// A page of parts holds at most so many.
const LARGEST_PAGE: i32 = 1000;

/// UploadPart
pub(crate) async fn upload(
    state: &Arc<State>,
    input: UploadPartInput,
    trailers: Option<TrailingHeaders>,
) -> Answer<UploadPartOutput> {
    let target = Target::new(input.bucket, input.key, input.upload_id, input.part_number)?;
    target.look(state).await?;
    let sums = Sums {
        announced: Checksum {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            ..Checksum::default()
        },
        md5: input.content_md5,
        algorithm: input.checksum_algorithm,
        trailers,
    };
    let (received, sums) = sums
        .take_in(state, input.body, input.content_length)
        .await?;
    let (etag, _) = target.store(state, received).await?;
    Ok(UploadPartOutput {
        e_tag: Some(ETag::Strong(etag)),
        checksum_crc32: sums.checksum_crc32,
        checksum_crc32c: sums.checksum_crc32c,
        checksum_crc64nvme: sums.checksum_crc64nvme,
        checksum_sha1: sums.checksum_sha1,
        checksum_sha256: sums.checksum_sha256,
        ..UploadPartOutput::default()
    })
}

/// UploadPartCopy: the bytes are read, for a part's ETag is the MD5 of its own bytes.
pub(crate) async fn copy(
    state: &Arc<State>,
    input: UploadPartCopyInput,
) -> Answer<UploadPartCopyOutput> {
    let target = Target::new(input.bucket, input.key, input.upload_id, input.part_number)?;
    target.look(state).await?;
    let source = Source::parse(input.copy_source)?;
    let conditions = Conditions {
        matching: input.copy_source_if_match,
        differing: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    let found = state
        .read(move |database| source.find(database, &conditions, S3ErrorCode::PreconditionFailed))
        .await?;
    let size = u64::try_from(found.version.size).unwrap_or(0);
    let bytes = match input.copy_source_range.as_deref() {
        None => 0..size,
        Some(text) => {
            let refused = |_| {
                named(
                    S3ErrorCode::InvalidArgument,
                    "The x-amz-copy-source-range value must be of the form bytes=first-last",
                )
            };
            let range = Range::parse(text).map_err(refused)?;
            range.check(size).map_err(S3Error::from)?
        }
    };
    let body = blob::send(state, found.segments, bytes.start, bytes.end - bytes.start).await?;
    let received = blob::receive(state, Some(body), None, &mut ChecksumHasher::default()).await?;
    let (etag, modified) = target.store(state, received).await?;
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(CopyPartResult {
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(timestamp(modified)),
            ..CopyPartResult::default()
        }),
        ..UploadPartCopyOutput::default()
    })
}

/// ListParts
pub(crate) async fn list(state: &Arc<State>, input: ListPartsInput) -> Answer<ListPartsOutput> {
    let most = input
        .max_parts
        .unwrap_or(LARGEST_PAGE)
        .clamp(0, LARGEST_PAGE);
    let marker = input.part_number_marker.unwrap_or(0);
    let (bucket, key, upload) = (
        input.bucket.clone(),
        input.key.clone(),
        input.upload_id.clone(),
    );
    let mut parts = state
        .read(move |database| -> Answer<Vec<Part>> {
            multipart::find(database, &bucket, &key, &upload)?;
            let query = "SELECT number, size, etag, modified FROM part
                 WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
            let values = params![upload, marker, most + 1];
            Ok(sql::select(database, query, values, |row| {
                Ok(Part {
                    part_number: row.get(0)?,
                    size: row.get(1)?,
                    e_tag: Some(ETag::Strong(row.get(2)?)),
                    last_modified: Some(timestamp(row.get(3)?)),
                    ..Part::default()
                })
            })?)
        })
        .await?;
    let page = usize::try_from(most).unwrap_or(0);
    let truncated = parts.len() > page && page > 0;
    parts.truncate(page);
    let last = parts.last().and_then(|part| part.part_number);
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        max_parts: Some(most),
        part_number_marker: Some(marker),
        next_part_number_marker: last.filter(|_| truncated),
        is_truncated: Some(truncated),
        parts: Some(parts),
        owner: Some(owner()),
        initiator: Some(initiator()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..ListPartsOutput::default()
    })
}

/// The part a request writes.
#[derive(Debug, Clone)]
struct Target {
    bucket: String,
    key: String,
    upload: String,
    number: i32,
}

impl Target {
    fn new(bucket: String, key: String, upload: String, number: i32) -> Answer<Target> {
        if !(1..=10_000).contains(&number) {
            return Err(named(
                S3ErrorCode::InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive",
            ));
        }
        Ok(Target {
            bucket,
            key,
            upload,
            number,
        })
    }

    /// Fails before any bytes are taken in when the upload is not there.
    async fn look(&self, state: &Arc<State>) -> Answer<()> {
        let target = self.clone();
        state
            .read(move |database| {
                multipart::find(database, &target.bucket, &target.key, &target.upload)?;
                Ok(())
            })
            .await
    }

    /// Names the received bytes as this part, in the place of an earlier try. Answers its ETag and time.
    async fn store(self, state: &Arc<State>, mut received: Received) -> Answer<(String, i64)> {
        received.settle(state).await?;
        let (etag, modified) = (received.etag(), headers::now(state.clock()));
        let (blob, size, kept) = (received.blob.clone(), received.size, etag.clone());
        state
            .write(move |database: &Transaction<'_>| -> Answer<()> {
                multipart::find(database, &self.bucket, &self.key, &self.upload)?;
                database.execute(
                    "DELETE FROM part WHERE upload = ?1 AND number = ?2",
                    params![self.upload, self.number],
                )?;
                database.execute(
                    "INSERT INTO part (upload, number, blob, size, etag, modified)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![self.upload, self.number, blob, size, kept, modified],
                )?;
                Ok(())
            })
            .await?;
        received.keep();
        blob::bury(state).await?;
        Ok((etag, modified))
    }
}
