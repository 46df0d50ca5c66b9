//! A local file that becomes an object: at once, or in parts that the next try goes on from. What is in the way is put
//! aside when all parts are there, right before the object takes its place.

use std::collections::BTreeMap;

use super::hands::{Done, Hands, Number, Seen};
use super::object::{condition, made, make_way, seen as look, whole};
use super::open_upload::{Recalled, Uploads};
use super::{Change, Facts, Permit, object};
use crate::clients::s3_changes::{Condition, Written};
use crate::clients::s3_upload::{Part, Sent, Upload};
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::{LocalFile, parts};

/// Makes the change to what was seen.
pub(super) async fn perform(
    hands: &Hands,
    permit: Permit,
    number: Number<'_>,
    change: &Change,
    seen: &Seen,
) -> Result<Done> {
    let Change::UploadFile {
        file,
        at,
        content_type,
        metadata,
        only_new,
        part_size,
    } = change
    else {
        return Err(Error::internal("this is no upload"));
    };
    let upload = Uploading {
        hands,
        permit,
        number,
        at,
        file,
        content_type: content_type.as_deref(),
        metadata,
        part_size: *part_size,
        condition: held_to(at, &seen.facts, *only_new)?,
        change,
        there: &seen.facts,
    };
    file.check()?;
    if file.size <= *part_size {
        upload.at_once().await
    } else {
        upload.in_parts().await
    }
}

/// What the store is to hold the write to, where it can: that nobody was faster.
fn held_to(at: &ObjectRef, there: &Facts, only_new: bool) -> Result<Condition> {
    condition(at, there, only_new, None)?;
    Ok(match (there, there.etag()) {
        (Facts::Absent, _) => Condition::Absent,
        (_, Some(etag)) => Condition::Matches(etag.to_owned()),
        _ => Condition::None,
    })
}

/// What an upload makes that may have been made already.
pub(super) fn source(file: &LocalFile, part_size: u64) -> Option<Facts> {
    file.check().ok()?;
    Some(Facts::Object {
        size: file.size,
        etag: Some(file.etag(part_size).ok()?),
        modified: None,
        version: None,
    })
}

struct Uploading<'a> {
    hands: &'a Hands,
    permit: Permit,
    number: Number<'a>,
    at: &'a ObjectRef,
    file: &'a LocalFile,
    content_type: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    part_size: u64,
    condition: Condition,
    change: &'a Change,
    there: &'a Facts,
}

impl Uploading<'_> {
    fn sent(&self) -> Sent<'_> {
        Sent {
            at: self.at,
            file: self.file,
            content_type: self.content_type,
            metadata: self.metadata,
        }
    }

    async fn at_once(&self) -> Result<Done> {
        let s3 = self.hands.s3()?;
        let aside = self.make_way().await?;
        let put =
            async |condition: Condition| s3.put_file(self.permit, &self.sent(), &condition).await;
        match self.held(put).await {
            Ok(written) => self.made(aside, &written).await,
            Err(error) => {
                // A store that checks the digest refuses bytes that changed on the way.
                self.file.check()?;
                if self.is_made(&error).await {
                    return self.made(aside, &Written::default()).await;
                }
                Err(error)
            }
        }
    }

    /// Whether only the answer was lost: the file's bytes are there, and were not before.
    async fn is_made(&self, error: &Error) -> bool {
        let is_open = matches!(error.kind(), Kind::Unavailable | Kind::Timeout);
        let (Ok(s3), true) = (self.hands.s3(), is_open) else {
            return false;
        };
        let Ok(now) = look(s3, self.at).await else {
            return false;
        };
        let wanted = source(self.file, self.part_size);
        let is_mine = wanted.is_some_and(|wanted| object::is_copy(&now.facts, &wanted));
        is_mine && !self.there.still(&now.facts)
    }

    async fn make_way(&self) -> Result<Option<ObjectRef>> {
        make_way(self.hands, self.permit, self.number, self.at, self.there).await
    }

    /// Writes, held to what was seen where the store knows conditions.
    async fn held(&self, write: impl AsyncFn(Condition) -> Result<Written>) -> Result<Written> {
        match write(self.condition.clone()).await {
            Err(error) if matches!(error.detail().status, Some(409 | 412)) => {
                Err(object::changed(self.at))
            }
            Err(error) if error.detail().status == Some(501) => write(Condition::None).await,
            other => other,
        }
    }

    async fn made(&self, aside: Option<ObjectRef>, written: &Written) -> Result<Done> {
        let made = made(self.hands.s3()?, self.at, aside).await?;
        whole(self.at, &made, (self.file.size, written))?;
        Ok(made)
    }

    async fn in_parts(&self) -> Result<Done> {
        let s3 = self.hands.s3()?;
        let memory = Uploads::of(self.hands.session(), self.at, self.change)?;
        let (id, there) = self.begin(&memory).await?;
        let sent = self.send(&id, there).await;
        if let Err(changed) = self.file.check() {
            let _ = s3.abort_upload(self.permit, self.at, &id).await;
            memory.forget();
            return Err(changed);
        }
        let sent = sent?;
        let now = look(s3, self.at).await?;
        if !self.there.still(&now.facts) {
            return Err(object::changed(self.at).hint(
                "all parts are in the store: the same command again puts them in its place, and what is there aside",
            ));
        }
        let aside = self.make_way().await?;
        let complete = async |condition: Condition| {
            s3.complete_upload(self.permit, self.at, &id, &sent, &condition)
                .await
        };
        let written = self.held(complete).await?;
        memory.forget();
        self.made(aside, &written).await
    }

    /// The upload and the parts that it has: one that this machine began of the same file, or a new one.
    async fn begin(&self, memory: &Uploads) -> Result<(String, Vec<Part>)> {
        let s3 = self.hands.s3()?;
        match memory.recall() {
            Recalled::Same(id) => {
                if let Some(there) = s3.parts(self.at, &id).await? {
                    return Ok((id, there));
                }
            }
            Recalled::Another(id) => s3.abort_upload(self.permit, self.at, &id).await?,
            Recalled::Nothing => {}
        }
        memory.forget();
        let id = s3.begin_upload(self.permit, &self.sent()).await?;
        memory.keep(&id)?;
        Ok((id, Vec::new()))
    }

    async fn send(&self, id: &str, there: Vec<Part>) -> Result<Vec<Part>> {
        let s3 = self.hands.s3()?;
        let session = self.hands.session();
        let progress = session
            .console()
            .progress(&self.at.to_string(), self.file.size);
        let upload = Upload {
            sent: self.sent(),
            id,
            part_size: self.part_size,
        };
        let sending = s3.send_parts(self.permit, &upload, there, |bytes| progress.add(bytes));
        match session.stoppable(sending).await {
            Ok(sent) => Ok(sent),
            Err(error) => Err(self.to_be_continued(id, error).await),
        }
    }

    /// An error that says how far the upload came, and how it goes on.
    async fn to_be_continued(&self, id: &str, error: Error) -> Error {
        let all = parts(self.file.size, self.part_size).len();
        let there = match (error.kind(), self.hands.s3()) {
            // Who wants to stop does not wait for another answer.
            (Kind::Interrupted, _) | (_, Err(_)) => String::new(),
            (_, Ok(s3)) => match s3.parts(self.at, id).await {
                Ok(Some(there)) => format!(" ({} of {all} parts)", there.len()),
                _ => String::new(),
            },
        };
        let list = self
            .hands
            .session()
            .config()
            .command_line(&format!("s3 uploads {}", self.at.bucket));
        error
            .hint(format!(
                "the same command again goes on from what the store has{there}"
            ))
            .hint(format!("what is open: {list}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_upload_makes_is_known_by_the_bytes_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let file = LocalFile::look(&path).unwrap();
        let facts = source(&file, 5 << 20).unwrap();
        assert_eq!(facts.etag(), Some("900150983cd24fb0d6963f7d28e17f72"));
        std::fs::write(&path, "abcd").unwrap();
        assert_eq!(source(&file, 5 << 20), None);
    }
}
