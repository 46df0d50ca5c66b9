//! Downloads: ranges of an object, each whole or not at all, and all of one and the same object. Where the bytes go is
//! nobody's business here.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};

use super::retry;
use super::s3::{S3, is_passing, unquoted};
use super::s3_bulk::has_dots;
use super::s3_error::Asked;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::parts;

/// What is asked for at once.
const RANGE: u64 = 8 << 20;
/// Ranges that are asked for ahead; how many requests go at once is the pace's business.
const AHEAD: usize = 8;

impl S3 {
    /// The bytes of an object from a place on, in order, as long as it is the object of that size and ETag.
    #[must_use]
    pub fn bytes_from<'a>(
        &'a self,
        at: &'a ObjectRef,
        (size, etag): (u64, Option<&'a str>),
        start: u64,
    ) -> BoxStream<'a, Result<Bytes>> {
        let ranges = parts(size.saturating_sub(start), RANGE);
        let ranges = ranges.map(move |range| range.start + start..range.end + start);
        stream::iter(ranges)
            .map(move |range| self.range(at, etag, range))
            .buffered(AHEAD)
            .boxed()
    }

    /// A URL by which anybody may read an object for so long.
    pub async fn presign(&self, at: &ObjectRef, expires: Duration) -> Result<String> {
        let asked = self.asked("GetObject", at);
        if has_dots(&at.key) {
            return Err(asked.unaskable());
        }
        let config = PresigningConfig::expires_in(expires)
            .map_err(|error| Error::usage(error.to_string()))?;
        let get = self.client().get_object().bucket(&at.bucket).key(&at.key);
        let signed = get.presigned(config).await;
        let signed = signed.map_err(|error| asked.refused(&error))?;
        Ok(signed.uri().to_owned())
    }

    /// A range, asked for again where it breaks off.
    async fn range(&self, at: &ObjectRef, etag: Option<&str>, range: Range<u64>) -> Result<Bytes> {
        let asked = self.asked("GetObject", at);
        for count in 0.. {
            match self.range_once(&asked, at, etag, range.clone()).await {
                Err(error) if is_passing(&error) && count < self.piece_retries() => {
                    tokio::time::sleep(retry::pause(count)).await;
                }
                other => return other,
            }
        }
        Err(Error::internal("a range was asked for for ever"))
    }

    async fn range_once(
        &self,
        asked: &Asked,
        at: &ObjectRef,
        etag: Option<&str>,
        range: Range<u64>,
    ) -> Result<Bytes> {
        let ask = || {
            let get = self.client().get_object();
            get.bucket(&at.bucket)
                .key(&at.key)
                .set_if_match(etag.map(|etag| format!("\"{etag}\"")))
                .range(format!("bytes={}-{}", range.start, range.end - 1))
                .send()
        };
        let mut answer =
            self.reading(asked, ask)
                .await
                .map_err(|error| match error.detail().status {
                    Some(412 | 416) => rewritten(at),
                    _ => error,
                })?;
        if etag.is_some() && answer.e_tag().map(unquoted) != etag {
            return Err(rewritten(at));
        }
        let length = range.end - range.start;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = answer.body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| asked.broke_off(&error))?);
            if bytes.len() as u64 > length {
                return Err(asked.fault("more bytes than were asked for"));
            }
        }
        if bytes.len() as u64 == length {
            return Ok(bytes.freeze());
        }
        Err(asked.fault("fewer bytes than were asked for"))
    }
}

fn rewritten(at: &ObjectRef) -> Error {
    Error::new(
        Kind::Conflict,
        format!("{at} was written while it was downloaded"),
    )
    .hint("download it again: what came of the old one is not used")
}
