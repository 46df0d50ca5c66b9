//! Uploads in parts that were begun and neither completed nor given up: listed to the end, and given up.

use aws_sdk_s3::types::EncodingType;
use aws_smithy_types::date_time::DateTime;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::s3::{S3, rfc3339};
use super::s3_list::{decoded, timestamp};
use crate::effects::Permit;
use crate::error::{Kind, Result};
use crate::lake::ObjectRef;

/// An upload that is open.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// The raw key that it will have.
    pub key: String,
    /// Its id.
    pub id: String,
    /// When it was begun.
    pub begun: Option<DateTime>,
}

impl Upload {
    /// When it was begun, if the store says so in a way that can be read.
    #[must_use]
    pub fn begun_at(&self) -> Option<Timestamp> {
        self.begun.as_ref().and_then(timestamp)
    }

    /// The row that a script sees: `uri`, `bucket`, `key`, `upload_id`, `begun` (RFC 3339).
    #[must_use]
    pub fn row(&self, bucket: &str) -> Value {
        json!({
            "uri": format!("s3://{bucket}/{}", self.key),
            "bucket": bucket,
            "key": self.key,
            "upload_id": self.id,
            "begun": self.begun.as_ref().and_then(rfc3339),
        })
    }
}

impl S3 {
    /// The open uploads of a bucket. Asked for without a prefix: some stores take that for a whole key (rustfs#779).
    pub async fn uploads(&self, bucket: &str) -> Result<Vec<Upload>> {
        let asked = self.asked("ListMultipartUploads", format!("bucket '{bucket}'"));
        let mut uploads: Vec<Upload> = Vec::new();
        let (mut key, mut id): (Option<String>, Option<String>) = (None, None);
        loop {
            let ask = || {
                self.client()
                    .list_multipart_uploads()
                    .bucket(bucket)
                    .encoding_type(EncodingType::Url)
                    .set_key_marker(key.clone())
                    .set_upload_id_marker(id.clone())
                    .send()
            };
            let answer = self.reading(&asked, ask).await?;
            let is_encoded = answer.encoding_type() == Some(&EncodingType::Url);
            let text = |key: &str| {
                let key = if is_encoded {
                    decoded(key)
                } else {
                    Some(key.to_owned())
                };
                key.ok_or_else(|| asked.fault("a key that is no text"))
            };
            let before = uploads.len();
            for upload in answer.uploads() {
                let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else {
                    return Err(asked.fault("an upload without key or id"));
                };
                uploads.push(Upload {
                    key: text(key)?,
                    id: id.to_owned(),
                    begun: upload.initiated().copied(),
                });
            }
            if answer.is_truncated() != Some(true) {
                return Ok(uploads);
            }
            let next = answer.next_key_marker().filter(|key| !key.is_empty());
            let next = next.map(&text).transpose()?;
            if next.is_none() || uploads.len() == before {
                return Err(asked.fault("a truncated page that leads nowhere"));
            }
            let next_id = answer.next_upload_id_marker().map(str::to_owned);
            if next == key && next_id == id {
                return Err(asked.fault("the marker of the page just read"));
            }
            (key, id) = (next, next_id);
        }
    }

    /// How many bytes an open upload holds; none where there is no such upload.
    pub async fn upload_size(&self, at: &ObjectRef, id: &str) -> Result<Option<u64>> {
        let parts = self.parts(at, id).await?;
        Ok(parts.map(|parts| parts.iter().map(|part| part.size).sum()))
    }

    /// Gives an upload up; one that is gone already is fine.
    pub async fn abort_upload(&self, _: Permit, at: &ObjectRef, id: &str) -> Result<()> {
        let asked = self.asked("AbortMultipartUpload", at);
        let ask = || {
            let abort = self.client().abort_multipart_upload();
            abort.bucket(&at.bucket).key(&at.key).upload_id(id).send()
        };
        match self.changing(&asked, ask).await {
            Err(error) if error.kind() == Kind::NotFound => self.check_bucket(&at.bucket).await,
            other => other.map(drop),
        }
    }
}
