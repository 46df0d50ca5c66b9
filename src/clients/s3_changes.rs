//! What changes the object store: writing, copying and deleting an object. Every method takes the gate's leave; what is
//! looked at before and kept for later is the gate's business.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use futures::stream::{self, StreamExt, TryStreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::s3::{S3, unquoted};
use super::s3_upload::{Part, upload_id};
use crate::effects::Permit;
use crate::error::Result;
use crate::lake::ObjectRef;
use crate::local_file::parts;

/// CopyObject copies no more at once.
const COPY_LIMIT: u64 = 5 << 30;
/// The parts of a larger copy.
const COPY_PART: u64 = 1 << 30;
/// So many parts of one object are copied at a time; how many requests go at once is the pace's business.
const COPIES: usize = 8;

/// What an object is to be.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Its bytes.
    pub bytes: bytes::Bytes,
    /// Its media type.
    pub content_type: Option<String>,
    /// Its user metadata.
    pub metadata: BTreeMap<String, String>,
}

/// What must hold of what is there, or nothing is written (`If-None-Match: *`, `If-Match`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// There is no object of that key.
    Absent,
    /// The object has this ETag.
    Matches(String),
}

impl Condition {
    pub(super) fn if_none_match(&self) -> Option<String> {
        (*self == Condition::Absent).then(|| "*".to_owned())
    }

    pub(super) fn if_match(&self) -> Option<String> {
        match self {
            Condition::Matches(etag) => Some(format!("\"{etag}\"")),
            _ => None,
        }
    }
}

/// What a write or copy made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The ETag.
    pub etag: Option<String>,
    /// The version, where the bucket keeps them.
    pub version_id: Option<String>,
}

impl Written {
    /// As the store says it.
    pub(super) fn of(etag: Option<&str>, version_id: Option<&str>) -> Written {
        Written {
            etag: etag.map(|etag| unquoted(etag).to_owned()),
            version_id: version_id.map(str::to_owned),
        }
    }
}

/// The user metadata of an object, as the library takes it.
pub(super) fn user_metadata(
    metadata: &BTreeMap<String, String>,
) -> Option<HashMap<String, String>> {
    (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect())
}

/// What a delete did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The delete marker that now stands there, where the bucket keeps versions.
    pub marker: Option<String>,
}

impl S3 {
    /// Writes an object whole, from memory.
    pub async fn put(
        &self,
        _: Permit,
        at: &ObjectRef,
        content: &Content,
        condition: &Condition,
    ) -> Result<Written> {
        let asked = self.asked("PutObject", at);
        let ask = || {
            self.client()
                .put_object()
                .bucket(&at.bucket)
                .key(&at.key)
                .body(ByteStream::from(content.bytes.clone()))
                .set_content_type(content.content_type.clone())
                .set_metadata(user_metadata(&content.metadata))
                .set_if_none_match(condition.if_none_match())
                .set_if_match(condition.if_match())
                .send()
        };
        let answer = self.changing(&asked, ask).await?;
        Ok(Written::of(answer.e_tag(), answer.version_id()))
    }

    /// Copies an object inside the store, with its media type and metadata, if its ETag is still `etag`. Where its size is
    /// known to the caller, one request is enough for all but the very small and the very large.
    pub async fn copy(
        &self,
        permit: Permit,
        from: &ObjectRef,
        to: &ObjectRef,
        etag: Option<&str>,
        size: Option<u64>,
    ) -> Result<Written> {
        if size.is_none_or(|size| size == 0 || size > COPY_LIMIT) {
            let head = self.head_before_copy(from).await?;
            let size = head.content_length().unwrap_or(0).unsigned_abs();
            if size == 0 && from.key.ends_with('/') {
                return self.copy_marker(permit, to, &head).await;
            }
            if size > COPY_LIMIT {
                return self.copy_in_parts(permit, from, to, &head).await;
            }
        }
        self.copy_whole(from, to, etag).await
    }

    async fn head_before_copy(&self, from: &ObjectRef) -> Result<HeadObjectOutput> {
        let asked = self.asked("HeadObject", from);
        let ask = || {
            let head = self.client().head_object();
            head.bucket(&from.bucket).key(&from.key).send()
        };
        self.reading(&asked, ask).await
    }

    async fn copy_whole(
        &self,
        from: &ObjectRef,
        to: &ObjectRef,
        etag: Option<&str>,
    ) -> Result<Written> {
        let asked = self.asked("CopyObject", format!("{from} to {to}"));
        let ask = || {
            self.client()
                .copy_object()
                .bucket(&to.bucket)
                .key(&to.key)
                .copy_source(source(from))
                .set_copy_source_if_match(etag.map(|etag| format!("\"{etag}\"")))
                .send()
        };
        let answer = self.changing(&asked, ask).await?;
        let result = answer.copy_object_result();
        let etag = result.and_then(|result| result.e_tag());
        Ok(Written::of(etag, answer.version_id()))
    }

    /// The same for the empty object that stands for a folder, which some stores (SeaweedFS) show and refuse to copy.
    async fn copy_marker(
        &self,
        permit: Permit,
        to: &ObjectRef,
        head: &HeadObjectOutput,
    ) -> Result<Written> {
        let metadata = head.metadata().cloned().unwrap_or_default();
        let content = Content {
            bytes: bytes::Bytes::new(),
            content_type: head.content_type().map(str::to_owned),
            metadata: metadata.into_iter().collect(),
        };
        self.put(permit, to, &content, &Condition::None).await
    }

    /// The same for an object that one request cannot copy.
    async fn copy_in_parts(
        &self,
        permit: Permit,
        from: &ObjectRef,
        to: &ObjectRef,
        head: &HeadObjectOutput,
    ) -> Result<Written> {
        let upload = self.begin_copy(to, head).await?;
        let copied = self.copy_parts(from, to, &upload, head).await;
        let parts = match copied {
            Ok(parts) => parts,
            Err(error) => {
                let _ = self.abort_upload(permit, to, &upload).await;
                return Err(error);
            }
        };
        self.complete_upload(permit, to, &upload, &parts, &Condition::None)
            .await
    }

    async fn begin_copy(&self, to: &ObjectRef, head: &HeadObjectOutput) -> Result<String> {
        let asked = self.asked("CreateMultipartUpload", to);
        let ask = || {
            self.client()
                .create_multipart_upload()
                .bucket(&to.bucket)
                .key(&to.key)
                .set_content_type(head.content_type().map(str::to_owned))
                .set_content_encoding(head.content_encoding().map(str::to_owned))
                .set_content_language(head.content_language().map(str::to_owned))
                .set_content_disposition(head.content_disposition().map(str::to_owned))
                .set_cache_control(head.cache_control().map(str::to_owned))
                .set_metadata(head.metadata().cloned())
                .send()
        };
        upload_id(&asked, &self.changing(&asked, ask).await?)
    }

    async fn copy_parts(
        &self,
        from: &ObjectRef,
        to: &ObjectRef,
        upload: &str,
        head: &HeadObjectOutput,
    ) -> Result<Vec<Part>> {
        let size = head.content_length().unwrap_or(0).unsigned_abs();
        let etag = head.e_tag();
        let copying =
            stream::iter((1..).zip(parts(size, COPY_PART))).map(async |(number, range)| {
                let asked = self.asked("UploadPartCopy", format!("{from} to {to}"));
                let ask = || {
                    self.client()
                        .upload_part_copy()
                        .bucket(&to.bucket)
                        .key(&to.key)
                        .upload_id(upload)
                        .part_number(number)
                        .copy_source(source(from))
                        .set_copy_source_if_match(etag.map(str::to_owned))
                        .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
                        .send()
                };
                let answer = self.piece(&asked, ask).await?;
                let etag = answer.copy_part_result().and_then(|part| part.e_tag());
                let etag = etag.ok_or_else(|| asked.fault("a part without an ETag"))?;
                Ok(Part {
                    number,
                    etag: unquoted(etag).to_owned(),
                    size: range.end - range.start,
                })
            });
        copying.buffered(COPIES).try_collect().await
    }

    /// Deletes an object, or one version of it; with an ETag, on stores that look at it, only an object of that one.
    pub async fn delete(
        &self,
        _: Permit,
        at: &ObjectRef,
        version: Option<&str>,
        etag: Option<&str>,
    ) -> Result<Deleted> {
        let asked = self.asked("DeleteObject", at);
        let ask = || {
            self.client()
                .delete_object()
                .bucket(&at.bucket)
                .key(&at.key)
                .set_version_id(version.map(str::to_owned))
                .set_if_match(etag.map(|etag| format!("\"{etag}\"")))
                .send()
        };
        let answer = self.changing(&asked, ask).await?;
        let marker = answer
            .version_id()
            .filter(|_| answer.delete_marker() == Some(true));
        Ok(Deleted {
            marker: marker.map(str::to_owned),
        })
    }
}

/// The source of a copy, as its header wants it: the key percent-encoded, its slashes kept.
fn source(from: &ObjectRef) -> String {
    const KEEP: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    format!("{}/{}", from.bucket, utf8_percent_encode(&from.key, KEEP))
}
