//! One round of sending the parts of a file that is to land: each to the URL that is signed for it while that is valid, by
//! keys of one's own where there are any and it is not. What was there before is not sent. What follows from a round is
//! `landing_parts`'s.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::landing::Work;
use super::landings::Open;
use super::pressure::{Pressure, Verdict};
use crate::clients::presigned::Put;
use crate::clients::s3_upload::{Part, Upload, digest};
use crate::error::{Error, Kind, Result};
use crate::local_file::parts;
use crate::progress::Progress;

/// Parts that are worked at; how many are sent at once is the pace's business.
const AT_ONCE: usize = 16;
/// Whether it can end in time is looked at so often.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// A part that is there, and the MD5 of its bytes.
pub(super) type Sent = (Part, [u8; 16]);

/// A number of bytes, for people.
fn spelt(bytes: u64) -> String {
    crate::table::size(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// Why sending ended before its end.
pub(super) enum Stop {
    /// The URLs are over, and an upload that begins now would come through.
    Over,
    /// It failed.
    Failed(Box<Error>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(Box::new(error))
    }
}

/// What a round of sending comes to.
pub(super) type Came<T> = std::result::Result<T, Stop>;

/// A round of sending.
pub(super) struct Sending<'a> {
    work: &'a Work<'a>,
    open: &'a Open,
    there: BTreeMap<i32, Part>,
    progress: Progress,
    /// When the first part was sent: what is only read before says nothing of the line.
    began: OnceLock<Instant>,
    /// The bytes that went out, tries in vain included.
    sent: Arc<AtomicU64>,
    left: AtomicU64,
    /// Parts that are there.
    done: AtomicU64,
    /// Whether the URLs are of no use any more.
    is_over: AtomicBool,
    may_begin_anew: bool,
}

impl<'a> Sending<'a> {
    /// A round that begins now; these parts are there already.
    pub(super) fn new(
        work: &'a Work<'a>,
        open: &'a Open,
        there: Vec<Part>,
        may_begin_anew: bool,
    ) -> Sending<'a> {
        let file = &work.landing.file;
        let console = work.session.console();
        Sending {
            work,
            open,
            there: there.into_iter().map(|part| (part.number, part)).collect(),
            progress: console.parts(&file.path, file.size, open.urls.len() as u64),
            began: OnceLock::new(),
            sent: Arc::default(),
            left: AtomicU64::new(file.size),
            done: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            may_begin_anew,
        }
    }

    /// Sends what is missing. Gives all parts, with their MD5s.
    pub(super) async fn all(&self) -> Came<Vec<Sent>> {
        let ranges = parts(self.work.landing.file.size, self.open.part_size);
        let sending =
            stream::iter((1..).zip(ranges)).map(|(number, range)| self.one(number, range));
        tokio::select! {
            sent = sending.buffered(AT_ONCE).try_collect() => sent,
            stop = self.watch() => Err(stop),
        }
    }

    /// Ends where the round cannot come through in time any more.
    async fn watch(&self) -> Stop {
        loop {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            if let Err(stop) = self.judge() {
                return stop;
            }
        }
    }

    async fn one(&self, number: i32, range: Range<u64>) -> Came<Sent> {
        let size = range.end - range.start;
        let md5 = digest(&self.work.landing.file, range.clone()).await?;
        let is_there = |part: &&Part| part.size == size && part.etag == hex::encode(md5);
        let there = self.there.get(&number).filter(is_there).cloned();
        let was_there = there.is_some();
        let part = match there {
            Some(part) => part,
            None => self.send(number, range, md5).await?,
        };
        self.left.fetch_sub(size, Ordering::Relaxed);
        self.progress
            .count(self.done.fetch_add(1, Ordering::Relaxed) + 1);
        if was_there {
            self.progress.skip(size);
        } else {
            self.work.landings.keep_part(&part);
            self.progress.add(size);
        }
        Ok((part, md5))
    }

    async fn send(&self, number: i32, range: Range<u64>, md5: [u8; 16]) -> Came<Part> {
        let is_valid = !self.is_over.load(Ordering::Relaxed) && !self.open.valid_for().is_zero();
        if is_valid {
            match self.to_its_url(number, range.clone(), md5).await {
                Ok(part) => return Ok(part),
                Err(error) if self.work.may_sign(&error) => {}
                // Without keys, one that was refused after its end has expired; before, the store knows why.
                Err(error) if error.kind() == Kind::Forbidden && self.is_past() => {}
                Err(error) => return Err(error.into()),
            }
            self.is_over.store(true, Ordering::Relaxed);
        }
        match &self.work.ingestion.own {
            Some(s3) => {
                let upload = Upload {
                    sent: self.work.sent(&self.open.at),
                    id: &self.open.id,
                    part_size: self.open.part_size,
                };
                Ok(s3
                    .send_part(self.work.permit, &upload, number, range, md5)
                    .await?)
            }
            None => Err(self.over()),
        }
    }

    async fn to_its_url(&self, number: i32, range: Range<u64>, md5: [u8; 16]) -> Result<Part> {
        let what = format!("part {number} of {}", self.open.at);
        let url = usize::try_from(number - 1)
            .ok()
            .and_then(|at| self.open.urls.get(at));
        let put = Put {
            url: url.ok_or_else(|| Error::internal(format!("{what} has no URL")))?,
            what: &what,
            content_type: None,
            file: &self.work.landing.file,
            md5,
            sent: &self.sent,
        };
        let size = range.end - range.start;
        self.began.get_or_init(Instant::now);
        let etag = self
            .work
            .ingestion
            .presigned
            .put(self.work.permit, &put, range)
            .await?;
        let etag = etag.ok_or_else(|| {
            Error::new(Kind::Protocol, format!("s3 gave no ETag to {what}"))
                .hint("a store that hides ETags from those without keys wants keys: set s3.access_key and s3.secret_key")
        })?;
        Ok(Part { number, etag, size })
    }

    /// Whether it can come through in time.
    fn judge(&self) -> Came<()> {
        if self.work.ingestion.own.is_some() {
            return Ok(());
        }
        match self.pressure(self.open.valid_for()).verdict() {
            Verdict::GoOn => Ok(()),
            Verdict::BeginAnew if self.may_begin_anew => Err(Stop::Over),
            Verdict::BeginAnew => Err(self.too_slow(None).into()),
            Verdict::Hopeless(rate) => Err(self.too_slow(Some(rate)).into()),
        }
    }

    fn is_past(&self) -> bool {
        self.open.valid_for().is_zero()
    }

    /// What follows from URLs that are over, and no keys.
    fn over(&self) -> Stop {
        match self.pressure(Duration::ZERO).verdict() {
            Verdict::BeginAnew if self.may_begin_anew => Stop::Over,
            Verdict::Hopeless(rate) => self.too_slow(Some(rate)).into(),
            _ => self.too_slow(None).into(),
        }
    }

    fn pressure(&self, valid: Duration) -> Pressure {
        Pressure {
            total: self.work.landing.file.size,
            left: self.left.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            within: self.began.get().map(Instant::elapsed).unwrap_or_default(),
            valid,
            anew: Duration::from_secs(self.open.valid),
        }
    }

    fn too_slow(&self, rate: Option<u64>) -> Error {
        let left = spelt(self.left.load(Ordering::Relaxed));
        let valid = crate::time::spell(Duration::from_secs(self.open.valid_for().as_secs()));
        let at = rate.map(|rate| format!(" at {} a second", spelt(rate)));
        Error::new(
            Kind::Timeout,
            format!(
                "{} cannot land in time: {left} are left{}, and the URLs of the ingest-api are valid for {valid} more",
                self.work.landing.file.path.display(),
                at.unwrap_or_default(),
            ),
        )
        .hint("with keys for the store (s3.access_key, s3.secret_key) it goes on past their end, from the parts that are there")
    }
}
