//! Downloads: the bytes of one and the same object, in order, handed on as they come. On a fast line several ranges are asked
//! for at a time; on a slow one only one is, of which every byte counts at once. Where the bytes go is nobody's business here.

use std::ops::Range;
use std::time::{Duration, Instant};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt};

use super::retry;
use super::s3::{S3, is_passing, unquoted};
use super::s3_bulk::has_dots;
use super::s3_error::Asked;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::parts;

/// What is asked for at once.
const RANGE: u64 = 8 << 20;
/// Ranges that are under way at a time, at most; how many requests go at once is the pace's business.
const MOST: u64 = 8;
/// A line that brings its ranges within this can bear more of them; one that takes much longer gets one at a time.
const FAST: Duration = Duration::from_secs(1);

/// An object that is fetched.
#[derive(Debug, Clone, Copy)]
pub struct Fetched<'a> {
    /// Which.
    pub at: &'a ObjectRef,
    /// Its bytes.
    pub size: u64,
    /// Its ETag, which it must have to the end.
    pub etag: Option<&'a str>,
}

impl S3 {
    /// Fetches an object from a place on, in order. `take` gets the bytes as they come.
    pub async fn fetch(
        &self,
        object: Fetched<'_>,
        start: u64,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let (mut from, mut at_once) = (start, 1);
        while from < object.size {
            let until = (from + RANGE * at_once).min(object.size);
            let began = Instant::now();
            if at_once == 1 {
                self.flowing(object, from..until, &mut take).await?;
            } else {
                self.together(object, from..until, &mut take).await?;
            }
            from = until;
            at_once = match began.elapsed() {
                took if took < FAST => (at_once * 2).min(MOST),
                took if took > FAST * 4 => 1,
                _ => at_once,
            };
        }
        Ok(())
    }

    /// The bytes of an object in order, some MiB at a time: one piece is fetched while the one before it is worked on.
    pub fn pieces(
        &self,
        at: ObjectRef,
        size: u64,
        etag: Option<String>,
    ) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let s3 = self.clone();
        let fetching = parts(size, RANGE).map(move |range| {
            let (s3, at, etag) = (s3.clone(), at.clone(), etag.clone());
            async move {
                let mut whole = BytesMut::new();
                let object = Fetched {
                    at: &at,
                    size: range.end,
                    etag: etag.as_deref(),
                };
                let keep = |bytes: &[u8]| {
                    whole.extend_from_slice(bytes);
                    Ok(())
                };
                s3.fetch(object, range.start, keep).await?;
                Ok(whole.freeze())
            }
        });
        stream::iter(fetching).buffered(2)
    }

    /// Several ranges at a time, each taken when it is whole.
    async fn together(
        &self,
        object: Fetched<'_>,
        all: Range<u64>,
        take: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let ranges = parts(all.end - all.start, RANGE);
        let ranges = ranges.map(|range| range.start + all.start..range.end + all.start);
        let mut fetching = stream::iter(ranges)
            .map(async |range: Range<u64>| {
                let mut whole = BytesMut::new();
                let mut keep = |bytes: &[u8]| {
                    whole.extend_from_slice(bytes);
                    Ok(())
                };
                self.flowing(object, range, &mut keep).await?;
                Ok::<Bytes, Error>(whole.freeze())
            })
            .buffered(usize::try_from(MOST).unwrap_or(1));
        while let Some(bytes) = fetching.next().await {
            take(&bytes?)?;
        }
        Ok(())
    }

    /// One range, taken as it comes; where it breaks off, it is asked for from there.
    async fn flowing(
        &self,
        object: Fetched<'_>,
        range: Range<u64>,
        take: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let asked = self.asked("GetObject", object.at);
        let (mut from, mut tries) = (range.start, 0);
        while from < range.end {
            let before = from;
            let flow = self.flow(&asked, object, from..range.end).await;
            let came = match flow {
                Ok(answer) => pour(&asked, answer, range.end, &mut from, take).await,
                Err(error) => Err(error),
            };
            if from > before {
                tries = 0;
            }
            match came {
                Ok(()) => {}
                Err(error) if is_passing(&error, tries) && tries < self.piece_retries() => {
                    tokio::time::sleep(retry::pause(tries)).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn flow(
        &self,
        asked: &Asked,
        object: Fetched<'_>,
        range: Range<u64>,
    ) -> Result<GetObjectOutput> {
        let Fetched { at, etag, .. } = object;
        let ask = || {
            let get = self.client().get_object();
            get.bucket(&at.bucket)
                .key(&at.key)
                .set_if_match(etag.map(|etag| format!("\"{etag}\"")))
                .range(format!("bytes={}-{}", range.start, range.end - 1))
                .send()
        };
        let answer = self.once(asked, ask).await;
        let answer = answer.map_err(|error| match error.detail().status {
            Some(412 | 416) => rewritten(at),
            _ => error,
        })?;
        if etag.is_some() && answer.e_tag().map(unquoted) != etag {
            return Err(rewritten(at));
        }
        Ok(answer)
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
}

/// Takes what comes, up to the end, and moves `from` on with it.
async fn pour(
    asked: &Asked,
    mut answer: GetObjectOutput,
    end: u64,
    from: &mut u64,
    take: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    while let Some(chunk) = answer.body.next().await {
        let chunk = chunk.map_err(|error| asked.broke_off(&error))?;
        if chunk.len() as u64 > end - *from {
            return Err(asked.fault("more bytes than were asked for"));
        }
        take(&chunk)?;
        *from += chunk.len() as u64;
    }
    if *from == end {
        return Ok(());
    }
    Err(asked.fault("fewer bytes than were asked for"))
}

fn rewritten(at: &ObjectRef) -> Error {
    Error::new(
        Kind::Conflict,
        format!("{at} was written while it was downloaded"),
    )
    .hint("download it again: what came of the old one is not used")
}
