//! A local file that lands through the ingest-api: at once where it is small, else in parts. The API says where it goes and
//! signs the URLs; whether what arrived is the file is looked at afterwards. How the parts get there is `landing_parts`'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::hands::{Done, Hands};
use super::ingestion::Ingestion;
use super::landings::{self, Landed, Landing, Landings, Stage};
use super::{Change, Facts, Permit};
use crate::clients::ingest;
use crate::clients::presigned::Put;
use crate::clients::s3_upload::{self, Sent, digest};
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::progress::Progress;
use crate::session::Session;

/// Files from here on go in parts; smaller ones the API takes at once.
pub const IN_PARTS_FROM: u64 = 500 << 20;

/// How far a file is that goes at once is looked at so often.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Lands the file.
pub(super) async fn perform(hands: &Hands, permit: Permit, change: &Change) -> Result<Done> {
    let ingestion = hands.ingestion()?;
    let (landing, again) = begun(hands.session(), change)?;
    landing.file.check()?;
    let landings = Landings::of(hands.session(), &landing)?;
    let work = Work {
        session: hands.session(),
        ingestion,
        permit,
        landings: &landings,
        landing: &landing,
    };
    // Looked at again now that nobody else can land it.
    if !again && let Some(landed) = work.landed_before().await? {
        let mut done = done(&landing, &landed);
        done.value["earlier"] = true.into();
        return Ok(done);
    }
    let landed = if landing.file.size < IN_PARTS_FROM {
        work.at_once().await?
    } else {
        work.in_parts().await?
    };
    Ok(done(&landing, &landed))
}

fn done(landing: &Landing, landed: &Landed) -> Done {
    Done {
        value: value(landing, landed),
        after: facts(landing, landed),
        ..Done::default()
    }
}

/// The landing of a change, as it begins.
fn begun(session: &Session, change: &Change) -> Result<(Landing, bool)> {
    let Change::LandFile {
        file,
        name,
        domain,
        classification,
        content_type,
        again,
    } = change
    else {
        return Err(Error::internal("this is no landing"));
    };
    let landing = Landing {
        api: landings::api(session)?,
        inode: file.inode(),
        file: file.clone(),
        name: name.clone(),
        domain: domain.clone(),
        classification: classification.clone(),
        content_type: content_type.clone(),
        began: session.now(),
        stage: Stage::Begun,
    };
    Ok((landing, *again))
}

/// What a landing gives back.
fn value(landing: &Landing, landed: &Landed) -> Value {
    json!({
        "uri": landed.at.to_string(),
        "bucket": landed.at.bucket,
        "key": landed.at.key,
        "size": landing.file.size,
        "etag": landed.etag,
        "file": landing.file.path,
    })
}

fn facts(landing: &Landing, landed: &Landed) -> Facts {
    Facts::of_object(&json!({
        "size": landing.file.size,
        "etag": landed.etag,
        "last_modified": landed.modified,
    }))
}

/// What came of a landing whose end nobody told: what it gave back, and what is there.
pub(super) fn found(session: &Session, change: &Change) -> Result<Option<(Value, Facts)>> {
    let (landing, _) = begun(session, change)?;
    let landed = landings::known(session, &landing)?.and_then(Landing::landed);
    Ok(landed.map(|landed| (value(&landing, &landed), facts(&landing, &landed))))
}

/// What a landing of the same file gave back, where it is still what it was and there.
pub fn landed_before(session: &Session, change: &Change) -> Result<Option<Value>> {
    let ingest = session.ingest()?;
    let Some((value, facts)) = found(session, change)? else {
        return Ok(None);
    };
    let uri = value["uri"].as_str().unwrap_or_default();
    let is_there = is_there(facts.size(), session.wait(ingest.register(uri)))?;
    Ok(is_there.then_some(value))
}

/// Whether so much is there, as the API answered.
fn is_there(size: Option<u64>, answer: Result<Value>) -> Result<bool> {
    match answer {
        Ok(there) => Ok(there["content_length"].as_u64() == size),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// One landing under way.
pub(super) struct Work<'a> {
    pub(super) session: &'a Session,
    pub(super) ingestion: &'a Ingestion,
    pub(super) permit: Permit,
    pub(super) landings: &'a Landings,
    pub(super) landing: &'a Landing,
}

impl Work<'_> {
    /// What the API is asked with.
    pub(super) fn asked(&self) -> ingest::Landing<'_> {
        ingest::Landing {
            domain: &self.landing.domain,
            name: &self.landing.name,
            content_type: &self.landing.content_type,
            size: self.landing.file.size,
        }
    }

    pub(super) fn sent<'b>(&'b self, at: &'b ObjectRef) -> Sent<'b> {
        Sent {
            at,
            file: &self.landing.file,
            content_type: Some(&self.landing.content_type),
            metadata: &NOTHING,
        }
    }

    async fn at_once(&self) -> Result<Landed> {
        let asked = self.asked();
        let presigning = self.ingestion.ingest.presign(&asked);
        let place = self.session.stoppable(presigning).await?;
        let at = ObjectRef {
            bucket: place.bucket,
            key: place.key,
        };
        let file = &self.landing.file;
        let what = at.to_string();
        let progress = self.session.console().parts(&file.path, file.size, 1);
        let put = Put {
            url: &place.url,
            what: &what,
            content_type: Some(&self.landing.content_type),
            file,
            md5: digest(file, 0..file.size).await?,
            sent: &Arc::default(),
        };
        let sending = async {
            match self
                .ingestion
                .presigned
                .put(self.permit, &put, 0..file.size)
                .await
            {
                Err(error) if self.may_sign(&error) => self.with_own_keys(&at).await,
                other => other,
            }
        };
        let followed = async {
            tokio::select! {
                sent = sending => sent,
                () = follow(&progress, put.sent) => Err(Error::internal("progress has no end")),
            }
        };
        let sent = self.session.stoppable(followed).await;
        // A store that checks the digest refuses bytes that changed on the way, and then it is the file's fault.
        if let Err(changed) = file.check() {
            return Err(self.taken_back(&at, sent.is_ok(), changed).await);
        }
        let etag = sent.map_err(|error| match error.kind() {
            Kind::Protocol => error.hint(taken_away(&at)),
            _ => error,
        })?;
        progress.count(1);
        progress.reach(file.size);
        self.arrived(&at, etag).await
    }

    /// Whether keys of one's own may do what a signed URL does not: it has expired, or names a store that cannot be
    /// reached so.
    pub(super) fn may_sign(&self, error: &Error) -> bool {
        let is_over = matches!(error.kind(), Kind::Forbidden | Kind::Unavailable);
        is_over && self.ingestion.own.is_some()
    }

    async fn with_own_keys(&self, at: &ObjectRef) -> Result<Option<String>> {
        let s3 = self.ingestion.own()?;
        let condition = crate::clients::s3_changes::Condition::None;
        let written = s3.put_file(self.permit, &self.sent(at), &condition).await?;
        Ok(written.etag)
    }

    /// Takes away what was made of a file that changed meanwhile, where there are keys for that.
    async fn taken_back(&self, at: &ObjectRef, was_sent: bool, changed: Error) -> Error {
        if !was_sent {
            return changed;
        }
        let gone = match &self.ingestion.own {
            Some(s3) => s3.delete(self.permit, at, None, None).await.is_ok(),
            None => false,
        };
        if gone {
            return changed;
        }
        Error::new(Kind::Conflict, changed.to_string())
            .hint(format!(
                "{at} is what was sent of it, and nothing was started of that"
            ))
            .hint("ingest it when nobody writes it any more")
    }

    /// Where this very file has landed before, if it is there still.
    async fn landed_before(&self) -> Result<Option<Landed>> {
        let known = self.landings.recall();
        let known = known.filter(|known| known.is_same(self.landing));
        let Some(landed) = known.and_then(Landing::landed) else {
            return Ok(None);
        };
        let answer = self.registered(&landed.at).await;
        Ok(is_there(Some(self.landing.file.size), answer)?.then_some(landed))
    }

    /// What the API says of what has landed there.
    pub(super) async fn registered(&self, at: &ObjectRef) -> Result<Value> {
        let uri = at.to_string();
        self.session
            .stoppable(self.ingestion.ingest.register(&uri))
            .await
    }

    pub(super) fn is_whole(&self, there: &Value) -> bool {
        there["content_length"].as_u64() == Some(self.landing.file.size)
    }

    /// Looks at what has arrived, and remembers it.
    pub(super) async fn arrived(&self, at: &ObjectRef, etag: Option<String>) -> Result<Landed> {
        let mut landed = Landed {
            at: at.clone(),
            etag,
            modified: None,
        };
        // It is there, whatever becomes of the look.
        self.keep(&landed)?;
        let there = self.registered(at).await.map_err(|error| {
            error.hint(format!(
                "{at} was sent; the same command again goes on from there"
            ))
        })?;
        if !self.is_whole(&there) {
            self.landings.forget();
            let message = format!(
                "{at} has {} bytes, and {} has {}",
                there["content_length"],
                self.landing.file.path.display(),
                self.landing.file.size
            );
            return Err(Error::new(Kind::Protocol, message)
                .hint("no flow was started of it; the same command again uploads it anew"));
        }
        landed.modified = there["last_modified"].as_str().map(str::to_owned);
        self.keep(&landed)?;
        Ok(landed)
    }

    fn keep(&self, landed: &Landed) -> Result<()> {
        let kept = self.landings.keep(&Landing {
            stage: Stage::Landed(landed.clone()),
            ..self.landing.clone()
        });
        kept.map_err(|error| error.hint(format!("{} has landed all the same", landed.at)))
    }
}

/// How what the store has otherwise than it was sent is taken away.
pub(super) fn taken_away(at: &ObjectRef) -> String {
    format!(
        "what the store has there is not what was sent; it goes with: dashictl s3 rm {at} --apply"
    )
}

/// Shows how much has gone out, for as long as it is waited for.
async fn follow(progress: &Progress, sent: &AtomicU64) {
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        progress.reach(sent.load(Ordering::Relaxed));
    }
}

/// A landing has no user metadata: the URLs are signed without any.
static NOTHING: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();

/// How a file of so many bytes goes: its parts and their size, or none where it goes at once. The API has the last word.
#[must_use]
pub fn parts_of(size: u64) -> Option<(u64, u64)> {
    let part = s3_upload::part_size(size);
    (size >= IN_PARTS_FROM).then(|| (size.div_ceil(part), part))
}
