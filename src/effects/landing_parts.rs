//! Large files that land in parts: begun or gone on with, sent in rounds, and completed, where a look tells whether that was
//! done if its answer is lost. How the parts are sent is `landing_round`'s.

use jiff::{SignedDuration, Timestamp};

use super::landing::{Work, tells};
use super::landing_round::{Round, Sending, Stop};
use super::landings::{Landed, Landing, Open, Stage};
use crate::clients::retry;
use crate::clients::s3_upload::Part;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::etag_of_parts;

/// Completing is tried so often: between two tries a look tells whether it was done.
const COMPLETIONS: u32 = 5;

impl Work<'_> {
    /// Lands the file in parts.
    pub(super) async fn in_parts(&self) -> Result<Landed> {
        let mut may_begin_anew = true;
        loop {
            let open = match self.to_go_on_with().await? {
                Going::Done(landed) => return Ok(landed),
                Going::On(open) => open,
                Going::Not => self.begin().await?,
            };
            let round = self.round(&open, may_begin_anew).await;
            if let Err(changed) = self.landing.file.check() {
                self.give_up(&open).await;
                return Err(changed);
            }
            match round? {
                Round::Sent(sent) => return self.complete(&open, sent).await,
                Round::Over => {
                    self.session.console().note(&format!(
                        "the URLs of {} are over: it begins anew, which is faster than failing",
                        self.landing.file.path.display()
                    ));
                    self.give_up(&open).await;
                    may_begin_anew = false;
                }
            }
        }
    }

    /// What was begun of this file, if it can be gone on with.
    async fn to_go_on_with(&self) -> Result<Going> {
        let Some(known) = self.landings.recall() else {
            return Ok(Going::Not);
        };
        let Stage::Open(open) = &known.stage else {
            return Ok(Going::Not);
        };
        if !known.is_same(self.landing) {
            self.give_up(open).await;
            return Ok(Going::Not);
        }
        let Some(s3) = &self.ingestion.own else {
            if open.valid_for().is_zero() {
                self.session.console().note(&format!(
                    "the URLs of the upload that was begun of {} are over, and there are no keys for the store (s3.access_key): it begins anew",
                    self.landing.file.path.display()
                ));
                self.give_up(open).await;
                return Ok(Going::Not);
            }
            return Ok(Going::On(open.clone()));
        };
        if s3.parts(&open.at, &open.id).await?.is_some() {
            return Ok(Going::On(open.clone()));
        }
        // It was completed, and nobody was there any more to hear of it; or somebody gave it up.
        if let Ok(Some(etag)) = self.completed(&open.at, open.part_size).await {
            return self.arrived(&open.at, Some(etag)).await.map(Going::Done);
        }
        self.landings.forget();
        Ok(Going::Not)
    }

    async fn begin(&self) -> Result<Open> {
        let started = self
            .ingestion
            .ingest
            .start(self.permit, &self.asked()?)
            .await?;
        let valid = started.expires_in;
        let span = SignedDuration::from_secs(i64::try_from(valid).unwrap_or(i64::MAX).min(1 << 30));
        let open = Open {
            at: ObjectRef {
                bucket: started.bucket,
                key: started.key,
            },
            id: started.upload_id,
            part_size: started.part_size,
            urls: started.urls,
            expires: Timestamp::now()
                .saturating_add(span)
                .unwrap_or(Timestamp::MAX),
            valid,
        };
        self.landings.forget();
        self.landings.keep(&Landing {
            stage: Stage::Open(open.clone()),
            ..self.landing.clone()
        })?;
        Ok(open)
    }

    /// Gives an upload up that nobody will go on with. One that stays costs space, and `gc --uploads` finds it.
    async fn give_up(&self, open: &Open) {
        let aborted = self
            .ingestion
            .ingest
            .abort(self.permit, &open.at, &open.id)
            .await;
        if let Err(error) = aborted {
            self.session.console().warn(&format!(
                "upload {} of {} is still open: {error}",
                open.id, open.at
            ));
        }
        self.landings.forget();
    }

    /// Sends what the store does not have.
    async fn round(&self, open: &Open, may_begin_anew: bool) -> Result<Round> {
        let there = match &self.ingestion.own {
            Some(s3) => s3.parts(&open.at, &open.id).await?.unwrap_or_default(),
            None => self.landings.parts(),
        };
        let sending = Sending::new(self, open, there, may_begin_anew);
        let sent = tokio::select! {
            biased;
            () = self.session.interrupt().stopped() => Err(Error::interrupted().into()),
            sent = sending.all() => sent,
        };
        match sent {
            Ok(sent) => Ok(Round::Sent(sent)),
            Err(Stop::Over) => Ok(Round::Over),
            Err(Stop::Failed(error)) => Err(self.to_be_continued(*error)),
        }
    }

    fn to_be_continued(&self, error: Error) -> Error {
        let config = self.session.config();
        error
            .hint(format!(
                "what the store has stays: {} goes on from there, and so does the same command again",
                config.command_line("ingest --resume")
            ))
            .hint(format!("what is open: {}", config.command_line("ingest uploads")))
    }

    /// Makes the object of its parts. Where the answer is lost, a look tells whether it was made.
    async fn complete(&self, open: &Open, sent: Vec<(Part, [u8; 16])>) -> Result<Landed> {
        let (sent, digests): (Vec<Part>, Vec<[u8; 16]>) = sent.into_iter().unzip();
        let mut last = None;
        for count in 0..COMPLETIONS {
            let completed = self
                .ingestion
                .ingest
                .complete(self.permit, &open.at, &open.id, &sent)
                .await;
            let error = match completed {
                Ok(etag) => {
                    refuse_other(open, etag.as_deref(), &digests)?;
                    return self.arrived(&open.at, etag).await;
                }
                Err(error) => error,
            };
            if let Ok(Some(etag)) = self.completed(&open.at, open.part_size).await {
                return self.arrived(&open.at, Some(etag)).await;
            }
            let may_pass = matches!(error.kind(), Kind::Unavailable | Kind::Timeout);
            last = Some(error);
            if !may_pass || self.session.interrupt().is_stopping() {
                break;
            }
            tokio::time::sleep(retry::pause(count)).await;
        }
        let error = last.unwrap_or_else(|| Error::internal("an upload that was never completed"));
        Err(self.to_be_continued(error))
    }

    /// The ETag of the object, where an upload of this file has made it.
    async fn completed(&self, at: &ObjectRef, part_size: u64) -> Result<Option<String>> {
        let size = self.landing.file.size;
        if let Some(s3) = &self.ingestion.own {
            let head = s3.head(&at.bucket, &at.key).await?;
            let etag = head["etag"].as_str().unwrap_or_default();
            let count = size.div_ceil(part_size);
            let is_made =
                head["size"].as_u64() == Some(size) && etag.ends_with(&format!("-{count}"));
            return Ok(is_made.then(|| etag.to_owned()));
        }
        let there = self.ingestion.ingest.register(&at.to_string()).await?;
        let is_made = there["content_length"].as_u64() == Some(size);
        // The key is this upload's alone; without keys, its size is all that is told.
        Ok(is_made.then(String::new))
    }
}

/// What can be done with what was begun.
enum Going {
    /// Nothing was, or it is gone.
    Not,
    /// It goes on.
    On(Open),
    /// It was complete already.
    Done(Landed),
}

/// What the store made must be what was sent, as far as ETags tell.
fn refuse_other(open: &Open, etag: Option<&str>, digests: &[[u8; 16]]) -> Result<()> {
    let wanted = etag_of_parts(digests);
    match etag {
        Some(etag) if tells(etag) && etag != wanted => Err(Error::new(
            Kind::Protocol,
            format!(
                "{} was made with the ETag {etag}, and its parts make {wanted}",
                open.at
            ),
        )
        .hint("the store has something else than was sent: nothing was triggered")),
        _ => Ok(()),
    }
}
