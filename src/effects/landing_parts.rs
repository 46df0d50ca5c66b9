//! Large files that land in parts: begun or gone on with, sent in rounds, and completed, where a look tells whether that was
//! done if its answer is lost. How the parts are sent is `landing_round`'s.

use jiff::{SignedDuration, Timestamp};

use super::landing::{Work, taken_away};
use super::landing_round::{Came, Sending, Sent, Stop};
use super::landings::{Landed, Landing, Open, Stage};
use crate::clients::retry;
use crate::clients::s3_upload::Part;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::{etag_of_parts, tells};

/// Completing is tried so often: between two tries a look tells whether it was done.
const COMPLETIONS: u32 = 5;

impl Work<'_> {
    /// Lands the file in parts.
    pub(super) async fn in_parts(&self) -> Result<Landed> {
        let mut may_begin_anew = true;
        loop {
            let (open, there) = match self.to_go_on_with().await? {
                Going::Done(landed) => return Ok(landed),
                Going::On(open, there) => (open, there),
                Going::Not => (self.begin().await?, Vec::new()),
            };
            let sent = self.round(&open, there, may_begin_anew).await;
            if let Err(changed) = self.landing.file.check() {
                self.give_up(&open).await;
                return Err(changed);
            }
            match sent {
                Ok(sent) => return self.complete(&open, sent).await,
                Err(Stop::Failed(error)) => return Err(self.to_be_continued(*error)),
                Err(Stop::Over) => {
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
        if !known.is_same(self.landing) || !open.makes(self.landing.file.size) {
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
            return Ok(Going::On(open.clone(), self.landings.parts()));
        };
        let there = self.session.stoppable(s3.parts(&open.at, &open.id)).await?;
        if let Some(there) = there {
            return Ok(Going::On(open.clone(), there));
        }
        // It was completed, and nobody was there any more to hear of it; or somebody gave it up.
        let file = self.landing.file.clone();
        let part_size = open.part_size;
        let wanted = tokio::task::spawn_blocking(move || file.etag(part_size)).await;
        let wanted = wanted.map_err(|_| Error::internal("a digest that was not made"))??;
        if let Ok(Some(etag)) = self.completed(&open.at, &wanted).await {
            return self.arrived(&open.at, Some(etag)).await.map(Going::Done);
        }
        self.landings.forget();
        Ok(Going::Not)
    }

    async fn begin(&self) -> Result<Open> {
        let asked = self.asked();
        let starting = self.ingestion.ingest.start(self.permit, &asked);
        let started = self.session.stoppable(starting).await?;
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
        if !open.makes(self.landing.file.size) {
            self.give_up(&open).await;
            let message = "ingest gave parts that do not make the file to POST /multipart/start";
            return Err(Error::new(Kind::Protocol, message)
                .hint("the upload was given up, and nothing of it is left"));
        }
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
    async fn round(&self, open: &Open, there: Vec<Part>, may_begin_anew: bool) -> Came<Vec<Sent>> {
        let sending = Sending::new(self, open, there, may_begin_anew);
        tokio::select! {
            biased;
            () = self.session.interrupt().stopped() => Err(Error::interrupted().into()),
            sent = sending.all() => sent,
        }
    }

    fn to_be_continued(&self, error: Error) -> Error {
        let config = self.session.config();
        let same = self.session.gate().order().command;
        error
            .hint(format!(
                "what the store has stays, and the same command again goes on from there: {same}"
            ))
            .hint(format!(
                "what is open: {}; all of it goes on, and its flows are started, with {}",
                config.command_line("ingest uploads"),
                config.command_line("ingest --resume")
            ))
    }

    /// Makes the object of its parts. Where the answer is lost, a look tells whether it was made.
    async fn complete(&self, open: &Open, sent: Vec<Sent>) -> Result<Landed> {
        let (sent, digests): (Vec<Part>, Vec<[u8; 16]>) = sent.into_iter().unzip();
        let wanted = etag_of_parts(&digests);
        let mut last = None;
        for count in 0..COMPLETIONS {
            let completing = self
                .ingestion
                .ingest
                .complete(self.permit, &open.at, &open.id, &sent);
            let error = match self.session.stoppable(completing).await {
                Ok(etag) => {
                    self.refuse_other(open, etag.as_deref(), &wanted)?;
                    return self.arrived(&open.at, etag).await;
                }
                Err(error) => error,
            };
            let is_stopped = error.kind() == Kind::Interrupted;
            let may_pass = matches!(error.kind(), Kind::Unavailable | Kind::Timeout);
            last = Some(error);
            if is_stopped {
                break;
            }
            if let Ok(Some(etag)) = self.completed(&open.at, &wanted).await {
                return self.arrived(&open.at, Some(etag)).await;
            }
            if !may_pass {
                break;
            }
            tokio::time::sleep(retry::pause(count)).await;
        }
        let error = last.unwrap_or_else(|| Error::internal("an upload that was never completed"));
        Err(self.to_be_continued(error))
    }

    /// The ETag of the object, where an upload of this file has made it: the one that is wanted, as far as ETags tell.
    async fn completed(&self, at: &ObjectRef, wanted: &str) -> Result<Option<String>> {
        let size = self.landing.file.size;
        let Some(s3) = &self.ingestion.own else {
            // The key is this upload's alone; without keys, its size is all that is told.
            let is_made = self.is_whole(&self.registered(at).await?);
            return Ok(is_made.then(|| wanted.to_owned()));
        };
        let head = self.session.stoppable(s3.head(&at.bucket, &at.key)).await?;
        let etag = head["etag"].as_str().unwrap_or_default();
        let count = |etag: &str| etag.split_once('-').map(|(_, count)| count.to_owned());
        let is_it = if tells(etag) {
            etag == wanted
        } else {
            count(etag) == count(wanted)
        };
        let is_made = is_it && head["size"].as_u64() == Some(size);
        Ok(is_made.then(|| etag.to_owned()))
    }

    /// What the store made must be what was sent, as far as ETags tell. What is not is nothing to go on from.
    fn refuse_other(&self, open: &Open, etag: Option<&str>, wanted: &str) -> Result<()> {
        let Some(other) = etag.filter(|etag| tells(etag) && *etag != wanted) else {
            return Ok(());
        };
        self.landings.forget();
        let at = &open.at;
        let message = format!("{at} was made with the ETag {other}, and its parts make {wanted}");
        Err(Error::new(Kind::Protocol, message)
            .hint(taken_away(at))
            .hint("the same command again uploads the file anew"))
    }
}

/// What can be done with what was begun.
enum Going {
    /// Nothing was, or it is gone.
    Not,
    /// It goes on, from these parts.
    On(Open, Vec<Part>),
    /// It was complete already.
    Done(Landed),
}
