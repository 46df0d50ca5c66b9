//! Uploads of local files: at once, or in parts, each read as it is sent. Every part goes with its MD5, so that the store
//! takes nothing else than was read; which parts are there already is asked of the store. Which upload belongs to which
//! file is the gate's business.

use std::collections::BTreeMap;
use std::ops::Range;

use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::s3::{S3, unquoted};
use super::s3_changes::{Condition, Written, user_metadata};
use super::s3_error::Asked;
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::{LocalFile, parts};

/// Parts that are sent at a time; how many requests go at once is the pace's business.
const AT_ONCE: usize = 16;
/// The parts of an upload are at least so large, but for the last.
pub const SMALLEST_PART: u64 = 5 << 20;
/// And at most so large.
pub const LARGEST_PART: u64 = 5 << 30;
/// The size of parts where nobody says otherwise.
const USUAL_PART: u64 = 16 << 20;
/// An upload has at most so many parts.
const MOST_PARTS: u64 = 10_000;

/// The size of the parts of a file of so many bytes: the usual, or what makes its parts few enough.
#[must_use]
pub fn part_size(size: u64) -> u64 {
    size.div_ceil(MOST_PARTS)
        .next_multiple_of(1 << 20)
        .max(USUAL_PART)
}

/// What a file becomes an object with.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Where.
    pub at: &'a ObjectRef,
    /// The file.
    pub file: &'a LocalFile,
    /// The media type.
    pub content_type: Option<&'a str>,
    /// The user metadata.
    pub metadata: &'a BTreeMap<String, String>,
}

/// A part that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: i32,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its bytes.
    pub size: u64,
}

impl S3 {
    /// Writes an object from a file, which is read as it is sent.
    pub async fn put_file(
        &self,
        _: Permit,
        sent: &Sent<'_>,
        condition: &Condition,
    ) -> Result<Written> {
        let asked = self.asked("PutObject", sent.at);
        let whole = 0..sent.file.size;
        let md5 = digest(sent.file, whole.clone()).await?;
        let md5 = STANDARD.encode(md5);
        let ask = || async {
            let put = self.client().put_object();
            put.bucket(&sent.at.bucket)
                .key(&sent.at.key)
                .body(body(sent.file, whole.clone()).await?)
                .content_md5(&md5)
                .set_content_type(sent.content_type.map(str::to_owned))
                .set_metadata(user_metadata(sent.metadata))
                .set_if_none_match(condition.if_none_match())
                .set_if_match(condition.if_match())
                .send()
                .await
        };
        let answer = self.changing(&asked, ask).await?;
        Ok(Written::of(answer.e_tag(), answer.version_id()))
    }

    /// Begins an upload in parts. Gives its id.
    pub async fn begin_upload(&self, _: Permit, sent: &Sent<'_>) -> Result<String> {
        let asked = self.asked("CreateMultipartUpload", sent.at);
        let ask = || {
            let create = self.client().create_multipart_upload();
            create
                .bucket(&sent.at.bucket)
                .key(&sent.at.key)
                .set_content_type(sent.content_type.map(str::to_owned))
                .set_metadata(user_metadata(sent.metadata))
                .send()
        };
        upload_id(&asked, &self.changing(&asked, ask).await?)
    }

    /// Sends the parts of a file that the store does not have: those of `there` whose bytes are the file's are left out.
    /// `each` is told the bytes of every part that the store has then. Gives all parts.
    pub async fn send_parts(
        &self,
        permit: Permit,
        upload: &Upload<'_>,
        there: Vec<Part>,
        each: impl Fn(u64),
    ) -> Result<Vec<Part>> {
        let there: BTreeMap<i32, Part> =
            there.into_iter().map(|part| (part.number, part)).collect();
        let ranges = parts(upload.sent.file.size, upload.part_size);
        let sending = stream::iter((1..).zip(ranges)).map(async |(number, range)| {
            let md5 = digest(upload.sent.file, range.clone()).await?;
            let size = range.end - range.start;
            let is_there = |part: &&Part| part.size == size && part.etag == hex::encode(md5);
            let part = match there.get(&number).filter(is_there) {
                Some(part) => part.clone(),
                None => self.send_part(permit, upload, number, range, md5).await?,
            };
            each(size);
            Ok::<_, Error>(part)
        });
        sending.buffered(AT_ONCE).try_collect().await
    }

    /// Sends one part, of this MD5.
    pub async fn send_part(
        &self,
        _: Permit,
        upload: &Upload<'_>,
        number: i32,
        range: Range<u64>,
        md5: [u8; 16],
    ) -> Result<Part> {
        let Sent { at, file, .. } = upload.sent;
        let asked = self.asked("UploadPart", format!("part {number} of {at}"));
        let ask = || async {
            let part = self.client().upload_part();
            part.bucket(&at.bucket)
                .key(&at.key)
                .upload_id(upload.id)
                .part_number(number)
                .body(body(file, range.clone()).await?)
                .content_md5(STANDARD.encode(md5))
                .send()
                .await
        };
        let answer = self.piece(&asked, ask).await?;
        let etag = answer
            .e_tag()
            .ok_or_else(|| asked.fault("a part without an ETag"))?;
        Ok(Part {
            number,
            etag: unquoted(etag).to_owned(),
            size: range.end - range.start,
        })
    }

    /// The parts that an open upload holds, in order; none where there is no such upload.
    pub async fn parts(&self, at: &ObjectRef, id: &str) -> Result<Option<Vec<Part>>> {
        let asked = self.asked("ListParts", at);
        let (mut parts, mut marker): (Vec<Part>, Option<String>) = (Vec::new(), None);
        loop {
            let ask = || {
                let list = self.client().list_parts();
                let list = list.bucket(&at.bucket).key(&at.key).upload_id(id);
                list.set_part_number_marker(marker.clone()).send()
            };
            let answer = match self.reading(&asked, ask).await {
                Ok(answer) => answer,
                Err(error) if error.kind() == Kind::NotFound => {
                    self.check_bucket(&at.bucket).await?;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            for part in answer.parts() {
                parts.push(listed(part, &asked)?);
            }
            let next = answer.next_part_number_marker().map(str::to_owned);
            match (answer.is_truncated(), next) {
                (Some(true), next) if next.is_none() || next == marker => {
                    return Err(asked.fault("a truncated page that leads nowhere"));
                }
                (Some(true), next) => marker = next,
                _ => return Ok(Some(parts)),
            }
        }
    }

    /// Makes an object of the parts of an upload. Where the answer is lost, a look decides.
    pub async fn complete_upload(
        &self,
        _: Permit,
        at: &ObjectRef,
        id: &str,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<Written> {
        let asked = self.asked("CompleteMultipartUpload", at);
        let ask = || {
            let complete = self.client().complete_multipart_upload();
            let complete = complete.bucket(&at.bucket).key(&at.key).upload_id(id);
            complete
                .multipart_upload(completed(parts))
                .set_if_none_match(condition.if_none_match())
                .set_if_match(condition.if_match())
                .send()
        };
        match self.changing(&asked, ask).await {
            Ok(answer) => Ok(Written::of(answer.e_tag(), answer.version_id())),
            Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Timeout) => {
                self.completed_already(at, id, parts).await.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// What an upload made that is gone: its object, where that is what the parts make.
    async fn completed_already(&self, at: &ObjectRef, id: &str, parts: &[Part]) -> Option<Written> {
        let is_gone = matches!(self.parts(at, id).await, Ok(None));
        let head = self.head(&at.bucket, &at.key).await.ok()?;
        let size: u64 = parts.iter().map(|part| part.size).sum();
        let etag = head["etag"].as_str()?;
        let is_made = is_gone
            && head["size"].as_u64() == Some(size)
            && etag.ends_with(&format!("-{}", parts.len()));
        is_made.then(|| Written::of(Some(etag), head["version_id"].as_str()))
    }
}

/// An upload in parts.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// What is sent.
    pub sent: Sent<'a>,
    /// Its id.
    pub id: &'a str,
    /// The size of its parts.
    pub part_size: u64,
}

pub(super) fn upload_id(asked: &Asked, answer: &CreateMultipartUploadOutput) -> Result<String> {
    let id = answer.upload_id().map(str::to_owned);
    id.ok_or_else(|| asked.fault("an upload without an id"))
}

fn completed(parts: &[Part]) -> CompletedMultipartUpload {
    let parts = parts.iter().map(|part| {
        CompletedPart::builder()
            .part_number(part.number)
            .e_tag(format!("\"{}\"", part.etag))
            .build()
    });
    CompletedMultipartUpload::builder()
        .set_parts(Some(parts.collect()))
        .build()
}

fn listed(part: &aws_sdk_s3::types::Part, asked: &Asked) -> Result<Part> {
    let size = part.size().and_then(|size| u64::try_from(size).ok());
    match (part.part_number(), part.e_tag(), size) {
        (Some(number), Some(etag), Some(size)) => Ok(Part {
            number,
            etag: unquoted(etag).to_owned(),
            size,
        }),
        _ => Err(asked.fault("a part without number, ETag or size")),
    }
}

/// The MD5 of a range of a file, made where it holds nothing else up.
pub(crate) async fn digest(file: &LocalFile, range: Range<u64>) -> Result<[u8; 16]> {
    let file = file.clone();
    let reading = tokio::task::spawn_blocking(move || file.md5(range));
    reading
        .await
        .unwrap_or_else(|_| Err(Error::internal("a digest that was not made")))
}

async fn body<E>(
    file: &LocalFile,
    range: Range<u64>,
) -> std::result::Result<ByteStream, super::s3_error::Refusal<E>> {
    read_as_sent(file, range)
        .await
        .map_err(aws_sdk_s3::error::SdkError::construction_failure)
}

/// A range of a file, which is read as it is sent.
pub(super) async fn read_as_sent(
    file: &LocalFile,
    range: Range<u64>,
) -> std::result::Result<ByteStream, aws_sdk_s3::primitives::ByteStreamError> {
    if range.is_empty() {
        return Ok(ByteStream::from_static(b""));
    }
    ByteStream::read_from()
        .path(&file.path)
        .offset(range.start)
        .length(Length::Exact(range.end - range.start))
        .buffer_size(1 << 16)
        .build()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_usual_until_they_would_be_too_many() {
        assert_eq!(part_size(0), USUAL_PART);
        assert_eq!(part_size(50 << 30), USUAL_PART);
        for size in [200_u64 << 30, 5 << 40] {
            let part = part_size(size);
            assert!(
                size.div_ceil(part) <= MOST_PARTS && part.is_multiple_of(1 << 20),
                "{size}"
            );
        }
    }
}
